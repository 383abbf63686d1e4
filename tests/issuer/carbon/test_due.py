"""What is asked for, and when: nothing twice in a minute, nothing that is settled, nothing ahead."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon.backoff import LONGEST_S, pause_us
from issuer.carbon.choose import REACH_US
from issuer.carbon.due import Rhythm, Span, due, joined, wanted
from issuer.carbon.providers.errors import (
    ProviderForbiddenError,
    ProviderRateLimitedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
    ProviderUnavailableError,
    UnknownZoneError,
)
from tests.fakes.grid_slots import DAY_US, HOUR_US, NOON_US, stored

MINUTE_US = 60_000_000
RHYTHM = Rhythm(HOUR_US, 72 * HOUR_US)

EDGES = st.integers(0, 200)
SPANS = st.lists(st.tuples(EDGES, EDGES).map(lambda pair: Span(*pair)), max_size=8)


def _points(spans):
    return {point for span in spans for point in range(span.start_us, span.end_us)}


@given(SPANS, st.integers(0, 5))
def test_joined_spans_cover_the_same_and_lie_apart(spans, gap):
    found = joined(spans, gap)
    assert _points(spans) <= _points(found)
    assert all(first.end_us + gap < second.start_us for first, second in itertools.pairwise(found))
    assert joined(found, gap) == found
    if gap == 0:
        assert _points(found) == _points(spans)


def test_what_credentials_need_is_bounded_by_reach_and_by_now():
    now_us = NOON_US
    claimed = [Span(now_us - 20 * DAY_US, now_us - 19 * DAY_US), Span(now_us - 11 * DAY_US, now_us - 9 * DAY_US)]
    found = wanted(now_us, [*claimed, Span(now_us - 1, now_us + DAY_US)])
    assert found == (Span(now_us - REACH_US, now_us - 9 * DAY_US), Span(now_us - 26 * HOUR_US, now_us))


def test_without_anything_stored_all_of_it_is_asked_for():
    found = due([Span(NOON_US - DAY_US, NOON_US)], (), RHYTHM, NOON_US, None)
    assert found.spans == (Span(NOON_US - DAY_US, NOON_US),)


def test_the_hour_that_has_just_begun_is_asked_for_when_it_may_be_there():
    now_us = NOON_US + 59_000_000
    slots = [stored(NOON_US - HOUR_US)]
    found = due([Span(NOON_US - HOUR_US, now_us)], slots, RHYTHM, now_us, None)
    assert found.spans == ()
    assert found.again_us == NOON_US + MINUTE_US


def test_settled_slots_are_never_asked_for():
    slots = [stored(NOON_US - hour * HOUR_US) for hour in range(1, 25)]
    # However long after they were read.
    for now_us in (NOON_US, NOON_US + 9 * DAY_US):
        assert due([Span(NOON_US - DAY_US, NOON_US)], slots, RHYTHM, now_us, None).spans == ()


def test_what_lies_close_together_is_one_request_and_a_long_one_is_several():
    slots = [stored(NOON_US - 3 * HOUR_US), stored(NOON_US - 2 * HOUR_US)]
    close = due([Span(NOON_US - 4 * HOUR_US, NOON_US)], slots, RHYTHM, NOON_US, None)
    assert close.spans == (Span(NOON_US - 4 * HOUR_US, NOON_US),)
    long = due([Span(NOON_US - 9 * DAY_US, NOON_US)], (), RHYTHM, NOON_US, None)
    assert [span.end_us - span.start_us for span in long.spans] == [5 * DAY_US, 4 * DAY_US]


@given(
    st.lists(st.sampled_from(["missing", "settled", "estimated", "unsettled"]), min_size=1, max_size=40),
    st.integers(0, 3_599_999_999),
    st.one_of(st.none(), st.integers(0, 3 * HOUR_US)),
)
def test_nothing_is_asked_for_ahead_or_outside_and_the_next_look_lies_ahead(states, into_us, old_age_us):
    now_us = NOON_US + into_us
    start_us = NOON_US - len(states) * HOUR_US
    slots = []
    for index, state in enumerate(states):
        at_us = start_us + index * HOUR_US
        if state == "settled":
            slots.append(stored(at_us))
        elif state != "missing":
            slots.append(stored(at_us, settled=False, estimated=state == "estimated", retrieved_us=at_us + HOUR_US))
    span = Span(start_us, now_us)
    old_asked_us = None if old_age_us is None else now_us - old_age_us
    found = due([span], slots, RHYTHM, now_us, old_asked_us)
    assert all(span.start_us <= one.start_us < one.end_us <= now_us + HOUR_US for one in found.spans)
    assert found.again_us > now_us
    assert found.again_us <= now_us + HOUR_US + MINUTE_US
    if old_asked_us is None:
        asked = _hours(found.spans, start_us, len(states))
        missing = {index for index, state in enumerate(states) if state == "missing"}
        assert missing <= asked


def _hours(spans, start_us, count):
    return {
        index
        for index in range(count)
        for span in spans
        if span.start_us <= start_us + index * HOUR_US and span.end_us >= start_us + (index + 1) * HOUR_US
    }


@pytest.mark.parametrize(
    "error", [ProviderUnauthorizedError, ProviderForbiddenError, ProviderSettingsError, UnknownZoneError]
)
def test_what_waiting_does_not_mend_waits_an_hour(error):
    assert pause_us(error("no"), 1, 0.5) == LONGEST_S * 1_000_000


@given(st.integers(1, 1000), st.floats(0, 1))
def test_a_pause_is_a_minute_to_an_hour_and_grows(failures, jitter):
    error = ProviderUnavailableError("down")
    pause = pause_us(error, failures, jitter)
    assert 60_000_000 <= pause <= 3_600_000_000
    assert pause_us(error, failures + 1, 0) >= pause_us(error, failures, 0)


def test_a_pause_is_never_shorter_than_what_the_provider_asks_for():
    assert pause_us(ProviderRateLimitedError("many", retry_after_s=3000), 1, 0) == 3000 * 1_000_000
    assert pause_us(ProviderRateLimitedError("many", retry_after_s=1), 1, 0) == 60 * 1_000_000
