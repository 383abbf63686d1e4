"""Whether a source works as it is set up: one question to its provider, and what came of it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from issuer.carbon.providers.protocol import Hole, Offer, Provider
from schemas.grid_data import GridSlot

# Within what a free plan's history reaches.
_LATELY_US: Final = 12 * 3_600_000_000


class Checked(Struct, frozen=True, kw_only=True):
    """What a provider gave for the last 12 hours of a zone: slots and holes counted, the newest of each."""

    offer: Offer
    zone: str
    slots: int
    holes: int
    wanted: int
    newest: GridSlot | None
    hole: Hole | None


async def check(provider: Provider, zone: str, now_us: int) -> Checked:
    """Return what a provider gives for the 12 hours before ``now_us``. Raises ProviderError as it does.

    So token, zone, contract and granularity are tried at once, with a question as intake's worker asks it.
    """
    given = await provider.slots(zone, now_us - _LATELY_US, now_us, now_us)
    length_us = provider.offer.length_us
    return Checked(
        offer=provider.offer,
        zone=zone,
        slots=len(given.slots),
        holes=len(given.holes),
        wanted=-(-now_us // length_us) - (now_us - _LATELY_US) // length_us,
        newest=given.slots[-1] if given.slots else None,
        hole=given.holes[-1] if given.holes else None,
    )
