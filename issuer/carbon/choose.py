"""Which intensity a credential claims: the first source of a declared cascade that covers its whole period. Pure.

What is known is what is stored: nobody is asked here. Nothing is made up either: a source with a hole in the period is
passed over whole, never patched with another one's figures or with the latest value, so that one claim has one source,
one kind of factor, one resolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import msgspec

from issuer.carbon import factor
from issuer.carbon.factor import ClaimStatus, GridFactor
from issuer.carbon.table import Intensity
from issuer.store.grid_records import FactorType, FeedKey, Signal, SlotKind, StoredSlot
from schemas import decimals, grid_data, times
from schemas.errors import GreenError
from schemas.grid_data import GRANULARITIES_US, MAX_SLOTS, GridData, GridSlot
from verifier.claims.bounds import MAX_INTENSITY

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US

REACH_US: Final = 10 * DAY_US
"""So long after a period a source may still bring its slots; what a lower level gave until then is provisional."""

_TIERS: Final[tuple[Literal["live", "history", "operator"], ...]] = ("live", "history", "operator")
_REMEMBERED: Final = 256

Stored = Mapping[FeedKey, Sequence[StoredSlot]]
"""The slots of each feed that touch a period, in any order."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim is about: when, and the IT energy (without the building's) that weighs the slots."""

    start_us: int | None
    end_us: int
    it_mj: int

    @property
    def bounds_us(self) -> tuple[int, int]:
        """Its start and end; a period without a start, or with no length, is the microsecond before its end."""
        return (self.end_us - 1 if self.start_us is None else min(self.start_us, self.end_us - 1)), self.end_us


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a cascade: a zone of a source, the kind of its factors, and when its slots settle after their end."""

    key: FeedKey
    signal: Signal
    factor_type: FactorType
    settles_after_us: int


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was passed over, and why."""

    key: FeedKey
    reason: str


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential claims. ``document``: the slots (JCS) that ``factor`` names by their digest, None for a table's."""

    factor: GridFactor
    document: bytes | None = None
    data: GridData | None = None
    feed: Feed | None = None
    passed: tuple[Passed, ...] = ()

    @property
    def attachments(self) -> Mapping[str, bytes]:
        """The document by its digest, as evidence of the credential; nothing where a table was taken."""
        digest = self.factor.grid_data_digest
        return {} if self.document is None or digest is None else {digest: self.document}


class _Evidence(msgspec.Struct, frozen=True):
    data: GridData
    raw: bytes
    digest: str


def choose(feeds: Sequence[Feed], stored: Stored, period: Period, now_us: int, annual: Intensity) -> Chosen:
    """Return the claim of a period: the first of ``feeds`` that covers it, else the annual table's.

    Provisional is what may still change: a slot that is estimated
    or not settled, or a lower level than one that may answer yet, within REACH_US of the period.
    """
    picked, passed, hopeful = _pick(feeds, stored, period, now_us)
    if picked is not None:
        return picked
    may_come = hopeful and now_us - period.end_us < REACH_US
    return Chosen(
        factor=factor.of_table(annual, claim_status="provisional" if may_come else "final"), passed=tuple(passed)
    )


def choose_marginal(feeds: Sequence[Feed], stored: Stored, period: Period, now_us: int) -> Chosen | None:
    """Return the marginal claim as ``choose`` does; None where no source covers the period: no table stands in for it."""
    return _pick(feeds, stored, period, now_us)[0]


def is_settled(slot: GridSlot, settles_after_us: int) -> bool:
    """Return whether a slot is its provider's last word: measured, and read once the time to correct it was over."""
    return not slot.estimated and slot.retrieved_us >= slot.end_us + settles_after_us


def _pick(
    feeds: Sequence[Feed], stored: Stored, period: Period, now_us: int
) -> tuple[Chosen | None, list[Passed], bool]:
    """Return what a source gives, if one does, what was passed over, and whether one of those may answer yet."""
    start_us, end_us = period.bounds_us
    passed: list[Passed] = []
    hopeful = False
    for feed in feeds:
        candidates = _covering(feed, stored.get(feed.key, ()), start_us, end_us)
        if isinstance(candidates, str):
            passed.append(Passed(key=feed.key, reason=candidates))
            hopeful = True
            continue
        evidence = _evidence(candidates)
        if isinstance(evidence, str):
            # No later reading makes a document of it smaller.
            passed.append(Passed(key=feed.key, reason=evidence))
            continue
        may_come = hopeful and now_us - end_us < REACH_US
        may_change = any(
            one.settled_us is None and not is_settled(one.slot, feed.settles_after_us) for one in candidates
        )
        claimed = _factor(evidence, period, "provisional" if may_come or may_change else "final")
        chosen = Chosen(factor=claimed, document=evidence.raw, data=evidence.data, feed=feed, passed=tuple(passed))
        return chosen, passed, hopeful
    return None, passed, hopeful


def _factor(evidence: _Evidence, period: Period, claim_status: ClaimStatus) -> GridFactor:
    data = evidence.data
    tiers = {slot.tier for slot in data.slots}
    return GridFactor(
        region=data.zone,
        gco2e_per_kwh=grid_data.mean_intensity(data, period.it_mj, *period.bounds_us),
        factor_type="direct" if data.factor_type == "direct" else "lifecycle",
        characterization_factors=None,
        tier=next(tier for tier in _TIERS if tier in tiers),
        source=data.source,
        granularity=data.granularity,
        grid_data_digest=evidence.digest,
        claim_status=claim_status,
    )


def _covering(feed: Feed, slots: Sequence[StoredSlot], start_us: int, end_us: int) -> tuple[StoredSlot, ...] | str:
    """Return the slots of one kind that the period touches, without a hole; or why there are none.

    Of several kinds (a source that changed its resolution, or its edition) the finest, then the one read last.
    """
    kinds: dict[SlotKind, list[StoredSlot]] = {}
    for one in slots:
        same = (one.kind.signal, one.kind.factor_type) == (feed.signal, feed.factor_type)
        if same and one.slot.start_us < end_us and one.slot.end_us > start_us:
            kinds.setdefault(one.kind, []).append(one)
    if not kinds:
        return "it has no slot of the period"
    rows = [_without_hole(ones, start_us, end_us) for ones in kinds.values()]
    whole = [row for row in rows if isinstance(row, tuple)]
    if not whole:
        return next(row for row in rows if isinstance(row, str))
    return min(whole, key=lambda row: (GRANULARITIES_US[row[0].kind.granularity], -row[-1].slot.retrieved_us))


def _without_hole(slots: Sequence[StoredSlot], start_us: int, end_us: int) -> tuple[StoredSlot, ...] | str:
    """Return the slots that follow each other over the period, or what is missing."""
    by_start = {one.slot.start_us: one for one in slots if _is_believable(one)}
    first = max((start for start in by_start if start <= start_us), default=None)
    row: list[StoredSlot] = []
    reached_us = start_us
    follower = None if first is None else by_start[first]
    while follower is not None and follower.slot.end_us > reached_us:
        row.append(follower)
        reached_us = follower.slot.end_us
        if reached_us >= end_us:
            return tuple(row)
        follower = by_start.get(reached_us)
    unbelievable = next((one for one in slots if not _is_believable(one)), None)
    if unbelievable is not None:
        return f"its figure {unbelievable.slot.gco2e_per_kwh[:40]} g/kWh is not between 0 and {MAX_INTENSITY}"
    return f"it has no slot at {times.render_claim(times.from_microseconds(reached_us))}"


def _is_believable(one: StoredSlot) -> bool:
    try:
        return decimals.parse(one.slot.gco2e_per_kwh) <= Decimal(MAX_INTENSITY)
    except GreenError:
        return False


def _evidence(stored: Sequence[StoredSlot]) -> _Evidence | str:
    if len(stored) > MAX_SLOTS:
        return f"the period touches {len(stored)} slots; at most {MAX_SLOTS} go into one document"
    try:
        return _encoded(stored[0].kind, tuple(one.slot for one in stored))
    except GreenError as error:
        return f"its slots make no document: {error.detail}"


@lru_cache(maxsize=_REMEMBERED)
def _encoded(kind: SlotKind, slots: tuple[GridSlot, ...]) -> _Evidence:
    """Return the document of some slots; thousands of credentials of one hour share it."""
    data = GridData(
        v=1,
        provider=kind.provider,
        source=kind.data_source,
        licence=kind.licence,
        zone=kind.zone,
        granularity=kind.granularity,
        factor_type=kind.factor_type,
        signal=kind.signal,
        slots=slots,
    )
    raw = grid_data.encode_grid_data(data)
    return _Evidence(data, raw, grid_data.digest_of(raw))
