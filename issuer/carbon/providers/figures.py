"""From a provider's figures to slots: what is asked for, what is kept of an answer, and what becomes a hole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec import Struct

from issuer.carbon.providers.errors import ProviderRefusedError
from issuer.carbon.providers.protocol import Hole, Offer, ProviderSlots
from schemas import decimals, times
from schemas.grid_data import INTENSITY_DECIMALS, GridSlot
from schemas.lexical import STRING

MAX_GCO2E_PER_KWH: Final = 2_000
"""No grid emits more: oil shale, the worst of the fuels, is at some 1,500."""

NOT_OVER: Final = "slot-not-over"
"""Estimation method of a slot that was read before its end, where the provider names none."""
NOT_STATED: Final = "not-stated"
"""Estimation method where a provider does not say whether it estimated, or how."""


class Period(NamedTuple):
    """A time [``start_us``, ``end_us``) whose edges are edges of slots."""

    start_us: int
    end_us: int


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for, and when (``now_us``, which is also when it was answered)."""

    offer: Offer
    zone: str
    now_us: int


class Origin(Struct, frozen=True, kw_only=True):
    """Where the figures of one answer come from: what every slot of it says of itself."""

    tier: str
    endpoint: str
    reply_digest: str


class Figure(Struct, frozen=True, kw_only=True):
    """What an answer says of the slot that starts at ``start_us``; ``gco2e_per_kwh`` None where it says nothing."""

    start_us: int
    gco2e_per_kwh: Decimal | None
    estimated: bool = False
    estimation_method: str | None = None
    updated_us: int | None = None
    reason: str = "the provider has no value (null)"


def period_of(offer: Offer, start_us: int, end_us: int, now_us: int) -> Period | None:
    """Return the slots' period around [start_us, end_us), none that starts at ``now_us`` or later; None where none is left.

    Raises ValueError for a period that does not rise from 1970 on.
    """
    if not 0 <= start_us < end_us:
        raise ValueError("a period starts after 1970 and before it ends")
    length_us = offer.length_us
    first_us = start_us - start_us % length_us
    last_us = -(-min(end_us, now_us) // length_us) * length_us
    return Period(first_us, last_us) if first_us < last_us else None


def pieces(period: Period, longest_us: int) -> Iterator[Period]:
    """Yield the parts of a period, each ``longest_us`` at most: no provider answers for a year at once."""
    for start_us in range(period.start_us, period.end_us, longest_us):
        yield Period(start_us, min(start_us + longest_us, period.end_us))


def slots_of(asked: Asked, figures: Iterable[Figure], origin: Origin, period: Period | None) -> ProviderSlots:
    """Return the slots of one answer that lie in ``period`` (None: anywhere) and have started when it was asked for.

    Raises ProviderRefusedError for a figure beside the slots' edges, and for two of the same slot.
    """
    offer, zone = asked.offer, asked.zone
    slots: dict[int, GridSlot] = {}
    holes: dict[int, Hole] = {}
    for figure in figures:
        start_us = figure.start_us
        if start_us % offer.length_us:
            moment = times.render_claim(times.from_microseconds(start_us))
            raise ProviderRefusedError(f"{offer.provider}: {moment} is no edge of slots of {offer.granularity}")
        # Some answer with more than was asked for, before it and after; and nothing is known of what has not begun.
        if start_us >= asked.now_us or (period is not None and not period.start_us <= start_us < period.end_us):
            continue
        if start_us in slots or start_us in holes:
            moment = times.render_claim(times.from_microseconds(start_us))
            raise ProviderRefusedError(f"{offer.provider}: the answer has two figures for the slot at {moment}")
        reason = unusable(figure)
        if reason is None:
            slots[start_us] = _slot(figure, asked, origin)
        else:
            holes[start_us] = Hole(start_us=start_us, end_us=start_us + offer.length_us, reason=reason)
    return ProviderSlots(
        offer=offer,
        zone=zone,
        slots=tuple(slots[start_us] for start_us in sorted(slots)),
        holes=tuple(holes[start_us] for start_us in sorted(holes)),
    )


def joined(asked: Asked, answers: Sequence[ProviderSlots]) -> ProviderSlots:
    """Return the slots of several answers, each for a piece of its own, as one."""
    return ProviderSlots(
        offer=asked.offer,
        zone=asked.zone,
        slots=tuple(slot for answer in answers for slot in answer.slots),
        holes=tuple(hole for answer in answers for hole in answer.holes),
    )


def unusable(figure: Figure) -> str | None:
    """Return why a figure is not to be used, or None where it is."""
    value = figure.gco2e_per_kwh
    if value is None:
        return figure.reason
    if not value.is_finite():
        return "the value is not a number"
    if value < 0:
        return "the value is negative"
    if value > MAX_GCO2E_PER_KWH:
        return f"the value is above {MAX_GCO2E_PER_KWH} g/kWh, which no grid reaches"
    return None


def _slot(figure: Figure, asked: Asked, origin: Origin) -> GridSlot:
    if figure.gco2e_per_kwh is None:
        raise ValueError("a figure without a value makes no slot")
    end_us = figure.start_us + asked.offer.length_us
    method = figure.estimation_method
    if method is not None and not STRING.fits(method):
        method = NOT_STATED
    # A method without the flag is an estimate too.
    estimated = figure.estimated or method is not None
    if end_us > asked.now_us:
        estimated, method = True, method or NOT_OVER
    return GridSlot(
        start_us=figure.start_us,
        end_us=end_us,
        gco2e_per_kwh=decimals.render(decimals.round_half_even(figure.gco2e_per_kwh, INTENSITY_DECIMALS)),
        estimated=estimated,
        estimation_method=method,
        tier=origin.tier,
        endpoint=origin.endpoint,
        updated_us=figure.updated_us,
        retrieved_us=asked.now_us,
        reply_digest=origin.reply_digest,
    )
