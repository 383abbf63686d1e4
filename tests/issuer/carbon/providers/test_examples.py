"""The example replies that are kept beside the checkout, read in place, each served as it is."""

import pytest

from issuer.carbon.providers.errors import ProviderRefusedError
from tests.fakes.grid.server import GridServer
from tests.fakes.grid.traps import Answer
from tests.fakes.grid.values import DAY_US, HOUR_US, MINUTE_US, us
from tests.issuer.carbon.providers.asking import british, maps, watt_time
from tests.vectors import shared

NOW_US = us("2026-10-01T12:50")


class Examples(GridServer):
    """Serves one example for each path that ends in a name."""

    def __init__(self, **names: str) -> None:
        super().__init__()
        self._bodies = {end: shared(f"data/provider_fixtures/{name}.json").read_bytes() for end, name in names.items()}

    def answer(self, request):
        last = request.path.rpartition("/")[2].replace("-", "_")
        return Answer(self._bodies.get(last) or self._bodies["other"])


async def test_electricity_maps_history(tmp_path):
    with Examples(history="em_history") as server:
        given = await maps(server, tmp_path).slots("DE", us("2026-10-01T10:00"), us("2026-10-01T11:00"), NOW_US)
    slot = given.slots[0]
    assert (slot.gco2e_per_kwh, slot.estimated, slot.updated_us) == ("413", False, us("2026-10-01T11:00") + 2_002_000)


async def test_electricity_maps_past_range_with_a_null(tmp_path):
    with Examples(past_range="em_past_range") as server:
        now_us = NOW_US + 5 * DAY_US
        given = await maps(server, tmp_path).slots("DE", us("2026-10-01T10:00"), us("2026-10-01T12:00"), now_us)
    assert [slot.gco2e_per_kwh for slot in given.slots] == ["322"]
    assert [hole.start_us for hole in given.holes] == [us("2026-10-01T11:00")]


async def test_electricity_maps_latest(tmp_path):
    with Examples(latest="em_latest") as server:
        given = await maps(server, tmp_path).latest("DE", NOW_US)
    assert [(slot.gco2e_per_kwh, slot.estimation_method) for slot in given.slots] == [("322", "TIME_SLICER_AVERAGE")]


async def test_electricity_maps_sandbox(tmp_path):
    with Examples(latest="em_sandbox") as server, pytest.raises(ProviderRefusedError, match="invented"):
        await maps(server, tmp_path).latest("DE", NOW_US)


async def test_watttime_login_and_historical(tmp_path):
    start_us = us("2026-10-01T00:00")
    with Examples(login="wt_login", historical="wt_historical") as server:
        provider = watt_time(server, tmp_path, signal="marginal")
        given = await provider.slots("CAISO_NORTH", start_us, start_us + 10 * MINUTE_US, NOW_US)
        assert server.asked[1].headers["authorization"] == "Bearer header.payload.sig"
        with pytest.raises(ProviderRefusedError, match="co2_moer"):
            await watt_time(server, tmp_path).slots("CAISO_NORTH", start_us, start_us + HOUR_US, NOW_US)
    assert [slot.gco2e_per_kwh for slot in given.slots] == ["394.625", "395.759"]


async def test_british_intensity_with_an_actual_that_lacks():
    with Examples(other="uk_intensity") as server:
        given = await british(server).slots("GB", us("2026-10-01T12:00"), us("2026-10-01T13:00"), NOW_US)
    assert [(slot.gco2e_per_kwh, slot.estimated) for slot in given.slots] == [("263", False), ("148", True)]
