from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon import factor, table
from issuer.carbon.account import EnergyClaim, account
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
