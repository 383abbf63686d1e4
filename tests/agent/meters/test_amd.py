import pytest

from agent.config import Settings
from agent.errors import MeterUnavailableError, ReadingFailedError
from agent.meters import amd
from agent.meters.amd import Amdsmi
from agent.meters.choose import choose
from tests.fakes.agent import FakeNvml, HandClock
from tests.fakes.amd import FakeAmd, FakeAmdsmi


@pytest.fixture
def clock():
    return HandClock()


def test_the_accumulator_is_in_units_of_its_resolution(clock):
    gpu = FakeAmd(units=1_000_000, resolution_uj=15.259)
    (meter,) = amd.discover(FakeAmdsmi(gpu), clock).meters
    reading = meter.read()

    assert (meter.name, meter.method, meter.scope) == ("amd-counter", "counter", "gpu")
    assert reading.energy_mj == 15_259
    assert (reading.power_mw, reading.utilization_percent) == (420_000, 80)


def test_an_older_library_calls_the_accumulator_power(clock):
    gpu = FakeAmd(units=1_000_000, accumulator="power")

    assert amd.discover(FakeAmdsmi(gpu), clock).meters[0].read().energy_mj == 15_259


def test_a_resolution_in_another_last_digit_does_not_move_the_counter(clock):
    gpu = FakeAmd(units=1_000_000_000)
    (meter,) = amd.discover(FakeAmdsmi(gpu), clock).meters
    before = meter.read()
    gpu.resolution_uj = 15.2587890625

    assert meter.read().energy_mj == before.energy_mj


@pytest.mark.parametrize("change", [{"energy_fails": True}, {"units": "N/A"}])
def test_a_gpu_without_an_accumulator_is_integrated_from_its_power(clock, change):
    gpu = FakeAmd(**change)
    (meter,) = amd.discover(FakeAmdsmi(gpu), clock).meters
    before_mj = meter.read().energy_mj
    clock.advance(0.5)

    assert (meter.name, meter.method, meter.period_s) == ("amd-power", "integrated", 0.1)
    assert meter.read().energy_mj - before_mj == 210_000


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        ({"socket_power": "N/A", "current_socket_power": 300, "average_socket_power": "N/A"}, 300_000),
        ({"current_socket_power": "N/A", "average_socket_power": 250}, 250_000),
        ({"socket_power": 65535, "average_socket_power": 200}, 200_000),
        ({"socket_power": "N/A"}, None),
    ],
)
def test_of_the_figures_of_power_the_first_that_is_one_counts(clock, power, expected):
    (meter,) = amd.discover(FakeAmdsmi(FakeAmd(power=power)), clock).meters

    assert meter.read().power_mw == expected


def test_a_gpu_with_neither_is_named_with_the_reason_and_is_not_taken_for_none(clock):
    found = amd.discover(FakeAmdsmi(FakeAmd(energy_fails=True, power={})), clock)

    assert not found.meters
    assert "neither energy nor power" in found.unavailable[0].reason
    assert not found.unavailable[0].absent


def test_the_second_die_of_a_package_is_left_out_by_name_and_nothing_is_unread(clock):
    first, second = FakeAmd(uuid="die-0"), FakeAmd(uuid="die-1", units=0, power={"socket_power": "N/A"})
    found = amd.discover(FakeAmdsmi(first, second), clock)

    assert [meter.device for meter in found.meters] == ["die-0"]
    assert "die-1" in found.unavailable[0].reason
    assert found.unavailable[0].absent


def test_who_holds_an_idle_gpu_is_told_and_lookers_on_do_not_count(clock):
    gpu = FakeAmd(activity=0, memories=(0,))
    (meter,) = amd.discover(FakeAmdsmi(gpu), clock).meters
    assert meter.read().held is False
    gpu.memories = (0, 4096)
    assert meter.read().held is True
    gpu.processes_fail = True
    assert meter.read().held is None


def test_after_a_failure_the_counter_is_of_another_epoch(clock):
    gpu = FakeAmd()
    (meter,) = amd.discover(FakeAmdsmi(gpu), clock).meters
    before = meter.read()
    gpu.energy_fails = True
    with pytest.raises(ReadingFailedError):
        meter.read()
    gpu.energy_fails = False

    assert meter.read().epoch == before.epoch + 1


def test_a_library_that_does_not_open_says_why(clock):
    found = amd.discover(FakeAmdsmi(FakeAmd(), init_fails=True), clock)

    assert "cannot be opened" in found.unavailable[0].reason
    assert "agent-amd" in found.unavailable[0].remedy


def test_auto_takes_amds_gpus_where_there_are_no_others(clock):
    meters = choose(Settings(), {}, clock, FakeNvml(init_error=12), FakeAmdsmi(FakeAmd()))

    assert [meter.name for meter in meters] == ["amd-counter"]


def test_amd_asked_for_and_not_there_is_told_with_the_remedy(clock):
    with pytest.raises(MeterUnavailableError, match="there is no GPU"):
        choose(Settings(meter="amd"), {}, clock, amd_binding=FakeAmdsmi())


def test_the_installed_binding_has_what_the_protocol_asks_for():
    library = pytest.importorskip("amdsmi", reason="amdsmi is not installed", exc_type=Exception)
    wanted = [name for name in vars(Amdsmi) if name.startswith("amdsmi_")]

    assert len(wanted) == 9
    assert all(callable(getattr(library, name)) for name in wanted)
