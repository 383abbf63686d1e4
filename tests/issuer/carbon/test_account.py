from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon import factor, table
from issuer.carbon.account import EnergyClaim, account
from issuer.claims.market import MarginalFactor
from issuer.claims.profile import Calibration, ClaimsProfile, Embodied, MarketBased, stored_text
from schemas import decimals
from schemas.telemetry import read_record
from tests.fakes import issuer as fakes

SIGNATURE = {"signature": "A" * 86}


def claim_of(energy_kwh: object, region: str = "CAMX", **node: object) -> EnergyClaim:
    record = read_record(fakes.body(energy_kwh=energy_kwh) | SIGNATURE)
    return account(record, fakes.node(**node), factor.of_table(table.find(region)))


def test_the_figures_of_the_format_come_out() -> None:
    claim = claim_of("0.000729")
    assert decimals.render(claim.accelerator_active_kwh) == "0.000729"
    assert decimals.render(claim.energy_kwh) == "0.000729"
    assert decimals.render(claim.operational_emissions_gco2e) == "0.14217687"
    assert claim.facility is None


def test_a_pue_adds_its_overhead_to_energy_and_emissions() -> None:
    claim = claim_of("1", pue="1.12", pue_kind="reported", pue_source="operator, 2025")
    assert claim.facility is not None
    assert claim.facility.overhead_kwh == Decimal("0.12")
    assert (claim.facility.kind, claim.facility.source) == ("reported", "operator, 2025")
    assert claim.energy_kwh == Decimal("1.12")
    assert claim.operational_emissions_gco2e == Decimal("1.12") * Decimal("195.03")


def test_a_pue_of_one_states_an_overhead_of_zero() -> None:
    claim = claim_of("1", pue="1")
    assert claim.facility is not None
    assert decimals.render(claim.facility.overhead_kwh) == "0"


def test_a_pue_of_unknown_origin_is_called_a_default() -> None:
    claim = claim_of("1", pue="1.5")
    assert claim.facility is not None
    assert claim.facility.kind == "default"


def test_no_energy_gives_no_emissions() -> None:
    claim = claim_of("0")
    assert decimals.render(claim.operational_emissions_gco2e) == "0"


@pytest.mark.parametrize(
    ("posted", "claimed"),
    [
        ("0.000000000138", "0"),  # 0.4968 mJ
        ("0.000000000139", "0.000000000278"),  # 0.5004 mJ, so 1 mJ
        ("0.0000000005", "0.000000000556"),  # 1.8 mJ, so 2 mJ
        ("0.123456789012", "0.123456788889"),  # 444,444,440.44 mJ
    ],
)
def test_a_finer_figure_is_brought_to_whole_millijoules(posted: str, claimed: str) -> None:
    assert decimals.render(claim_of(posted).accelerator_active_kwh) == claimed


@given(
    energy_mj=st.integers(0, 10**15),
    pue=st.integers(1000, 3000),
    region=st.sampled_from([r.region for r in table.rows()]),
)
def test_every_figure_is_exact_and_can_be_written(energy_mj: int, pue: int, region: str) -> None:
    text = decimals.render(decimals.kwh_from_mj(energy_mj))
    claim = claim_of(text, region, pue=decimals.render(Decimal(pue).scaleb(-3)))
    assert claim.facility is not None
    assert decimals.mj_from_kwh(claim.accelerator_active_kwh) == energy_mj
    assert claim.energy_kwh == claim.accelerator_active_kwh * Decimal(pue) / 1000
    assert claim.operational_emissions_gco2e == claim.energy_kwh * table.find(region).gco2e_per_kwh
    decimals.render(claim.facility.overhead_kwh)
    decimals.render(claim.operational_emissions_gco2e)


PROFILE = stored_text(
    ClaimsProfile(
        embodied=Embodied(total_gco2e="1500000", lifetime_hours=35064, source="PCF 2025"),
        market_based=MarketBased(
            gco2e_per_kwh="24.6",
            instrument="https://registry.example/eac/8841",
            valid_from="2020-01-01T00:00:00Z",
            valid_until="2040-01-01T00:00:00Z",
        ),
        calibration=Calibration(standard_percent="0.7", date="2020-03-31", reference="PDU 4711"),
        pue_standard_percent="1.5",
    )
)


def test_a_posted_record_has_a_budget_of_meter_timing_and_grid_alone() -> None:
    budget = claim_of("0.000729").further.budget
    assert budget is not None
    assert budget.claims() == {
        # 2 x root of 2.89^2 + 1.5^2, and + 22.04^2
        "energyUncertaintyPercent": "6.52",
        "emissionsUncertaintyPercent": "44.56",
        "standardUncertaintyMeterPercent": "2.89",
        "standardUncertaintyTimingPercent": "1.5",
        "standardUncertaintyIntensityPercent": "22.04",
    }


def test_what_the_operator_states_is_claimed() -> None:
    further = claim_of("0.000729", pue="1.2", claims_profile=PROFILE).further
    assert further.budget is not None
    assert (further.budget.meter, further.budget.pue) == (Decimal("0.7"), Decimal("1.5"))
    assert further.embodied_gco2e == Decimal("0.032678341")  # 1.5 t x 2.75 s / 35064 h
    assert further.market_based is not None
    assert further.market_based.market_based_gco2e_per_kwh == Decimal("24.6")
    assert further.marginal is None


@pytest.mark.parametrize(
    ("kind", "percent"), [("metered", "1.16"), ("reported", "2.89"), ("default", "14.44"), (None, "14.44")]
)
def test_a_pue_without_a_figure_has_its_kind_s_default(kind: str | None, percent: str) -> None:
    budget = claim_of("1", pue="1.2", pue_kind=kind).further.budget
    assert budget is not None
    assert budget.pue == Decimal(percent)


@pytest.mark.parametrize(
    "changes",
    [
        {"energy_kwh": "0"},
        {"duration_s": None},
        {"method": "modelled"},
        {"method": "partition-estimate"},
        {"simulated": True},
    ],
)
def test_no_uncertainty_is_claimed_where_it_would_be_invented(changes: dict[str, object]) -> None:
    record = read_record(fakes.body(**changes) | SIGNATURE)
    grid = factor.of_table(table.find("CAMX"))
    assert account(record, fakes.node(), grid).further.budget is None


def test_nor_of_what_a_simulator_sends() -> None:
    assert claim_of("1", simulated=True).further.budget is None


def test_marginal_emissions_are_beside_the_operational_ones() -> None:
    record = read_record(fakes.body() | SIGNATURE)
    grid = factor.of_table(table.find("CAMX"))
    marginal = MarginalFactor(marginal_gco2e_per_kwh=Decimal("411.5"))
    with_it, without = account(record, fakes.node(), grid, marginal=marginal), account(record, fakes.node(), grid)
    assert with_it.further.marginal == marginal
    assert with_it.operational_emissions_gco2e == without.operational_emissions_gco2e
