import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import ReadingFailedError
from agent.meters import rapl
from tests.fakes.agent import HandClock
from tests.fakes.powercap import LAPTOP, SERVER, FakePowercap


@pytest.fixture
def clock():
    return HandClock()


def named(inventory):
    return {one.meter.name: one.meter for one in inventory.meters}


def test_both_sockets_of_a_server_are_one_meter_and_memory_is_another(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", SERVER)
    meters = named(rapl.discover(clock, fake.root))
    clock.advance(1)
    fake.add("intel-rapl:0", 100_000_000)
    fake.add("intel-rapl:1", 50_000_000)
    fake.add("intel-rapl:1:0", 7_000_000)

    assert set(meters) == {"rapl-package", "rapl-dram"}
    assert meters["rapl-package"].read().energy_mj == 150_000
    assert meters["rapl-dram"].read().energy_mj == 7_000


def test_what_is_inside_a_package_is_not_read_and_a_package_told_twice_counts_once(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", LAPTOP)
    found = rapl.discover(clock, fake.root)
    meter = named(found)["rapl-package"]
    clock.advance(1)
    for folder in ("intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1", "intel-rapl-mmio:0"):
        fake.add(folder, 10_000_000)

    assert [one.meter.name for one in found.meters] == ["rapl-package"]
    assert meter.read().energy_mj == 10_000
    assert meter.model == "intel-rapl:0"


def test_a_package_that_only_the_other_interface_tells_is_read_there(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", {"intel-rapl-mmio:0": "package-0"})

    assert named(rapl.discover(clock, fake.root))["rapl-package"].model == "intel-rapl-mmio:0"


def test_the_platform_is_a_nodes_meter_and_counts_only_where_it_is_asked_for(tmp_path, clock):
    found = rapl.discover(clock, FakePowercap(tmp_path / "powercap", LAPTOP).root)

    assert [(one.meter.name, one.boundary, one.meter.scope) for one in found.unused] == [("rapl-psys", "node", "node")]


def test_dies_of_one_processor_are_packages_of_their_own(tmp_path, clock):
    zones = {"intel-rapl:0": "package-0-die-0", "intel-rapl:1": "package-0-die-1"}

    assert len(rapl.zones(FakePowercap(tmp_path / "powercap", zones).root)) == 2


def test_a_wrap_is_undone(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", {"intel-rapl:0": "package-0"}, range_uj=65_532_610_987)
    fake.set("intel-rapl:0", 65_532_000_000)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    before = meter.read()
    clock.advance(1)
    fake.add("intel-rapl:0", 200_000_000)
    after = meter.read()

    assert after.energy_mj - before.energy_mj == 200_000
    assert after.epoch == before.epoch


def test_parts_of_a_millijoule_are_not_lost(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", SERVER)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    for _ in range(10):
        clock.advance(0.001)
        fake.add("intel-rapl:0", 999)
        fake.add("intel-rapl:1", 501)
        meter.read()

    assert meter.read().energy_mj == 15


def test_a_counter_that_was_set_back_is_another_epoch_and_counts_nothing(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", SERVER)
    fake.set("intel-rapl:0", 200_000_000_000)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    before = meter.read()
    clock.advance(1)
    fake.set("intel-rapl:0", 1_000_000)
    after = meter.read()

    assert after.epoch == before.epoch + 1
    assert after.energy_mj == before.energy_mj


def test_a_pause_that_may_hide_a_wrap_is_another_epoch(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", SERVER)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    clock.advance(3600)
    fake.add("intel-rapl:0", 5_000_000)

    assert meter.read().epoch == 1


@contextmanager
def nobody():
    """As a user who is not root: root may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public():
    """A folder that every user may enter."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_only_root_may_read_says_how_to_have_it_and_the_rest_is_read(public, clock):
    fake = FakePowercap(public / "powercap", SERVER)
    for folder in ("intel-rapl:0", "intel-rapl:1"):
        (fake.root / folder / "energy_uj").chmod(0o400 if os.geteuid() == 0 else 0)
    with nobody():
        found = rapl.discover(clock, fake.root)

    assert list(named(found)) == ["rapl-dram"]
    (lack,) = found.unavailable
    assert "only root may read" in lack.reason
    assert "CVE-2020-8694" in lack.reason
    assert "udev" in lack.remedy
    assert "CAP_DAC_READ_SEARCH" in lack.remedy
    assert not lack.absent


def test_a_machine_without_zones_says_what_would_bring_them(tmp_path, clock):
    for root in (tmp_path / "nowhere", tmp_path):
        (lack,) = rapl.discover(clock, root).unavailable
        assert "modprobe intel_rapl_msr" in lack.remedy
        assert lack.absent


def test_a_zone_that_goes_away_gives_no_reading_and_no_zero(tmp_path, clock):
    fake = FakePowercap(tmp_path / "powercap", SERVER)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    (fake.root / "intel-rapl:1" / "energy_uj").write_text("gone\n")

    with pytest.raises(ReadingFailedError, match="rapl-package gave no reading"):
        meter.read()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 400)), max_size=40), st.integers(0, 65_532_610_986))
def test_over_any_wraps_the_sum_is_what_the_zone_used(tmp_path_factory, steps, start_uj):
    clock = HandClock()
    fake = FakePowercap(tmp_path_factory.mktemp("r") / "p", {"intel-rapl:0": "package-0"}, range_uj=65_532_610_987)
    fake.set("intel-rapl:0", start_uj)
    meter = named(rapl.discover(clock, fake.root))["rapl-package"]
    used_uj, last_mj = 0, 0
    for milliseconds, watts in steps:
        clock.advance(milliseconds / 1000)
        fake.add("intel-rapl:0", milliseconds * watts * 1000)
        used_uj += milliseconds * watts * 1000
        reading = meter.read()
        assert reading.energy_mj >= last_mj
        last_mj = reading.energy_mj

    assert last_mj == used_uj // 1000
    assert meter.read().epoch == 0
