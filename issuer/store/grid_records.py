"""What the store takes and gives back of the grid's data: frozen values. Times are integer µs since 1970 (``…_us``)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.grid_data import GridSlot

Signal = Literal["average", "marginal"]
FactorType = Literal["direct", "lifecycle"]


class SlotKind(Struct, frozen=True, kw_only=True):
    """What the slots of one document have in common: members of schemas.grid_data.GridData, ``data_source`` its ``source``."""

    provider: str
    data_source: str
    licence: str
    zone: str
    granularity: str
    factor_type: FactorType
    signal: Signal


class StoredSlot(Struct, frozen=True, kw_only=True):
    """One slot as it is kept. ``source`` is the operator's name of the source; ``settled_us`` None: it may change yet."""

    source: str
    kind: SlotKind
    slot: GridSlot
    settled_us: int | None = None


class FeedKey(Struct, frozen=True, kw_only=True, order=True):
    """One zone of one source: what is asked for, in one flight at a time."""

    source: str
    zone: str


class FeedState(Struct, frozen=True, kw_only=True):
    """How asking went: ``failures`` in a row, what the last one was, and when it is asked again."""

    key: FeedKey
    next_attempt_us: int
    last_success_us: int | None = None
    last_failure_us: int | None = None
    failure: str | None = None
    failures: int = 0


class ProvisionalClaim(Struct, frozen=True, kw_only=True):
    """What it takes to choose again for a credential: its node's region, its period, its IT energy without the building's."""

    region: str
    period_start_us: int
    period_end_us: int
    it_mj: int


class OpenClaim(Struct, frozen=True, kw_only=True):
    """A provisional claim of a credential that was not superseded yet."""

    credential_id: str
    claim: ProvisionalClaim


class WantedPeriod(Struct, frozen=True, kw_only=True):
    """A period of a region that a provisional credential lacks settled slots of."""

    region: str
    start_us: int
    end_us: int
