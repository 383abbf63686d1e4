import pytest

from issuer.carbon.providers.check import check
from issuer.carbon.providers.errors import ProviderUnauthorizedError
from tests.fakes.grid import traps
from tests.fakes.grid.electricity_maps import FakeElectricityMaps
from tests.fakes.grid.values import us
from tests.issuer.carbon.providers.asking import NOW_US, maps


async def test_a_source_that_works_shows_how_much_it_gives_and_its_newest_slot(tmp_path):
    with FakeElectricityMaps(NOW_US) as fake:
        fake.values[us("2026-10-01T04:00")] = None
        found = await check(maps(fake, tmp_path), "DE", NOW_US)
    assert (found.slots, found.holes, found.wanted) == (12, 1, 13)
    assert found.newest.start_us == us("2026-10-01T12:00")
    assert "null" in found.hole.reason


async def test_it_asks_no_more_than_a_free_plan_has(tmp_path):
    with FakeElectricityMaps(NOW_US) as fake:
        await check(maps(fake, tmp_path), "DE", NOW_US)
    assert [request.path.rpartition("/")[2] for request in fake.asked] == ["history"]


async def test_a_source_that_does_not_work_says_why(tmp_path):
    with FakeElectricityMaps(NOW_US) as fake:
        fake.always(traps.status(401))
        with pytest.raises(ProviderUnauthorizedError):
            await check(maps(fake, tmp_path), "DE", NOW_US)
