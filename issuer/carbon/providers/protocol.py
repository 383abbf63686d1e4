"""What every provider of grid data does, and the slots that it gives.

No provider retries, caches or waits: whoever asks does (one flight a key, back-off). The one exception is a token that
has run out, which is renewed once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from schemas import grid_data
from schemas.grid_data import GRANULARITIES_US, GridData, GridSlot

FactorType = Literal["direct", "lifecycle"]
Signal = Literal["average", "marginal"]
Granularity = Literal["PT5M", "PT15M", "PT30M", "PT1H", "P1D"]


class Offer(Struct, frozen=True, kw_only=True):
    """What one provider, as it is set up, gives for every zone. Only ``average`` may enter Scope 2.

    ``source`` becomes the credential's ``carbonIntensitySource``: who publishes the figures, and in which edition.
    """

    provider: str
    source: str
    licence: str
    granularity: Granularity
    factor_type: FactorType
    signal: Signal

    @property
    def length_us(self) -> int:
        """How long a slot is."""
        return GRANULARITIES_US[self.granularity]


class Hole(Struct, frozen=True, kw_only=True):
    """A slot [``start_us``, ``end_us``) that the provider gave no usable figure for, and why."""

    start_us: int
    end_us: int
    reason: str


class ProviderSlots(Struct, frozen=True, kw_only=True):
    """Slots of one zone in one kind and resolution, in the order of time, each once, with holes where figures lack.

    Slots overlap the period that was asked for; none starts after the moment of asking. Where a provider leaves a slot
    out without a word, there is no ``Hole`` for it either: what is not in ``slots`` is not there.
    """

    offer: Offer
    zone: str
    slots: tuple[GridSlot, ...]
    holes: tuple[Hole, ...] = ()

    def grid_data(self, start_us: int, end_us: int) -> GridData | None:
        """Return the document of the slots that cover [start_us, end_us), or None where they do not."""
        return document(self.offer, self.zone, self.slots, start_us, end_us)


def document(offer: Offer, zone: str, slots: Sequence[GridSlot], start_us: int, end_us: int) -> GridData | None:
    """Return the document of those ``slots`` that cover [start_us, end_us), or None where they do not.

    ``slots`` are the offer's, in the order of time, perhaps from the store. Raises SchemaInvalidError for too many.
    """
    within = tuple(slot for slot in slots if slot.start_us < end_us and slot.end_us > start_us)
    if not within or within[0].start_us > start_us or within[-1].end_us < end_us:
        return None
    if any(first.end_us != second.start_us for first, second in itertools.pairwise(within)):
        return None
    data = GridData(
        v=1,
        provider=offer.provider,
        source=offer.source,
        licence=offer.licence,
        zone=zone,
        granularity=offer.granularity,
        factor_type=offer.factor_type,
        signal=offer.signal,
        slots=within,
    )
    # Whatever is handed on can be encoded, and so be evidence.
    grid_data.encode_grid_data(data)
    return data


class Provider(Protocol):
    """Whoever can be asked for the carbon intensity of a zone. Times are µs since 1970; every error a ProviderError."""

    @property
    def offer(self) -> Offer:
        """What it gives, the same for every zone."""
        ...

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        """Return the slots that overlap [start_us, end_us) and have started by ``now_us``, perhaps none of them.

        A slot that is not over by ``now_us`` is always ``estimated``. Tier "history" (an operator's file: "operator").
        """
        ...

    async def latest(self, zone: str, now_us: int) -> ProviderSlots | None:
        """Return the provider's newest slot, tier "live", or None where it has no such endpoint (nothing is asked)."""
        ...

    async def aclose(self) -> None:
        """Give back what is held; the provider is not asked again."""
        ...
