import threading

import pytest

from agent.errors import ReadingFailedError
from agent.meters.deadline import Caller, DeadlineMeter
from tests.fakes.agent import FakeMeter, HandClock


class HangingMeter(FakeMeter):
    """A meter whose driver hangs until the test lets it go."""

    def __init__(self, clock, **options):
        super().__init__(clock, **options)
        self.released = threading.Event()
        self.back = threading.Event()

    def read(self):
        self.released.wait(30)
        reading = super().read()
        self.back.set()
        return reading


@pytest.fixture
def clock():
    return HandClock()


def test_a_reading_in_time_is_given(clock):
    meter = DeadlineMeter(FakeMeter(clock, energy_mj=7), Caller())

    assert meter.read().energy_mj == 7
    assert (meter.name, meter.device, meter.unit, meter.scope, meter.method) == (
        "fake",
        "GPU-a",
        "mJ",
        "gpu",
        "counter",
    )
    meter.close()


def test_a_failure_is_the_meters_own(clock):
    inner = FakeMeter(clock)
    inner.broken = True
    meter = DeadlineMeter(inner, Caller())

    with pytest.raises(ReadingFailedError, match="broken"):
        meter.read()
    meter.close()


def test_a_driver_that_hangs_gives_no_reading_in_time_and_fails_at_once_afterwards(clock):
    hanging = HangingMeter(clock)
    caller = Caller(0.05)
    first, second = DeadlineMeter(hanging, caller), DeadlineMeter(FakeMeter(clock), caller)

    with pytest.raises(ReadingFailedError, match="no answer within"):
        first.read()
    for meter in (first, second):
        with pytest.raises(ReadingFailedError, match="has not answered an earlier reading"):
            meter.read()
    assert hanging.reads == 0
    hanging.released.set()


def test_a_driver_that_comes_back_is_read_again_and_its_late_word_is_thrown_away(clock):
    hanging = HangingMeter(clock, energy_mj=1)
    meter = DeadlineMeter(hanging, Caller(0.05, rest_s=0))
    with pytest.raises(ReadingFailedError):
        meter.read()
    hanging.released.set()
    assert hanging.back.wait(10)
    hanging.energy_mj = 2
    for _ in range(1000):
        try:
            reading = meter.read()
            break
        except ReadingFailedError:
            continue

    assert reading.energy_mj == 2


def test_a_driver_that_was_late_is_left_alone_for_a_while_even_if_it_is_back(clock):
    hanging = HangingMeter(clock)
    meter = DeadlineMeter(hanging, Caller(0.05, rest_s=3600))
    with pytest.raises(ReadingFailedError):
        meter.read()
    hanging.released.set()
    assert hanging.back.wait(10)
    with pytest.raises(ReadingFailedError, match="earlier reading"):
        meter.read()
    assert hanging.reads == 1


def test_another_library_is_read_while_one_hangs(clock):
    hanging = HangingMeter(clock)
    stuck, well = DeadlineMeter(hanging, Caller(0.05)), DeadlineMeter(FakeMeter(clock, energy_mj=5), Caller())
    with pytest.raises(ReadingFailedError):
        stuck.read()

    assert well.read().energy_mj == 5
    hanging.released.set()
    well.close()


def test_closing_closes_the_meter_and_its_thread_ends(clock):
    inner = FakeMeter(clock)
    caller = Caller()
    meter = DeadlineMeter(inner, caller)
    meter.read()
    thread = caller._thread
    meter.close()
    thread.join(10)

    assert inner.closed
    assert not thread.is_alive()
