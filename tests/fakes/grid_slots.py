"""Slots for tests of the grid: hours of a source "em" in zone DE, and what is asked about them."""

from __future__ import annotations

from typing import Any

import msgspec

from issuer.store.grid_records import FeedKey, SlotKind, StoredSlot
from schemas import digests
from schemas.grid_data import GRANULARITIES_US, GridSlot

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOON_US = 1_795_176_000_000_000
"""2026-11-20T12:00:00Z."""

EM_DE = FeedKey(source="em", zone="DE")
ENTSOE_DE = FeedKey(source="entsoe", zone="10Y1001A1001A83F")


def kind(key: FeedKey = EM_DE, **changes: Any) -> SlotKind:
    """Return what the slots of a feed have in common: lifecycle averages, an hour long."""
    plain = SlotKind(
        provider=f"provider-{key.source}",
        data_source=f"Source {key.source} v4",
        licence="a licence",
        zone=key.zone,
        granularity="PT1H",
        factor_type="lifecycle",
        signal="average",
    )
    return msgspec.structs.replace(plain, **changes)


def slot(start_us: int, gco2e_per_kwh: str = "300", *, length_us: int = HOUR_US, **changes: Any) -> GridSlot:
    """Return a slot of history, read four days after its end unless changed."""
    plain = GridSlot(
        start_us=start_us,
        end_us=start_us + length_us,
        gco2e_per_kwh=gco2e_per_kwh,
        estimated=False,
        tier="history",
        endpoint="/v4/carbon-intensity/past-range",
        retrieved_us=start_us + length_us + 4 * DAY_US,
        reply_digest=digests.digest(b"reply"),
    )
    return msgspec.structs.replace(plain, **changes)


def stored(
    start_us: int, gco2e_per_kwh: str = "300", *, key: FeedKey = EM_DE, settled: bool = True, **changes: Any
) -> StoredSlot:
    """Return a slot as the store keeps it: settled when it was read, unless ``settled`` is false."""
    of_kind = {name: changes.pop(name) for name in SlotKind.__struct_fields__ if name in changes}
    common = kind(key, **of_kind)
    one = slot(start_us, gco2e_per_kwh, length_us=GRANULARITIES_US[common.granularity], **changes)
    return StoredSlot(source=key.source, kind=common, slot=one, settled_us=one.retrieved_us if settled else None)
