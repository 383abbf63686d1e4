import csv
from decimal import Decimal
from importlib import resources

import pytest

from issuer.carbon import table
from issuer.errors import UnknownRegionError
from tests.vectors import shared

EGRID = "data/intensity/egrid2023_rev2/egrid2023_rev2_subregion.csv"
EMBER = "data/intensity/ember_country/ember_country.csv"


def read(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(shared(path).read_text(encoding="utf-8").splitlines()))


def test_every_egrid_figure_equals_the_source() -> None:
    expected = {row["subregion"]: (int(row["data_year"]), Decimal(row["gco2e_per_kwh_ar5"])) for row in read(EGRID)}
    ours = {row.region: (row.year, row.gco2e_per_kwh) for row in table.rows() if "eGRID" in row.source}
    assert ours == expected


def test_every_ember_figure_equals_the_source() -> None:
    countries = [row for row in read(EMBER) if row["kind"] == "country" or row["code"] == "World"]
    wanted = [row for row in countries if Decimal(row["gco2e_per_kwh"]) > 0]
    assert len(countries) - len(wanted) == 1
    expected = {
        row["code"].replace("World", "WORLD"): (int(row["year"]), Decimal(row["gco2e_per_kwh"])) for row in wanted
    }
    ours = {row.region: (row.year, row.gco2e_per_kwh) for row in table.rows() if "Ember" in row.source}
    assert ours == expected


def test_an_egrid_subregion_is_a_direct_factor_of_2023() -> None:
    factor = table.find("CAMX")
    assert factor.gco2e_per_kwh == Decimal("195.03")
    assert (factor.year, factor.factor_type, factor.characterization_factors) == (2023, "direct", "AR5")
    assert (factor.tier, factor.source) == ("subregion-annual", "US EPA eGRID2023 rev 2")


def test_a_country_is_a_life_cycle_factor_that_claims_no_ipcc_edition() -> None:
    factor = table.find("DEU")
    assert (factor.tier, factor.factor_type, factor.characterization_factors) == ("country-annual", "lifecycle", None)
    assert factor.source == "Ember Yearly Electricity Data 2025"


def test_the_world_has_a_tier_of_its_own() -> None:
    assert table.find("WORLD").tier == "world-annual"


@pytest.mark.parametrize(
    ("alias", "region"), [("DE", "DEU"), ("de", "DEU"), ("GB", "GBR"), ("UK", "GBR"), ("XK", "XKX")]
)
def test_an_alpha_2_code_names_the_row_of_the_source(alias: str, region: str) -> None:
    assert table.find(alias).region == region


def test_us_is_the_average_of_egrid_and_usa_the_country_of_ember() -> None:
    assert "eGRID" in table.find("US").source
    assert "Ember" in table.find("USA").source


def test_every_factor_fits_a_claim() -> None:
    for factor in table.rows():
        assert factor.gco2e_per_kwh > 0
        assert -factor.gco2e_per_kwh.as_tuple().exponent <= 3, factor.region
        assert len(factor.source) <= 256


def test_codes_are_unique_over_all_files() -> None:
    codes = [factor.region for factor in table.rows()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("region", ["", "CAM", "Germany", "'; DROP TABLE node;--", "../CAMX", "CAMX\x00", "ß", "CAMX "])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(UnknownRegionError, match="no carbon intensity is known"):
        table.find(region)


@pytest.mark.parametrize(("typed", "meant"), [("CAMXX", "CAMX"), ("germny", "DEU"), ("korea", "KOR"), ("wecc", "CAMX")])
def test_the_refusal_names_near_matches(typed: str, meant: str) -> None:
    with pytest.raises(UnknownRegionError, match=meant):
        table.find(typed)


def test_a_refusal_repeats_at_most_forty_characters() -> None:
    with pytest.raises(UnknownRegionError) as refusal:
        table.find("x" * 10_000)
    assert len(refusal.value.detail) < 300


def test_the_notice_attributes_every_source() -> None:
    notice = resources.files("issuer.carbon").joinpath("data", "NOTICE.txt").read_text(encoding="utf-8")
    assert "Ember (2025), Yearly Electricity Data" in notice
    for name in table.TABLES:
        assert name in notice
