from datetime import UTC, datetime
from decimal import Decimal

import pytest

from issuer.carbon.factor import GridFactor
from issuer.claims import market
from issuer.claims.market import MarginalFactor, MarketBasedFactor
from issuer.claims.profile import MarketBased

CONTRACT = MarketBased(
    gco2e_per_kwh="24.6",
    instrument="https://registry.example/eac/2026-11/8841",
    valid_from="2026-11-01T00:00:00Z",
    valid_until="2026-12-01T00:00:00Z",
)
FACTOR = MarketBasedFactor(market_based_gco2e_per_kwh=Decimal("24.6"), instrument=CONTRACT.instrument)


def at(day, hour=12, month=11):
    return datetime(2026, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [(at(10), at(11)), (at(1, 0), at(1, 0, 12)), (None, at(10)), (None, at(1, 0)), (None, at(1, 0, 12))],
)
def test_a_contract_is_used_for_periods_within_its_own(start, end):
    assert market.valid_for(CONTRACT, start, end) == FACTOR


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (at(31, 23, 10), at(1, 1)),
        (at(30, 23), at(1, 1, 12)),
        (at(31, 1, 10), at(31, 2, 10)),
        (at(1, 1, 12), at(1, 2, 12)),
        (None, at(31, 23, 10)),
        (None, at(1, 1, 12)),
    ],
)
def test_it_is_not_used_for_a_period_that_begins_before_or_ends_after(start, end):
    assert market.valid_for(CONTRACT, start, end) is None


def test_without_a_contract_nothing_is_claimed():
    assert market.valid_for(None, at(1), at(2)) is None


def test_the_three_terms_come_together_and_exact():
    assert FACTOR.claims(Decimal("0.00106225808864")) == {
        "marketBasedIntensityGco2ePerKwh": "24.6",
        "marketBasedEmissionsGco2e": "0.026131548980544",
        "marketBasedInstrument": "https://registry.example/eac/2026-11/8841",
    }


def test_an_inference_takes_them_from_its_window():
    assert market.of_window({**FACTOR.claims(Decimal(7)), "pue": "1.1"}) == FACTOR
    assert market.of_window({}) is None


def test_marginal_terms_are_two_and_exact():
    claims = MarginalFactor(marginal_gco2e_per_kwh=Decimal("411.5")).claims(Decimal("0.002"))
    assert claims == {"marginalIntensityGco2ePerKwh": "411.5", "marginalEmissionsGco2e": "0.823"}


def test_the_three_kinds_of_factor_share_no_member_by_which_one_could_pass_for_another():
    kinds = (GridFactor, MarketBasedFactor, MarginalFactor)
    for kind in kinds:
        others = {name for other in kinds if other is not kind for name in other.__struct_fields__}
        assert not {name for name in kind.__struct_fields__ if "gco2e" in name} & others
        assert not any(issubclass(kind, other) for other in kinds if other is not kind)
