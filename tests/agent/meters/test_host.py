import logging

import pytest

from agent.config import Settings
from agent.errors import SettingsError
from agent.meters.host import choose
from tests.fakes.agent import FakeMeter, HandClock
from tests.fakes.bmc import METRICS, serving
from tests.fakes.powercap import LAPTOP, SERVER, FakePowercap


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def server(tmp_path):
    return FakePowercap(tmp_path / "server", SERVER).root


@pytest.fixture
def laptop(tmp_path):
    return FakePowercap(tmp_path / "laptop", LAPTOP).root


def chosen(clock, root, *accelerators, **settings):
    return [one.meter.name for one in choose(Settings(**settings), clock, accelerators or [FakeMeter(clock)], root)]


def test_auto_counts_packages_and_memory_where_they_can_be_read(clock, server):
    assert chosen(clock, server) == ["rapl-package", "rapl-dram"]


def test_auto_counts_no_platform(clock, laptop):
    assert chosen(clock, laptop) == ["rapl-package"]


def test_named_meters_count_alone(clock, server, laptop):
    assert chosen(clock, server, host_meters=("rapl-dram",)) == ["rapl-dram"]
    assert chosen(clock, laptop, host_meters=("rapl-package", "rapl-psys")) == ["rapl-package", "rapl-psys"]


def test_off_counts_nothing(clock, server):
    assert chosen(clock, server, host_meters=("off",)) == []


@pytest.mark.parametrize(
    "names", [("fast",), ("auto", "rapl-dram"), ("off", "auto"), (), ("rapl-psys", "redfish"), ("rapl-core",)]
)
def test_names_that_are_none_or_count_twice_are_refused(clock, server, names):
    with pytest.raises(SettingsError, match="host_meters"):
        chosen(clock, server, host_meters=names)


def test_beside_invented_figures_nothing_real_is_counted(clock, server):
    assert chosen(clock, server, FakeMeter(clock, simulated=True)) == []


def test_a_module_holds_its_cpu_and_memory_so_they_are_not_counted_again(clock, server):
    superchip = FakeMeter(clock)
    superchip.scope = "module"

    assert chosen(clock, server, superchip) == []


def test_a_bmc_is_the_nodes_meter_beside_the_others(clock, server, tmp_path):
    with serving(tmp_path, documents={METRICS: {"PowerWatts": {"Reading": 5}}}) as bmc:
        settings = Settings(redfish_url=bmc.url + METRICS, redfish_fingerprint=bmc.fingerprint, redfish_has_gpus=False)
        found = choose(settings, clock, [FakeMeter(clock)], server)
        for one in found:
            one.meter.close()

    assert [(one.boundary, one.has_accelerators, one.moves) for one in found if one.boundary == "node"] == [
        ("node", False, False)
    ]
    assert len(found) == 3


def test_a_machine_without_meters_of_the_host_goes_on_without(clock, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert chosen(clock, tmp_path) == []
    assert not caplog.records


def test_a_meter_that_was_asked_for_and_is_not_there_is_told(clock, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert chosen(clock, tmp_path, host_meters=("redfish",)) == []

    assert [record.reason for record in caplog.records] == ["redfish_url is not set"]
