"""A recorded GPU, from its readings to a window: tick, power against counter, idle, loaded idle, load.

Each file in recordings/ says whether a GPU made it. There is none by a real one yet.
"""

import json

import pytest

from agent.meters import replay
from agent.meters.check import check
from agent.windows.ledger_window import WindowLedger
from tests.fakes.agent import HandClock
from tests.fakes.recording import PLACE, lines


@pytest.fixture
def clock():
    return HandClock()


def meter_of(clock):
    (meter,) = replay.accelerators(replay.read(PLACE), clock, loop=False)
    return meter


def test_the_file_is_what_its_maker_makes_and_says_that_it_is_invented():
    assert PLACE.read_text().splitlines() == lines()
    assert json.loads(lines()[0])["synthetic"] is True
    assert "synthetic" in PLACE.name


def test_its_counter_ticks_every_tenth_of_a_second_and_agrees_with_power(clock):
    found = check(meter_of(clock), clock, 59, pause_s=0.025, sleep=clock.advance)

    assert found.tick_us == pytest.approx(100_000, rel=0.01)
    assert found.integral_mj == pytest.approx(found.counted_mj, rel=0.05)
    assert found.flags == ()


def test_idle_loaded_idle_and_undeclared_load_are_kept_apart(clock):
    windows = []
    ledger = WindowLedger([meter_of(clock)], clock, windows.append, window_s=100)
    assert ledger.begin()
    for _ in range(58):
        clock.advance(1)
        ledger.tick()
    ledger.close()

    (window,) = windows
    # 14 s and the last 3 s at 70 W; 15 s at 118 W; 25 s at 640 W. The second of a change is the busier one's.
    assert window.idle_mj == pytest.approx(17 * 70_000, abs=8_000)
    assert window.loaded_idle_mj == pytest.approx(15 * 118_000, abs=60_000)
    assert window.unattributed_mj == pytest.approx(25 * 640_000, abs=130_000)
    assert window.simulated
    assert window.energy_mj == window.idle_mj + window.loaded_idle_mj + window.unattributed_mj
