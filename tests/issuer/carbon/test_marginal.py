"""Marginal factors of a region's own cascade, through the whole service: beside the operational emissions, never in them."""

from decimal import Decimal

import pytest

from issuer.store import Store
from tests.fakes.grid.watttime import LOGIN, FakeWattTime
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.carbon.test_intake import running, stored_slots, subject_of
from tests.issuer.conftest import furnished, site_url  # noqa: F401 - fixtures

FILE = """
[sources.wt]
provider = "watttime"
base_url = "{url}"
token_file = "{token}"
signal = "{signal}"

[regions.{region}]
marginal = ["wt:CAISO_NORTH"]
"""
TERMS = {"marginalIntensityGco2ePerKwh", "marginalEmissionsGco2e"}


@pytest.fixture
def watttime():
    with FakeWattTime() as server:
        yield server


def grid_file(folder, url, region="CAMX", signal="marginal"):
    token = folder / "login"
    token.write_text(LOGIN)
    path = folder / "grid.toml"
    path.write_text(FILE.format(url=url, token=token, region=region, signal=signal))
    return path


async def moved(url, node_id):
    """Move a node to Germany."""
    store = Store.open(url)
    await store.nodes.set_region(node_id, "DEU")
    await store.close()


async def test_a_record_claims_what_its_region_s_marginal_source_has(site_url, tmp_path, watttime):  # noqa: F811
    async with running(site_url, grid_file(tmp_path, watttime.url)) as site:
        await stored_slots(site)
        claims = await subject_of(await site.telemetry())
    marginal = Decimal(claims["marginalIntensityGco2ePerKwh"])
    assert marginal > 0
    assert Decimal(claims["marginalEmissionsGco2e"]) == Decimal(claims["energyKwh"]) * marginal
    # The location-based figure is the table's still, and so are its emissions.
    assert (claims["carbonIntensityTier"], claims["carbonIntensityGco2ePerKwh"]) == ("subregion-annual", "195.03")
    assert Decimal(claims["operationalEmissionsGco2e"]) == Decimal(claims["energyKwh"]) * Decimal("195.03")


async def test_a_window_claims_none_and_its_inferences_do(site_url, tmp_path, watttime):  # noqa: F811
    async with running(site_url, grid_file(tmp_path, watttime.url)) as site:
        await stored_slots(site)
        answer = await post_window(site, WindowNode().zipped())
        window = await subject_of(await site.client.get(answer.json()["credential"].removeprefix(PUBLIC_URL)))
        single = await subject_of(await site.get("/api/v1/certificate/inference-0/vc"))
    assert not TERMS & set(window)
    assert set(single) >= TERMS


async def test_an_inference_of_a_node_that_has_moved_since_claims_none(site_url, tmp_path, watttime):  # noqa: F811
    # Sources are asked for the regions of nodes: another one is in Germany from the start.
    await moved(site_url, "node-8")
    async with running(site_url, grid_file(tmp_path, watttime.url, region="DEU")) as site:
        await stored_slots(site)
        await post_window(site, WindowNode().zipped())
        await moved(site_url, "node-7")
        single = await subject_of(await site.get("/api/v1/certificate/inference-0/vc"))
        later = await subject_of(await site.telemetry(inference_id="later"))
    assert single["gridRegion"] == "CAMX"
    assert not TERMS & set(single)
    assert set(later) >= TERMS


async def test_without_slots_of_the_period_nothing_stands_in_for_them(site_url, tmp_path, watttime):  # noqa: F811
    async with running(site_url, grid_file(tmp_path, watttime.url, region="FRA")) as site:
        claims = await subject_of(await site.telemetry())
    assert not TERMS & set(claims)
