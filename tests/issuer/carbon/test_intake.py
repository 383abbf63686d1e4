"""The whole service with grid sources: what is stored is claimed, and whoever hangs, is down or lies is not waited for."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from litestar.testing import AsyncTestClient

from issuer.app import create_service
from issuer.carbon.choose import Period
from issuer.carbon.known import KnownGrid
from issuer.carbon.sources import GridFileError, open_all
from schemas import digests, times
from schemas.grid_data import decode_grid_data, mean_intensity
from tests.fakes import site as sites
from tests.fakes.grid import traps
from tests.fakes.grid.electricity_maps import TOKEN, FakeElectricityMaps
from tests.fakes.grid_provider import ManualClock, came_true
from tests.fakes.issuer import PUBLIC_URL, START, posted
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.conftest import furnished, site_postgres, site_url  # noqa: F401 - fixtures

START_US = times.to_microseconds(START)
ZONE = "US-CAL-CISO"
FILE = """
[sources.em]
provider = "electricity-maps"
base_url = "{url}"
token_file = "{token}"

[regions.{region}]
average = ["em:US-CAL-CISO"]
"""


@pytest.fixture
def electricity_maps():
    with FakeElectricityMaps(START_US, zones=(ZONE,)) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request):
    if request.param == "sqlite":
        return request.getfixturevalue("site_url")
    server = request.getfixturevalue("site_postgres")
    server.restore_rows("site")
    return server.url("site")


@pytest.fixture
def grid_file(tmp_path, electricity_maps):
    return _file(tmp_path, electricity_maps.url)


def _file(folder, url, region="CAMX"):
    token = folder / "token"
    token.write_text(TOKEN)
    path = folder / "grid.toml"
    path.write_text(FILE.format(url=url, token=token, region=region))
    return path


@asynccontextmanager
async def running(url, grid_file=None):
    clock = ManualClock(START_US)
    settings = sites.site_settings(url, grid_file="" if grid_file is None else str(grid_file))
    service = create_service(settings, clock=clock, stop=lambda: None)
    async with AsyncTestClient(service, base_url=PUBLIC_URL) as client:
        yield sites.Site(settings=settings, clock=clock, service=service, client=client)


async def stored_slots(site, count=1):
    """Return once the worker has stored slots."""
    store = site.store()
    try:
        async with _timeout():
            while sum(total for total, _ in (await store.grid.counts()).values()) < count:
                await came_true(_later())
    finally:
        await store.close()


async def failed(site):
    """Return once the worker has noted a failure."""
    store = site.store()
    try:
        async with _timeout():
            while not any(state.failures for state in await store.grid_feeds.all()):
                await came_true(_later())
    finally:
        await store.close()


def _timeout():
    return asyncio.timeout(20)


def _later():
    turns = iter((False, True))
    return lambda: next(turns, True)


async def subject_of(answer):
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()["credentialSubject"]


async def test_a_record_is_claimed_by_the_slots_that_are_stored(url, grid_file):
    async with running(url, grid_file) as site:
        await stored_slots(site)
        subject = await subject_of(await site.telemetry())
        assert (subject["gridRegion"], subject["carbonIntensityGranularity"]) == (ZONE, "PT1H")
        assert subject["carbonIntensitySource"].startswith("Electricity Maps")
        assert "carbonIntensityYear" not in subject
        assert subject["claimStatus"] == "provisional"
        digest = subject["gridDataDigest"]
        served = await site.client.get(f"/evidence/{digest}")
        assert served.status_code == 200
        assert served.headers["content-type"] == "application/json"
        assert digests.digest(served.content) == digest
        data = decode_grid_data(served.content)
        end_us = times.to_microseconds(times.parse_claim(subject["periodEnd"]))
        start_us = times.to_microseconds(times.parse_claim(subject["periodStart"]))
        mean = mean_intensity(data, 2_624_400, start_us, end_us)
        assert subject["carbonIntensityGco2ePerKwh"] == str(mean.normalize())
        assert data.zone == ZONE


async def test_records_of_one_hour_share_their_evidence_and_a_repeated_one_its_credential(url, grid_file):
    async with running(url, grid_file) as site:
        await stored_slots(site)
        first = await site.telemetry()
        again = await site.telemetry()
        other = await subject_of(await site.telemetry(inference_id="another", energy_kwh="0.000001"))
        assert first.content == again.content
        assert (await subject_of(first))["gridDataDigest"] == other["gridDataDigest"]


async def test_a_window_and_its_records_are_claimed_by_the_same_slots(url, grid_file):
    async with running(url, grid_file) as site:
        await stored_slots(site)
        node = WindowNode()
        records = node.records(3)
        answer = await post_window(site, node.zipped(records))
        assert answer.status_code == 201, answer.text
        path = answer.json()["credential"].removeprefix(PUBLIC_URL)
        window = (await site.client.get(path, headers=sites.bearer("acme", "read"))).json()["credentialSubject"]
        digest = window["gridDataDigest"]
        assert window["claimStatus"] == "provisional"
        assert (await site.client.get(f"/evidence/{digest}")).status_code == 200
        single = await site.get(f"/api/v1/certificate/{records[1]['inference_id']}/vc")
        subject = single.json()["credentialSubject"]
        assert (subject["gridDataDigest"], subject["claimStatus"]) == (digest, "provisional")
        store = site.store()
        regions = {one.claim.region for one in await store.provisional.open()}
        await store.close()
        assert regions == {"CAMX"}


async def test_a_node_without_a_cascade_is_claimed_as_without_any_file(url, tmp_path, electricity_maps):
    elsewhere = _file(tmp_path, electricity_maps.url, region="DEU")
    async with running(url, elsewhere) as site:
        with_file = await subject_of(await site.telemetry())
    async with running(url) as site:
        without = await subject_of(await site.telemetry(inference_id="another"))
    told = ("gridRegion", "carbonIntensityGco2ePerKwh", "carbonIntensitySource", "carbonIntensityYear", "claimStatus")
    assert [with_file[name] for name in told] == [without[name] for name in told]
    assert with_file["claimStatus"] == "final"
    assert electricity_maps.asked == []


async def _posted_in_s(site, count):
    """Return how long each of ``count`` records took, having seen that each got its credential."""
    taken_s = []
    for number in range(count):
        started_s = time.perf_counter()
        answer = await site.telemetry(inference_id=f"i-{number}-{count}")
        taken_s.append(time.perf_counter() - started_s)
        assert answer.status_code == 201, answer.text
    return taken_s, answer


async def test_a_source_that_hangs_slows_no_intake(url, grid_file, electricity_maps):
    async with running(url) as site:
        calm_s, _ = await _posted_in_s(site, 30)
    electricity_maps.always(traps.slow)
    async with running(url, grid_file) as site:
        # The request is under way, and stays so for its 20 s.
        await came_true(lambda: electricity_maps.asked)
        hanging_s, last = await _posted_in_s(site, 31)
        subject = await subject_of(last)
        window = await post_window(site, WindowNode().zipped())
        assert window.status_code == 201, window.text
    assert len(electricity_maps.asked) == 1
    assert sorted(hanging_s)[15] < 3 * sorted(calm_s)[15] + 0.01
    assert max(hanging_s) < 5
    # What was issued says which fallback it used, and that it may change.
    assert subject["carbonIntensityTier"] == "subregion-annual"
    assert subject["carbonIntensitySource"].startswith("US EPA eGRID")
    assert subject["claimStatus"] == "provisional"


@pytest.mark.parametrize(
    "trap",
    [
        traps.status(500),
        traps.status(401),
        traps.status(429, retry_after="7"),
        traps.body(b"<html>"),
        traps.body(b"[]"),
    ],
    ids=["down", "unauthorized", "too many", "not json", "garbage"],
)
async def test_a_source_that_is_down_or_lies_changes_no_outcome(site_url, grid_file, electricity_maps, trap):  # noqa: F811
    electricity_maps.always(trap)
    async with running(site_url, grid_file) as site:
        await came_true(lambda: electricity_maps.asked)
        answer = await site.telemetry()
        subject = await subject_of(answer)
        assert (subject["carbonIntensityTier"], subject["claimStatus"]) == ("subregion-annual", "provisional")
        assert (await site.client.get("/healthz")).status_code == 200


async def test_figures_beyond_belief_never_reach_a_credential(site_url, grid_file, electricity_maps):  # noqa: F811
    hour_us = START_US // 3_600_000_000 * 3_600_000_000
    electricity_maps.values = {hour_us: 2500, hour_us - 3_600_000_000: -4}
    async with running(site_url, grid_file) as site:
        await came_true(lambda: electricity_maps.asked)
        subject = await subject_of(await site.telemetry())
        assert subject["carbonIntensityTier"] == "subregion-annual"


async def test_what_was_claimed_provisionally_can_be_chosen_again_once_its_slots_settled(
    site_url,  # noqa: F811
    grid_file,
    electricity_maps,
):
    async with running(site_url, grid_file) as site:
        await stored_slots(site)
        subject = await subject_of(await site.telemetry())
        # Four days later the same hour has another figure, which is the last word.
        hour_us = START_US // 3_600_000_000 * 3_600_000_000
        electricity_maps.now_us = START_US + 4 * 86_400_000_000
        electricity_maps.values = {hour_us: 77}
        site.clock.advance(timedelta(days=4))
        store = site.store()
        ((found),) = await store.provisional.open()
        claim = found.claim
        sources = open_all(grid_file)
        grid = KnownGrid(store.grid, sources)
        period = Period(start_us=claim.period_start_us, end_us=claim.period_end_us, it_mj=claim.it_mj)
        async with _timeout():
            while True:
                grid.forget()
                known = await grid.of(claim.region, claim.period_start_us, claim.period_end_us)
                chosen = known.chosen(period, site.clock.now_us())
                if chosen.factor.claim_status == "final":
                    break
                await came_true(_later())
        await store.close()
        assert claim.it_mj == 2_624_400
        assert str(chosen.factor.gco2e_per_kwh) == "77.000"
        assert chosen.factor.grid_data_digest != subject["gridDataDigest"]
        assert json.loads(chosen.document)["slots"][0]["estimated"] is False


async def test_the_service_does_not_start_with_a_file_that_it_cannot_use(site_url, tmp_path):  # noqa: F811
    path = tmp_path / "grid.toml"
    path.write_text("[sources.em]\nprovider = 'electricity-map'\n")
    with pytest.raises(BaseExceptionGroup) as raised:
        async with running(site_url, path):
            pass
    assert any("electricity-maps" in str(error) for error in _leaves(raised.value))


def _leaves(error):
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]


async def test_a_record_posted_again_with_other_slots_stored_keeps_its_credential(url, grid_file, electricity_maps):
    electricity_maps.always(traps.status(500))
    async with running(url, grid_file) as site:
        await came_true(lambda: electricity_maps.asked)
        first = await site.post("/api/v1/telemetry", posted())
        await failed(site)
        electricity_maps.always(None)
        site.clock.advance(timedelta(seconds=100))
        await stored_slots(site)
        again = await site.post("/api/v1/telemetry", posted())
        other = await subject_of(await site.telemetry(inference_id="another"))
        assert first.content == again.content
        assert (await subject_of(first))["carbonIntensityTier"] == "subregion-annual"
        assert "gridDataDigest" in other


def test_the_error_of_the_file_says_so():
    assert GridFileError("x").name == "GRID_FILE"
