"""The first source that covers the whole period is what is claimed; nothing is patched, and nothing is made up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon import table
from issuer.carbon.choose import REACH_US, Feed, Period, choose, choose_marginal, is_settled
from schemas import decimals, digests
from schemas.grid_data import MAX_SLOTS, decode_grid_data, split_energy
from tests.fakes.grid_slots import DAY_US, EM_DE, ENTSOE_DE, HOUR_US, NOON_US, slot, stored

ANNUAL = table.find("DEU")
LATER_US = NOON_US + 5 * DAY_US
MINUTE_US = 60_000_000


def feed(key=EM_DE, **changes):
    return Feed(
        **({"key": key, "signal": "average", "factor_type": "lifecycle", "settles_after_us": 72 * HOUR_US} | changes)
    )


FEEDS = (feed(), feed(ENTSOE_DE))


def period(start_us=NOON_US, end_us=NOON_US + HOUR_US, it_mj=1000):
    return Period(start_us=start_us, end_us=end_us, it_mj=it_mj)


def chosen(slots=(), *, feeds=FEEDS, of=None, now_us=LATER_US):
    by_feed = {}
    for one in slots:
        key = EM_DE if one.source == "em" else ENTSOE_DE
        by_feed.setdefault(key, []).append(one)
    return choose(feeds, by_feed, period() if of is None else of, now_us, ANNUAL)


def is_annual(found):
    return found.document is None and found.factor.source == ANNUAL.source and found.factor.year == ANNUAL.year


def test_a_region_without_a_cascade_is_claimed_by_its_table_for_good():
    found = chosen(feeds=(), now_us=NOON_US + HOUR_US)
    assert is_annual(found)
    assert found.factor.claim_status == "final"
    assert found.attachments == {}


def test_a_source_that_covers_the_period_is_claimed_with_its_slots():
    found = chosen([stored(NOON_US, "300")])
    assert found.factor.gco2e_per_kwh == Decimal(300)
    assert (found.factor.region, found.factor.tier, found.factor.granularity) == ("DE", "history", "PT1H")
    assert (found.factor.source, found.factor.year, found.factor.factor_type) == ("Source em v4", None, "lifecycle")
    assert found.factor.claim_status == "final"
    assert decode_grid_data(found.document) == found.data
    assert found.attachments == {digests.digest(found.document): found.document}


def test_the_document_holds_exactly_the_slots_that_the_period_touches():
    slots = [stored(NOON_US + hour * HOUR_US, str(hour)) for hour in range(5)]
    found = chosen(slots, of=period(NOON_US + HOUR_US, NOON_US + 3 * HOUR_US))
    assert [one.gco2e_per_kwh for one in found.data.slots] == ["1", "2"]
    across = chosen(slots, of=period(NOON_US + 2 * HOUR_US - 1, NOON_US + 2 * HOUR_US + 1))
    assert [one.gco2e_per_kwh for one in across.data.slots] == ["1", "2"]


def test_the_intensity_is_the_mean_weighted_by_energy():
    slots = [stored(NOON_US, "100"), stored(NOON_US + HOUR_US, "400")]
    found = chosen(slots, of=period(NOON_US + 45 * MINUTE_US, NOON_US + 105 * MINUTE_US, it_mj=4))
    assert found.factor.gco2e_per_kwh == Decimal(325)


@pytest.mark.parametrize("start_us", [None, NOON_US + HOUR_US])
def test_a_period_without_a_length_is_the_microsecond_before_its_end(start_us):
    slots = [stored(NOON_US, "100"), stored(NOON_US + HOUR_US, "400")]
    assert chosen(slots, of=period(start_us, NOON_US + HOUR_US)).factor.gco2e_per_kwh == Decimal(100)


def test_of_two_sources_the_first_is_taken():
    found = chosen([stored(NOON_US, "1"), stored(NOON_US, "2", key=ENTSOE_DE)])
    assert found.feed.key == EM_DE
    assert found.passed == ()


@pytest.mark.parametrize("hole", [0, 1, 2])
def test_a_source_with_a_hole_is_passed_over_whole(hole):
    slots = [stored(NOON_US + hour * HOUR_US, "1") for hour in range(3) if hour != hole]
    slots += [stored(NOON_US + hour * HOUR_US, "2", key=ENTSOE_DE) for hour in range(3)]
    found = chosen(slots, of=period(NOON_US, NOON_US + 3 * HOUR_US))
    assert found.feed.key == ENTSOE_DE
    assert {one.gco2e_per_kwh for one in found.data.slots} == {"2"}
    ((passed),) = found.passed
    assert (passed.key, passed.reason) == (EM_DE, f"it has no slot at 2026-11-20T{12 + hole}:00:00Z")


def test_no_source_is_patched_with_another():
    found = chosen([stored(NOON_US), stored(NOON_US + HOUR_US, key=ENTSOE_DE)], of=period(end_us=NOON_US + 2 * HOUR_US))
    assert is_annual(found)
    assert [one.key for one in found.passed] == [EM_DE, ENTSOE_DE]


def test_the_latest_value_never_stands_in():
    found = chosen([stored(NOON_US - HOUR_US)], now_us=NOON_US + HOUR_US)
    assert is_annual(found)


@pytest.mark.parametrize("changes", [{"factor_type": "direct"}, {"signal": "marginal"}])
def test_slots_of_another_kind_are_no_slots_of_the_source(changes):
    assert is_annual(chosen([stored(NOON_US, **changes)]))


def test_kinds_are_not_mixed_within_a_claim():
    slots = [stored(NOON_US), stored(NOON_US + HOUR_US, data_source="Source em v5")]
    assert is_annual(chosen(slots, of=period(end_us=NOON_US + 2 * HOUR_US)))
    assert chosen(slots, of=period(NOON_US + HOUR_US, NOON_US + 2 * HOUR_US)).factor.source == "Source em v5"


def test_of_two_resolutions_the_finest_that_covers_the_period_is_taken():
    fine = [stored(NOON_US + part * 15 * MINUTE_US, "7", granularity="PT15M") for part in range(4)]
    assert chosen([stored(NOON_US, "9"), *fine]).factor.granularity == "PT15M"
    assert chosen([stored(NOON_US, "9"), *fine[:3]]).factor.granularity == "PT1H"


@pytest.mark.parametrize("figure", ["2000.001", "99999", "-1", "1e3", "", "NaN"])
def test_a_figure_beyond_belief_is_no_claim_and_no_fault_of_intake(figure):
    found = chosen([stored(NOON_US, figure), stored(NOON_US, "2", key=ENTSOE_DE)])
    assert found.feed.key == ENTSOE_DE
    assert "not between 0 and 2000" in found.passed[0].reason


@pytest.mark.parametrize(
    "changes", [{"endpoint": "a\nb"}, {"reply_digest": "x"}, {"gco2e_per_kwh": "1.2345"}, {"tier": "gold"}]
)
def test_slots_that_make_no_document_are_passed_over(changes):
    found = chosen([stored(NOON_US, **changes), stored(NOON_US, "2", key=ENTSOE_DE)])
    assert found.feed.key == ENTSOE_DE
    assert "make no document" in found.passed[0].reason


def test_a_period_of_too_many_slots_goes_to_the_next_level_for_good():
    slots = [stored(NOON_US + part * 5 * MINUTE_US, granularity="PT5M") for part in range(MAX_SLOTS + 1)]
    of = period(NOON_US, slots[-1].slot.end_us)
    found = chosen(slots, of=of, feeds=FEEDS[:1], now_us=of.end_us)
    assert is_annual(found)
    assert found.factor.claim_status == "final"
    assert f"at most {MAX_SLOTS}" in found.passed[0].reason
    whole = chosen(slots, of=period(NOON_US, slots[-1].slot.start_us))
    assert len(whole.data.slots) == MAX_SLOTS


def test_slots_that_overlap_are_no_row():
    slots = [stored(NOON_US), stored(NOON_US + 30 * MINUTE_US), stored(NOON_US + 90 * MINUTE_US)]
    found = chosen(slots, of=period(NOON_US, NOON_US + 90 * MINUTE_US))
    assert is_annual(found)


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        (["history", "live"], "live"),
        (["operator", "history"], "history"),
        (["operator", "operator"], "operator"),
        (["live", "operator"], "live"),
    ],
)
def test_the_tier_is_the_least_lasting_of_the_slots(tiers, said):
    slots = [stored(NOON_US + index * HOUR_US, tier=tier) for index, tier in enumerate(tiers)]
    assert chosen(slots, of=period(end_us=NOON_US + 2 * HOUR_US)).factor.tier == said


def test_an_estimated_slot_makes_the_claim_provisional_however_old():
    found = chosen([stored(NOON_US, estimated=True, settled=False)], now_us=LATER_US + 100 * DAY_US)
    assert found.factor.claim_status == "provisional"


def test_a_slot_that_was_read_before_it_settled_makes_the_claim_provisional():
    early = stored(NOON_US, settled=False, retrieved_us=NOON_US + HOUR_US + 72 * HOUR_US - 1)
    assert chosen([early]).factor.claim_status == "provisional"
    late = stored(NOON_US, settled=False, retrieved_us=NOON_US + HOUR_US + 72 * HOUR_US)
    assert chosen([late]).factor.claim_status == "final"


def test_a_slot_that_was_stored_as_settled_is_so_whatever_the_source_says_now():
    settled = stored(NOON_US, retrieved_us=NOON_US + 2 * HOUR_US)
    assert chosen([settled]).factor.claim_status == "final"


def test_one_unsettled_slot_of_many_makes_the_claim_provisional():
    slots = [stored(NOON_US), stored(NOON_US + HOUR_US, settled=False, estimated=True)]
    assert chosen(slots, of=period(end_us=NOON_US + 2 * HOUR_US)).factor.claim_status == "provisional"
    assert chosen(slots).factor.claim_status == "final"


@pytest.mark.parametrize(("age_us", "status"), [(REACH_US - 1, "provisional"), (REACH_US, "final")])
def test_a_lower_level_is_provisional_while_a_higher_one_may_answer_yet(age_us, status):
    end_us = NOON_US + HOUR_US
    assert chosen(now_us=end_us + age_us).factor.claim_status == status
    lower = chosen([stored(NOON_US, key=ENTSOE_DE)], now_us=end_us + age_us)
    assert (lower.feed.key, lower.factor.claim_status) == (ENTSOE_DE, status)


def test_a_marginal_claim_comes_of_marginal_slots_alone():
    marginal = feed(signal="marginal", factor_type="direct")
    average = stored(NOON_US, "300", factor_type="direct")
    assert choose_marginal([marginal], {EM_DE: [average]}, period(), LATER_US) is None
    own = stored(NOON_US, "700", factor_type="direct", signal="marginal")
    found = choose_marginal([marginal], {EM_DE: [average, own]}, period(), LATER_US)
    assert found.factor.gco2e_per_kwh == Decimal(700)
    assert found.data.signal == "marginal"


def test_an_average_claim_never_comes_of_marginal_slots():
    own = stored(NOON_US, "700", signal="marginal")
    assert is_annual(chosen([own]))


def test_settled_is_measured_and_read_late_enough():
    assert is_settled(slot(0, retrieved_us=HOUR_US + 5), 5)
    assert not is_settled(slot(0, retrieved_us=HOUR_US + 4), 5)
    assert not is_settled(slot(0, retrieved_us=HOUR_US + 5, estimated=True), 5)


FIGURES = st.integers(0, 2_000_000).map(lambda milli: decimals.render(Decimal(milli).scaleb(-3)))


@given(
    st.lists(st.one_of(st.none(), FIGURES), min_size=1, max_size=12),
    st.integers(0, 12 * 3600),
    st.integers(1, 12 * 3600),
    st.integers(0, 10**12),
)
def test_a_claim_by_slots_covers_its_period_and_conserves_its_energy(figures, first_s, length_s, it_mj):
    slots = [stored(NOON_US + hour * HOUR_US, one) for hour, one in enumerate(figures) if one is not None]
    start_us = NOON_US + first_s * 1_000_000
    of = period(start_us, start_us + length_s * 1_000_000, it_mj)
    found = chosen(slots, of=of, feeds=FEEDS[:1])
    hours = range((of.start_us - NOON_US) // HOUR_US, -(-(of.end_us - NOON_US) // HOUR_US))
    has_all = all(hour < len(figures) and figures[hour] is not None for hour in hours)
    assert (found.document is not None) == has_all
    if not has_all:
        assert is_annual(found)
        return
    data = found.data
    assert data.start_us <= of.start_us < data.slots[0].end_us
    assert data.slots[-1].start_us < of.end_us <= data.end_us
    edges = [one.start_us for one in data.slots[1:]]
    parts = split_energy(it_mj, of.start_us, of.end_us, edges)
    assert sum(parts) == it_mj
    assert all(part >= 0 for part in parts)
    values = [Decimal(figures[hour]) for hour in hours]
    assert min(values) <= found.factor.gco2e_per_kwh <= max(values)


@given(st.permutations(range(6)))
def test_the_order_in_which_slots_were_stored_changes_nothing(order):
    slots = [stored(NOON_US + hour * HOUR_US, str(hour)) for hour in range(6)]
    of = period(NOON_US, NOON_US + 6 * HOUR_US)
    assert chosen([slots[index] for index in order], of=of).document == chosen(slots, of=of).document


@given(st.integers(0, 100), st.integers(0, 100))
def test_choosing_again_later_never_turns_a_final_claim_provisional(first_h, second_h):
    slots = [stored(NOON_US, settled=False, retrieved_us=NOON_US + HOUR_US * (1 + first_h))]
    now, later = sorted((first_h, second_h))
    before = chosen(slots, now_us=NOON_US + HOUR_US * (1 + now)).factor
    after = chosen(slots, now_us=NOON_US + HOUR_US * (1 + later)).factor
    if before.claim_status == "final":
        assert after == before
