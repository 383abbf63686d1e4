"""From a provider's answer to rows of the store: only what could be a claim's evidence gets there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from issuer.carbon.choose import Feed, is_settled
from issuer.carbon.providers.errors import ProviderRefusedError
from issuer.carbon.providers.protocol import Offer, ProviderSlots
from issuer.store.grid_records import FeedKey, SlotKind, StoredSlot
from schemas import decimals, grid_data, times
from schemas.errors import GreenError
from schemas.grid_data import GridData, GridSlot
from verifier.claims.bounds import MAX_INTENSITY


def stored_slots(
    key: FeedKey, given: Sequence[ProviderSlots], feed: Feed, offer: Offer, now_us: int
) -> tuple[StoredSlot, ...]:
    """Return the slots of answers as they are stored, each start once: the last answer's.

    Raises ProviderRefusedError where a provider answers for another zone or with another kind than it offers, where a
    slot lies ahead, or could not stand in a document that a verifier takes: then nothing of the answer is kept.
    """
    by_start: dict[int, StoredSlot] = {}
    for one in given:
        if one.zone != key.zone or one.offer != offer:
            raise ProviderRefusedError(
                f"it answers for {one.zone[:40]!r} or with another kind of figures than it offers"
            )
        kind = SlotKind(
            provider=offer.provider,
            data_source=offer.source,
            licence=offer.licence,
            zone=one.zone,
            granularity=offer.granularity,
            factor_type=offer.factor_type,
            signal=offer.signal,
        )
        for slot in one.slots:
            _check(kind, slot, now_us)
            settled = is_settled(slot, feed.settles_after_us)
            by_start[slot.start_us] = StoredSlot(
                source=key.source, kind=kind, slot=slot, settled_us=now_us if settled else None
            )
    return tuple(by_start.values())


def _check(kind: SlotKind, slot: GridSlot, now_us: int) -> None:
    where = f"the slot at {times.render_claim(times.from_microseconds(slot.start_us))}"
    if slot.start_us > now_us or slot.retrieved_us > now_us:
        raise ProviderRefusedError(f"{where} lies ahead")
    if slot.end_us > now_us and not slot.estimated:
        raise ProviderRefusedError(f"{where} is not over, and called no estimate")
    data = GridData(
        v=1,
        provider=kind.provider,
        source=kind.data_source,
        licence=kind.licence,
        zone=kind.zone,
        granularity=kind.granularity,
        factor_type=kind.factor_type,
        signal=kind.signal,
        slots=(slot,),
    )
    try:
        grid_data.encode_grid_data(data)
        figure = decimals.parse(slot.gco2e_per_kwh)
    except GreenError as error:
        raise ProviderRefusedError(f"{where} is no slot: {error.detail}") from error
    if figure > MAX_INTENSITY:
        raise ProviderRefusedError(f"{where} has {slot.gco2e_per_kwh} g/kWh; no grid has more than {MAX_INTENSITY}")
