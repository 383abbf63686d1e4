from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from issuer.carbon.table import rows
from issuer.claims import uncertainty
from issuer.claims.uncertainty import Budget, Seen, expanded, gaps_percent, timing_percent
from schemas import decimals
from schemas.grid_data import SLOT_TIERS
from schemas.terms import METHODS, TERMS
from verifier.claims.uncertainty import uncertainty_findings

PERCENT = st.integers(0, 10**7).map(lambda value: Decimal(value).scaleb(-2))
MAYBE = st.none() | PERCENT
BUDGETS = st.builds(Budget, meter=PERCENT, timing=PERCENT, gaps=MAYBE, attribution=MAYBE, pue=MAYBE, intensity=PERCENT)
STEP = Decimal("0.01")


def findings(budget: Budget, **changes: Decimal) -> set[str]:
    figures = {name: decimals.parse(text) for name, text in budget.claims().items()} | changes
    return {finding.term for finding in uncertainty_findings(figures)}


@given(BUDGETS)
def test_every_budget_that_is_made_is_what_a_verifier_accepts(budget):
    assert findings(budget) == set()


@given(BUDGETS, st.sampled_from(["energyUncertaintyPercent", "emissionsUncertaintyPercent"]), st.sampled_from([1, -1]))
def test_every_expanded_uncertainty_that_is_off_by_a_hundredth_is_refused(budget, term, sign):
    value = decimals.parse(budget.claims()[term])
    assume(value + sign * STEP >= 0)
    assert findings(budget, **{term: value + sign * STEP}) == {term}


@given(BUDGETS)
def test_every_claim_is_a_term_of_the_format_and_can_be_written(budget):
    for term, text in budget.claims().items():
        assert term in TERMS
        assert decimals.render(decimals.parse(text)) == text


@given(st.lists(PERCENT, max_size=6))
def test_an_expanded_uncertainty_is_the_smallest_of_two_decimals_that_is_not_too_small(components):
    value = Fraction(expanded(*components))
    square = 4 * sum((Fraction(one) ** 2 for one in components), Fraction(0))
    assert value**2 >= square
    assert value == 0 or (value - Fraction(STEP)) ** 2 < square


def test_the_prior_of_a_meter_is_a_rectangle_of_five_percent():
    # 5 / sqrt(3) is 2.8867...
    assert uncertainty.meter_percent("counter", None) == Decimal("2.89")


@pytest.mark.parametrize("method", ["counter", "metered", "integrated"])
def test_a_calibration_takes_the_prior_s_place(method):
    assert uncertainty.meter_percent(method, Decimal("0.7")) == Decimal("0.7")


@pytest.mark.parametrize("method", ["modelled", "partition-estimate"])
def test_what_no_meter_measured_has_no_meter_s_uncertainty_whatever_was_calibrated(method):
    assert uncertainty.meter_percent(method, Decimal("0.7")) is None


def test_each_method_kind_and_tier_of_the_format_is_known():
    assert set(uncertainty.METER_PERCENT) | {"modelled", "partition-estimate"} == set(METHODS)
    assert set(uncertainty.ATTRIBUTION_PERCENT) == set(TERMS["attributionMethod"].values)
    assert set(uncertainty.PUE_PERCENT) == set(TERMS["pueKind"].values)
    assert set(uncertainty.INTENSITY_PERCENT) == set(TERMS["carbonIntensityTier"].values)
    assert {row.tier for row in rows()} | set(SLOT_TIERS) <= set(uncertainty.INTENSITY_PERCENT)


@pytest.mark.parametrize(
    ("half_width", "default"),
    [
        (2, uncertainty.PUE_PERCENT["metered"]),
        (5, uncertainty.PUE_PERCENT["reported"]),
        (25, uncertainty.PUE_PERCENT["default"]),
        (5, uncertainty.METER_PERCENT["counter"]),
        (10, uncertainty.METER_PERCENT["integrated"]),
        (10, uncertainty.INTENSITY_PERCENT["live"]),
        (100, uncertainty.INTENSITY_PERCENT["world-annual"]),
    ],
)
def test_each_rectangle_is_rounded_up(half_width, default):
    assert default**2 * 3 >= half_width**2 > (default - STEP) ** 2 * 3


def test_the_annual_default_is_the_spread_of_great_britain_s_five_figures():
    figures = (131, 175, 177, 216, 238)
    mean = Fraction(sum(figures), len(figures))
    variance = sum((figure - mean) ** 2 for figure in figures) / (len(figures) - 1)
    relative = variance / mean**2 * 10_000
    default = uncertainty.INTENSITY_PERCENT["country-annual"]
    assert Fraction(default) ** 2 >= relative > Fraction(default - STEP) ** 2


@pytest.mark.parametrize(
    ("duration_us", "percent"),
    [(10_000_000, "0.41"), (2_750_000, "1.5"), (100_000, "41"), (1, "4100000"), (3_000_000, "1.37")],
)
def test_the_tick_edges_weigh_by_the_length_of_the_period(duration_us, percent):
    assert timing_percent(duration_us) == Decimal(percent)


@pytest.mark.parametrize("duration_us", [None, 0])
def test_edges_of_a_period_of_unknown_length_are_unknown(duration_us):
    assert timing_percent(duration_us) is None


def gaps(coverage="1", largest_us=0, duration_us=10_000_000, energy_mj=1_000_000, estimated_mj=0):
    return gaps_percent(
        Seen(coverage=Decimal(coverage), largest_gap_us=largest_us),
        duration_us=duration_us,
        energy_mj=energy_mj,
        estimated_mj=estimated_mj,
    )


def test_a_period_that_was_seen_whole_has_no_gaps():
    assert gaps() == 0


def test_missing_time_counts_at_the_average_power():
    # 100 x (0.1 / 0.9) / sqrt(3) = 6.415...
    assert gaps("0.9") == Decimal("6.42")


def test_estimated_energy_may_be_all_wrong():
    # 100 x 0.1 / sqrt(3) = 5.7735...
    assert gaps(estimated_mj=100_000) == Decimal("5.78")


def test_both_add_up():
    assert gaps("0.9", estimated_mj=100_000) == Decimal("12.19")


def test_the_longest_gap_may_lie_within_a_shorter_record():
    assert gaps("0.95", largest_us=500_000, duration_us=10_000_000) == gaps("0.95")
    assert gaps("0.95", largest_us=500_000, duration_us=1_000_000) == gaps("0.5")


def test_a_record_that_may_lie_wholly_in_a_gap_has_no_figure():
    assert gaps("0.95", largest_us=500_000, duration_us=500_000) is None
    assert gaps("0.95", largest_us=500_000, duration_us=400_000) is None
    assert gaps("0") is None


def test_percent_of_no_energy_is_no_figure():
    assert gaps(energy_mj=0) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 1000), st.integers(0, 1000))
def test_less_coverage_and_more_estimates_never_look_better(first, second, few, many):
    worse, better = sorted((first, second))
    fewer, more = sorted((few, many))
    low = gaps(str(Decimal(better).scaleb(-6)), energy_mj=1000, estimated_mj=fewer)
    high = gaps(str(Decimal(worse).scaleb(-6)), energy_mj=1000, estimated_mj=more)
    assert high is None or (low is not None and low <= high)


@pytest.mark.parametrize("missing", ["meter", "timing", "gaps"])
def test_a_window_s_budget_is_whole_or_absent(missing):
    parts = {"meter": Decimal(1), "timing": Decimal(1), "gaps": Decimal(0), "pue": None, "intensity": Decimal(5)}
    whole = uncertainty.of_parts(**parts)
    assert whole is not None
    assert whole.attribution == 0
    assert uncertainty.of_parts(**parts | {missing: None}) is None


WINDOW = {
    "standardUncertaintyMeterPercent": "1.1",
    "standardUncertaintyPuePercent": "2",
    "standardUncertaintyIntensityPercent": "5",
}


def of_record(window, attribution="step-log", timing="1", gaps="0"):
    return uncertainty.of_record_in_window(
        window,
        timing=None if timing is None else Decimal(timing),
        gaps=None if gaps is None else Decimal(gaps),
        attribution=attribution,
    )


def test_a_record_has_meter_building_and_grid_of_its_window():
    budget = of_record(WINDOW)
    assert budget == Budget(
        meter=Decimal("1.1"),
        timing=Decimal(1),
        gaps=Decimal(0),
        attribution=Decimal("4.3"),
        pue=Decimal(2),
        intensity=Decimal(5),
    )


def test_attribution_by_less_is_less_certain():
    order = ("exclusive", "step-log", "phase-weighted")
    found = [of_record(WINDOW, attribution).energy for attribution in order]
    assert found == sorted(found)
    assert len(set(found)) == len(order)


@pytest.mark.parametrize(
    "window",
    [
        {},
        {name: value for name, value in WINDOW.items() if "Meter" not in name},
        {"standardUncertaintyMeterPercent": "1"},
    ],
)
def test_a_record_claims_none_where_its_window_does_not(window):
    assert of_record(window) is None


@pytest.mark.parametrize("unknown", [{"timing": None}, {"gaps": None}, {"attribution": "by-guess"}])
def test_a_record_s_budget_is_whole_or_absent(unknown):
    assert of_record(WINDOW, **unknown) is None
