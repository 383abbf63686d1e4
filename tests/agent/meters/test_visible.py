import pytest

from agent.errors import MeterUnavailableError
from agent.meters.visible import Gpu, select

A = Gpu("GPU-aaaa-1", "H100")
B = Gpu("GPU-bbbb-2", "H100")
C = Gpu("GPU-bbcc-3", "H100")
SLOW = Gpu("GPU-dddd-4", "T4")
EQUAL = (A, B, C)
MIXED = (A, SLOW)


def test_without_a_choice_every_gpu_is_measured():
    assert select(EQUAL) == EQUAL


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", (A,)),
        ("2,0", (C, A)),
        ("1,1", (B,)),
        (" 1 , 2 ", (B, C)),
        ("GPU-aaaa-1", (A,)),
        ("GPU-aaaa,GPU-bbcc", (A, C)),
        ("0,-1,1", (A,)),
        ("0,7,1", (A,)),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(visible, expected):
    assert select(EQUAL, visible=visible) == expected


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "٢", "3"])
def test_gpus_that_are_all_hidden_are_a_reason_and_not_none(visible):
    with pytest.raises(MeterUnavailableError, match="hides every GPU"):
        select(EQUAL, visible=visible)


def test_a_machine_without_gpus_hides_none():
    assert select((), visible="") == ()


def test_an_index_among_different_gpus_is_refused_since_it_does_not_say_which():
    with pytest.raises(MeterUnavailableError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        select(MIXED, visible="1")


def test_an_index_among_different_gpus_is_taken_in_bus_order():
    assert select(MIXED, visible="1", order="PCI_BUS_ID") == (SLOW,)


def test_a_uuid_among_different_gpus_needs_no_order():
    assert select(MIXED, visible="GPU-dddd") == (SLOW,)


def test_a_mig_instance_is_refused_since_only_the_whole_gpu_has_a_meter():
    with pytest.raises(MeterUnavailableError, match="MIG instance"):
        select(EQUAL, visible="MIG-1234")


def test_gpus_that_were_asked_for_decide_alone():
    assert select(EQUAL, asked=["GPU-bbcc"], visible="0") == (C,)


@pytest.mark.parametrize("uuid", ["GPU-bb", "GPU-zz", "", "0"])
def test_a_name_that_fits_none_or_several_is_refused(uuid):
    with pytest.raises(MeterUnavailableError, match="names"):
        select(EQUAL, asked=[uuid])


def test_the_refusal_lists_the_gpus_that_there_are():
    with pytest.raises(MeterUnavailableError, match="GPU-aaaa-1, GPU-bbbb-2, GPU-bbcc-3"):
        select(EQUAL, asked=["GPU-zz"])
