import pytest

from agent.errors import ReadingFailedError
from agent.meters import nvml
from agent.meters.nvml_functions import Nvml
from tests.fakes.agent import FakeGpu, FakeNvml, HandClock

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST = 3, 4, 9, 12, 15


@pytest.fixture
def clock():
    return HandClock()


def meters_of(clock, *gpus, **options):
    return nvml.discover(FakeNvml(*gpus), clock, **options)


def test_a_gpu_with_a_counter_is_read_by_its_counter(clock):
    (meter,) = meters_of(clock, FakeGpu(energy_mj=123, power_mw=456, utilization=78)).meters
    reading = meter.read()

    assert (meter.name, meter.unit, meter.method, meter.scope) == ("nvml-counter", "mJ", "counter", "gpu")
    assert (reading.energy_mj, reading.power_mw, reading.utilization_percent) == (123, 456, 78)
    assert (reading.boottime_ns, reading.wall_ns) == (clock.boottime_ns(), clock.wall_ns())


def test_a_gpu_is_known_by_its_uuid(clock):
    (meter,) = meters_of(clock, FakeGpu(uuid="GPU-x", name="NVIDIA A100")).meters

    assert (meter.device, meter.model, meter.read().device) == ("GPU-x", "NVIDIA A100", "GPU-x")


def test_real_meters_are_not_simulated(clock):
    assert not meters_of(clock, FakeGpu()).meters[0].simulated


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION])
def test_a_gpu_without_a_counter_is_integrated_from_its_power(clock, code):
    gpu = FakeGpu(energy_error=code, power_mw=100_000)
    (meter,) = meters_of(clock, gpu).meters
    before_mj = meter.read().energy_mj
    clock.advance(0.5)

    assert (meter.name, meter.unit, meter.method, meter.period_s) == ("nvml-power", "mJ", "integrated", 0.1)
    assert meter.read().energy_mj - before_mj == 50_000


def test_a_counter_that_is_not_supported_is_never_read_as_zero(clock):
    (meter,) = meters_of(clock, FakeGpu(energy_mj=0, energy_error=NOT_SUPPORTED)).meters

    assert meter.method == "integrated"


def test_power_and_utilization_may_be_missing_beside_a_counter(clock):
    gpu = FakeGpu(power_error=NOT_SUPPORTED, utilization_error=NOT_SUPPORTED)
    reading = meters_of(clock, gpu).meters[0].read()

    assert reading.energy_mj == 1_000_000
    assert (reading.power_mw, reading.utilization_percent) == (None, None)


def test_an_idle_gpu_says_whether_a_compute_process_holds_it(clock):
    gpu = FakeGpu(utilization=0, processes=2)
    (meter,) = meters_of(clock, gpu).meters
    assert meter.read().held is True
    gpu.processes = 0
    assert meter.read().held is False


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION])
def test_where_processes_are_not_told_nobody_knows_who_holds_it(clock, code):
    reading = meters_of(clock, FakeGpu(utilization=0, processes_error=code)).meters[0].read()

    assert reading.energy_mj == 1_000_000
    assert reading.held is None


def test_who_holds_a_gpu_is_not_asked_while_it_works(clock):
    (meter,) = meters_of(clock, FakeGpu(utilization=5, processes_error=GPU_IS_LOST)).meters

    assert meter.read().held is None


def test_where_utilization_is_not_told_the_processes_are(clock):
    gpu = FakeGpu(utilization_error=NOT_SUPPORTED, processes=0)
    reading = meters_of(clock, gpu).meters[0].read()

    assert (reading.utilization_percent, reading.held) == (None, False)


@pytest.mark.parametrize(
    ("scoped_mj", "scope"),
    [
        ({}, "gpu"),
        ({0: 1_000_020}, "gpu"),
        ({0: 1_000_020, 1: 1_900_000}, "gpu"),
        ({0: 600_000, 1: 1_000_020}, "module"),
        ({0: 1_000_020, 1: 0}, "gpu"),
    ],
)
def test_a_superchips_counter_is_of_what_it_is_nearest_to(clock, scoped_mj, scope):
    (meter,) = meters_of(clock, FakeGpu(energy_mj=1_000_000, scoped_mj=scoped_mj)).meters

    assert meter.scope == scope


def test_a_gpu_with_neither_counter_nor_power_is_named_with_the_reason(clock):
    bare = FakeGpu(uuid="GPU-bare", energy_error=NOT_SUPPORTED, power_error=NOT_SUPPORTED)
    found = meters_of(clock, bare, FakeGpu(uuid="GPU-good"))

    assert [meter.device for meter in found.meters] == ["GPU-good"]
    assert found.unavailable[0].name == "nvml GPU-bare"
    assert "neither energy nor power" in found.unavailable[0].reason
    assert not found.unavailable[0].absent


def test_every_gpu_gets_a_meter_of_its_own(clock):
    gpus = [FakeGpu(uuid=f"GPU-{index}", energy_mj=index) for index in range(8)]
    found = meters_of(clock, *gpus)

    assert [meter.read().energy_mj for meter in found.meters] == list(range(8))


def test_only_visible_gpus_are_measured(clock):
    gpus = [FakeGpu(uuid=f"GPU-{index}") for index in range(3)]
    found = meters_of(clock, *gpus, visible="2")

    assert [meter.device for meter in found.meters] == ["GPU-2"]


def test_gpus_that_are_all_hidden_are_told_and_not_taken_for_none(clock):
    found = meters_of(clock, FakeGpu(), visible="")

    assert not found.meters
    assert "hides every GPU" in found.unavailable[0].reason
    assert not found.unavailable[0].absent


@pytest.mark.parametrize(
    ("code", "reason", "absent"),
    [
        (LIBRARY_NOT_FOUND, "no NVIDIA driver", True),
        (DRIVER_NOT_LOADED, "kernel module is not loaded", True),
        (NO_PERMISSION, "may not open the NVIDIA devices", False),
        (18, "differ in version", False),
        (999, "cannot be opened", False),
    ],
)
def test_each_reason_why_nvml_does_not_open_is_told_apart(clock, code, reason, absent):
    found = nvml.discover(FakeNvml(init_error=code), clock)

    assert reason in found.unavailable[0].reason
    assert found.unavailable[0].remedy
    assert found.unavailable[0].absent is absent


def test_a_machine_with_a_driver_and_no_gpu_says_so(clock):
    (lack,) = meters_of(clock).unavailable

    assert "there is no GPU" in lack.reason
    assert lack.absent


def test_a_lost_gpu_gives_no_reading_and_no_zero(clock):
    gpu = FakeGpu()
    (meter,) = meters_of(clock, gpu).meters
    gpu.energy_error = GPU_IS_LOST

    with pytest.raises(ReadingFailedError, match="NVML error 15"):
        meter.read()


def test_after_a_driver_reload_the_counter_starts_anew_in_another_epoch(clock):
    library = FakeNvml(FakeGpu(energy_mj=9_502_000), FakeGpu(uuid="GPU-b"))
    meter, other = nvml.discover(library, clock).meters
    before = meter.read()
    library.unload()
    with pytest.raises(ReadingFailedError):
        meter.read()
    after = meter.read()

    assert after.energy_mj == 0
    assert after.epoch == before.epoch + 1
    assert other.read().epoch == after.epoch


def test_a_driver_that_stays_away_keeps_failing_without_a_crash(clock):
    library = FakeNvml(FakeGpu())
    (meter,) = nvml.discover(library, clock).meters
    library.unload()
    library.init_error = DRIVER_NOT_LOADED

    for _ in range(3):
        with pytest.raises(ReadingFailedError):
            meter.read()


def test_a_figure_that_came_with_the_new_driver_is_read_again(clock):
    gpu = FakeGpu(power_error=NOT_SUPPORTED)
    library = FakeNvml(gpu)
    (meter,) = nvml.discover(library, clock).meters
    library.unload()
    gpu.power_error = None
    with pytest.raises(ReadingFailedError):
        meter.read()

    assert meter.read().power_mw == 300_000


def test_nvml_is_shut_down_after_the_last_meter(clock):
    library = FakeNvml(FakeGpu(), FakeGpu(uuid="GPU-b"))
    first, second = nvml.discover(library, clock).meters
    first.close()
    assert library.opened == 1
    second.close()
    assert library.opened == 0


def test_nvml_is_shut_down_where_no_meter_came_of_it(clock):
    library = FakeNvml(FakeGpu(energy_error=NOT_SUPPORTED, power_error=NOT_SUPPORTED))
    nvml.discover(library, clock)

    assert library.opened == 0


def test_a_name_that_fits_no_gpu_is_a_reason_and_no_crash(clock):
    library = FakeNvml(FakeGpu())
    found = nvml.discover(library, clock, asked=["GPU-nowhere"])

    assert "names 0 GPUs" in found.unavailable[0].reason
    assert library.opened == 0


def test_the_installed_binding_has_what_the_protocol_asks_for():
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    library = nvml.load()

    wanted = [name for name in vars(Nvml) if name.startswith("nvml")]
    assert len(wanted) == 12
    assert all(callable(getattr(library, name)) for name in wanted)
    assert issubclass(library.NVMLError, Exception)
