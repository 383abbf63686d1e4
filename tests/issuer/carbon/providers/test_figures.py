import itertools
from decimal import Decimal

import pytest
from hypothesis import assume, given, strategies

from issuer.carbon.providers.errors import ProviderRefusedError
from issuer.carbon.providers.figures import Asked, Figure, Origin, Period, joined, period_of, pieces, slots_of
from issuer.carbon.providers.protocol import Offer, document
from schemas import digests
from tests.fakes.grid.values import HOUR_US

OFFER = Offer(provider="p", source="s", licence="l", granularity="PT1H", factor_type="direct", signal="average")
ORIGIN = Origin(tier="history", endpoint="GET /x", reply_digest=digests.digest(b""))
NOW_US = 1_000 * HOUR_US + 5
ASKED = Asked(offer=OFFER, zone="z", now_us=NOW_US)


def figure(hour: int, value: str = "1", **members) -> Figure:
    return Figure(start_us=hour * HOUR_US, gco2e_per_kwh=Decimal(value), **members)


@given(strategies.integers(0, NOW_US * 2), strategies.integers(1, 400 * HOUR_US))
def test_a_period_is_the_least_that_covers_what_was_asked_for_and_has_begun(start_us, length_us):
    period = period_of(OFFER, start_us, start_us + length_us, NOW_US)
    if start_us >= NOW_US:
        assert period is None or period.start_us < NOW_US
        return
    assert period.start_us <= start_us < period.start_us + HOUR_US
    assert period.end_us >= min(start_us + length_us, NOW_US) > period.end_us - HOUR_US
    assert period.start_us % HOUR_US == period.end_us % HOUR_US == 0


@given(strategies.integers(0, 500), strategies.integers(1, 500), strategies.integers(1, 100))
def test_pieces_are_the_whole_period_without_overlap(start, length, longest):
    period = Period(start * HOUR_US, (start + length) * HOUR_US)
    found = list(pieces(period, longest * HOUR_US))
    assert (found[0].start_us, found[-1].end_us) == period
    assert all(first.end_us == second.start_us for first, second in itertools.pairwise(found))
    assert all(0 < piece.end_us - piece.start_us <= longest * HOUR_US for piece in found)


@pytest.mark.parametrize(("start_us", "end_us"), [(-1, 5), (5, 5), (6, 5)])
def test_a_period_that_is_none_is_a_mistake_of_the_caller(start_us, end_us):
    with pytest.raises(ValueError, match="period"):
        period_of(OFFER, start_us, end_us, NOW_US)


@given(strategies.sets(strategies.integers(900, 1_100)), strategies.data())
def test_slots_rise_lie_in_the_period_and_none_is_of_the_future(hours, data):
    shuffled = data.draw(strategies.permutations(sorted(hours)))
    period = Period(950 * HOUR_US, 1_050 * HOUR_US)
    given_slots = slots_of(ASKED, [figure(hour) for hour in shuffled], ORIGIN, period).slots
    expected = [hour for hour in sorted(hours) if 950 <= hour <= 1_000]
    assert [slot.start_us // HOUR_US for slot in given_slots] == expected
    assert [slot.estimated for slot in given_slots] == [hour == 1_000 for hour in expected]


@given(
    strategies.lists(strategies.booleans(), min_size=1, max_size=12),
    strategies.integers(0, 11),
    strategies.integers(1, 12),
)
def test_a_document_is_made_exactly_where_no_slot_lacks(there, first, length):
    assume(first < len(there))
    figures = [figure(10 + hour) for hour, is_there in enumerate(there) if is_there]
    slots = slots_of(ASKED, figures, ORIGIN, None).slots
    start_us, end_us = (10 + first) * HOUR_US + 7, (10 + first + length) * HOUR_US - 7
    wanted = there[first : first + length]
    complete = len(wanted) == length and all(wanted)
    data = document(OFFER, "z", slots, start_us, end_us)
    assert (data is not None) == complete
    if data is not None:
        assert (len(data.slots), data.start_us, data.end_us) == (length, start_us - 7, end_us + 7)


def test_figures_are_rounded_half_even_to_three_decimals():
    given_slots = slots_of(ASKED, [figure(1, "0.0005"), figure(2, "0.0015"), figure(3, "7.100")], ORIGIN, None).slots
    assert [slot.gco2e_per_kwh for slot in given_slots] == ["0", "0.002", "7.1"]


@pytest.mark.parametrize("second", [figure(1, "2"), figure(1, "NaN"), figure(1, "1")])
def test_two_figures_for_a_slot_are_refused_even_if_equal(second):
    for pair in ([figure(1), second], [second, figure(1)]):
        with pytest.raises(ProviderRefusedError, match="two figures"):
            slots_of(ASKED, pair, ORIGIN, None)


def test_a_method_without_the_flag_is_an_estimate_and_one_with_control_characters_is_not_kept():
    slots = slots_of(
        ASKED, [figure(1, estimation_method="GUESS"), figure(2, estimation_method="a\nb")], ORIGIN, None
    ).slots
    assert [(slot.estimated, slot.estimation_method) for slot in slots] == [(True, "GUESS"), (True, "not-stated")]


def test_answers_join_with_their_holes():
    parts = [slots_of(ASKED, [figure(hour), figure(hour + 1, "NaN")], ORIGIN, None) for hour in (1, 3)]
    together = joined(ASKED, parts)
    assert (len(together.slots), len(together.holes)) == (2, 2)
