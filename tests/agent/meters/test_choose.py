import pytest

from agent.config import Settings
from agent.errors import MeterUnavailableError
from agent.meters.choose import choose, survey
from tests.fakes.agent import FakeGpu, FakeNvml, HandClock

NONE = FakeNvml(init_error=12)
FORBIDDEN = FakeNvml(init_error=4)


def chosen(binding, environment=None, **settings):
    return choose(Settings(**settings), environment or {}, HandClock(), binding)


def test_auto_takes_the_gpus_where_there_are_some():
    assert [meter.name for meter in chosen(FakeNvml(FakeGpu()))] == ["nvml-counter"]


def test_auto_takes_the_simulator_where_there_is_no_gpu():
    (meter,) = chosen(NONE)

    assert meter.simulated


def test_auto_never_invents_figures_for_a_gpu_that_is_there_but_cannot_be_read():
    with pytest.raises(MeterUnavailableError, match="may not open"):
        chosen(FORBIDDEN)


def test_auto_never_invents_figures_for_gpus_that_were_named():
    with pytest.raises(MeterUnavailableError, match="no NVIDIA driver"):
        chosen(NONE, gpus=("GPU-a",))


def test_auto_never_invents_figures_where_the_gpus_are_hidden():
    with pytest.raises(MeterUnavailableError, match="hides every GPU"):
        chosen(FakeNvml(FakeGpu()), {"CUDA_VISIBLE_DEVICES": ""})


def test_one_gpu_of_several_that_cannot_be_read_is_not_left_out_in_silence():
    broken = FakeGpu(uuid="GPU-b", energy_error=3, power_error=3)
    library = FakeNvml(FakeGpu(), broken)

    with pytest.raises(MeterUnavailableError, match="GPU-b"):
        chosen(library)
    assert library.opened == 0


def test_nvml_says_why_it_is_not_available_and_what_would_help():
    with pytest.raises(MeterUnavailableError, match=r"no NVIDIA driver \(install"):
        chosen(NONE, meter="nvml")


def test_the_simulator_is_taken_when_asked_for_even_where_there_is_a_gpu():
    (meter,) = chosen(FakeNvml(FakeGpu()), meter="simulator", simulator_seed=5)

    assert meter.simulated


def test_the_environment_chooses_the_gpus():
    library = FakeNvml(FakeGpu(uuid="GPU-a"), FakeGpu(uuid="GPU-b", name="T4"))
    found = survey(Settings(), {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, HandClock(), library)

    assert [meter.device for meter in found.meters] == ["GPU-b"]
