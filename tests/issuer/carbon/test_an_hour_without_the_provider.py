"""The whole way of a provider's bad hour: intake goes on, what it claims says what it stands on, and is issued anew."""

from datetime import timedelta

import pytest

from tests.fakes.grid import traps
from tests.fakes.grid_provider import came_true
from tests.fakes.issuer import START, posted
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.carbon.test_intake import (  # noqa: F401 - fixtures
    ZONE,
    _later,
    _timeout,
    electricity_maps,
    grid_file,
    running,
    site_postgres,
    site_url,
    subject_of,
    url,
)
from tests.issuer.windows.test_verified import verdict

pytestmark = pytest.mark.timeout(120)

MINUTES = (0, 20, 40, 60)
FOUR_DAYS = timedelta(days=4)


async def test_what_was_issued_in_a_provider_s_bad_hour_names_its_fallback_and_is_issued_anew(
    url,  # noqa: F811
    grid_file,  # noqa: F811
    electricity_maps,  # noqa: F811
):
    electricity_maps.always(traps.status(503))
    async with running(url, grid_file) as site:
        await came_true(lambda: electricity_maps.asked)
        issued = [await post_each(site, number) for number in range(len(MINUTES))]
        node = WindowNode()
        node.chain.wall_us += 3_600_000_000
        window = await post_window(site, node.zipped(node.records(3)))
        assert window.status_code == 201, window.text
        subjects = [await subject_of(answer) for answer in issued]
        told = {(one["carbonIntensityTier"], one["gridRegion"], one["claimStatus"]) for one in subjects}
        assert told == {("subregion-annual", "CAMX", "provisional")}

        electricity_maps.always(None)
        electricity_maps.now_us += 4 * 86_400_000_000
        site.clock.advance(FOUR_DAYS)
        await all_superseded(site, count=len(MINUTES) + 1)

        for answer, subject in zip(issued, subjects, strict=True):
            old = answer.json()
            current = await site.get(f"/api/v1/certificate/{subject['inferenceId']}/vc")
            after = await subject_of(current)
            assert (after["gridRegion"], after["claimStatus"]) == (ZONE, "final")
            assert after["supersedes"] == old["id"]
            assert (await verdict(site, current.content)).outcome == "verified"
            refused = await verdict(site, answer.content)
            assert (refused.outcome, refused.problem) == ("refused", "REVOKED")
        single = await subject_of(await site.get("/api/v1/certificate/inference-0/vc"))
        assert (single["gridRegion"], single["claimStatus"]) == (ZONE, "final")
        assert single["windowCredential"] != window.json()["credential"]


async def post_each(site, number):
    """Post a record of each twenty minutes of the hour, at its time."""
    if number:
        site.clock.advance(timedelta(minutes=MINUTES[number] - MINUTES[number - 1]))
    moment = (START + timedelta(minutes=MINUTES[number])).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = await site.post("/api/v1/telemetry", posted(inference_id=f"bad-{number}", timestamp=moment))
    assert answer.status_code == 201, answer.text
    return answer


async def all_superseded(site, count):
    """Return once no claim waits any more, having seen that there were so many."""
    store = site.store()
    try:
        assert len(await store.provisional.open()) == count
        async with _timeout():
            while await store.provisional.open():
                # The tasks beside the service sleep by the clock.
                site.clock.advance(timedelta(seconds=60))
                await came_true(_later())
    finally:
        await store.close()
