"""What has to be asked of a feed by now, and when it has to be asked again. Pure.

Settled slots are kept for ever. A slot that ran when it was read is read again soon after its end, an estimate every
hour, a figure that may still be corrected once it settles. What is missing is asked for every few minutes while it is
new, every hour later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from issuer.carbon.choose import DAY_US, HOUR_US, REACH_US, is_settled
from issuer.store.grid_records import StoredSlot

MINUTE_US: Final = 60_000_000

BEGUN_US: Final = MINUTE_US
"""So long after a slot's start it is first asked for: until it is there, claims are made by the next level."""

EDGE_US: Final = 5 * MINUTE_US
"""So long after a slot's end it is read again: no provider has it at once. Also the pause before what is new and
missing is asked for again."""

BACK_US: Final = 26 * HOUR_US
"""What is kept up to date without anybody's asking: a day, and what comes late of it."""

_NEW_US: Final = 2 * HOUR_US
_LEAST_US: Final = MINUTE_US // 60
_LONGEST_REQUEST_US: Final = 5 * DAY_US
_JOINED_US: Final = 6 * HOUR_US
"""Spans that lie no further apart are asked for together: one request costs less than two."""


class Span(NamedTuple):
    """A time [``start_us``, ``end_us``)."""

    start_us: int
    end_us: int


class Due(NamedTuple):
    """What to ask for now (perhaps nothing), and when to look again."""

    spans: tuple[Span, ...]
    again_us: int


class Rhythm(NamedTuple):
    """What a feed's source is like: how long its slots are, and when they settle after their end."""

    length_us: int
    settles_after_us: int


def joined(spans: Iterable[Span], gap_us: int = 0) -> tuple[Span, ...]:
    """Return the spans in order, those that overlap or lie at most ``gap_us`` apart as one; empty ones left out."""
    found: list[Span] = []
    for span in sorted(one for one in spans if one.start_us < one.end_us):
        if found and span.start_us <= found[-1].end_us + gap_us:
            found[-1] = Span(found[-1].start_us, max(found[-1].end_us, span.end_us))
        else:
            found.append(span)
    return tuple(found)


def wanted(now_us: int, claimed: Iterable[Span]) -> tuple[Span, ...]:
    """Return what a feed should have: the last day, and what credentials need within a source's reach."""
    earliest_us = now_us - REACH_US
    needed = [Span(max(span.start_us, earliest_us), min(span.end_us, now_us)) for span in claimed]
    return joined([Span(now_us - BACK_US, now_us), *needed])


def due(
    spans: Sequence[Span], stored: Sequence[StoredSlot], rhythm: Rhythm, now_us: int, old_asked_us: int | None
) -> Due:
    """Return what of ``spans`` to ask for. ``old_asked_us``: when what is no longer new was asked for last, if ever."""
    asks: list[Span] = []
    times_us = [_next_edge(rhythm.length_us, now_us)]
    old_from_us = 0 if old_asked_us is None else old_asked_us + HOUR_US
    by_start = sorted((one for one in stored), key=lambda one: one.slot.start_us)
    for span in spans:
        for part, from_us in _parts(span, by_start, rhythm, now_us):
            is_new = part.end_us > now_us - _NEW_US
            at_us = from_us if is_new else max(from_us, old_from_us)
            if at_us <= now_us:
                asks.append(part)
                at_us = now_us + (EDGE_US if is_new else HOUR_US)
            times_us.append(at_us)
    return Due(tuple(_requests(asks)), max(min(times_us), now_us + _LEAST_US))


def is_old(span: Span, now_us: int) -> bool:
    """Return whether something of a span is no longer new, so that asking for it counts for an hour."""
    return span.start_us <= now_us - _NEW_US


def _parts(span: Span, stored: Sequence[StoredSlot], rhythm: Rhythm, now_us: int) -> Iterator[tuple[Span, int]]:
    """Yield what of a span is missing or may still change, each with the moment from which it is to be asked for."""
    reached_us = span.start_us
    for one in stored:
        slot = one.slot
        if slot.end_us <= reached_us or slot.start_us >= span.end_us:
            continue
        if slot.start_us > reached_us:
            yield from _missing(Span(reached_us, slot.start_us), rhythm, now_us)
        reached_us = slot.end_us
        if one.settled_us is None and not is_settled(slot, rhythm.settles_after_us):
            yield Span(slot.start_us, slot.end_us), _changes_us(one, rhythm)
    if reached_us < span.end_us:
        yield from _missing(Span(reached_us, span.end_us), rhythm, now_us)


def _missing(span: Span, rhythm: Rhythm, now_us: int) -> Iterator[tuple[Span, int]]:
    """Yield a hole: what of it began long enough ago at once, the slot that has just begun when it may be there."""
    edge_us = now_us // rhythm.length_us * rhythm.length_us
    begun_us = edge_us if now_us - edge_us < BEGUN_US else now_us
    past = Span(span.start_us, min(span.end_us, begun_us))
    # A new hole apart from an old one: each has its own rhythm.
    for part in (
        Span(past.start_us, min(past.end_us, now_us - _NEW_US)),
        Span(max(past.start_us, now_us - _NEW_US), past.end_us),
    ):
        if part.start_us < part.end_us:
            yield part, part.start_us
    if span.end_us > begun_us:
        yield Span(max(span.start_us, begun_us), span.end_us), edge_us + BEGUN_US


def _changes_us(one: StoredSlot, rhythm: Rhythm) -> int:
    slot = one.slot
    if slot.retrieved_us < slot.end_us:
        return slot.end_us + EDGE_US
    if slot.estimated:
        return slot.retrieved_us + HOUR_US
    return max(slot.end_us + rhythm.settles_after_us, slot.retrieved_us + EDGE_US)


def _next_edge(length_us: int, now_us: int) -> int:
    return (now_us - BEGUN_US) // length_us * length_us + length_us + BEGUN_US


def _requests(asks: Sequence[Span]) -> Iterator[Span]:
    for span in joined(asks, _JOINED_US):
        for start_us in range(span.start_us, span.end_us, _LONGEST_REQUEST_US):
            yield Span(start_us, min(start_us + _LONGEST_REQUEST_US, span.end_us))
