"""Against a real GPU; skipped, saying why, where there is none. ``python -m agent.meters.check`` needs no pytest."""

import pytest

from agent.clock import SystemClock
from agent.config import Settings
from agent.ledger import Ledger
from agent.meters import replay
from agent.meters.check import check
from agent.meters.choose import survey
from agent.meters.deadline import DEADLINE_S


@pytest.fixture(scope="module")
def gpus():
    found = survey(Settings(), {}, SystemClock())
    if not found.meters:
        pytest.skip("; ".join(f"{lack.name}: {lack.reason}" for lack in found.unavailable))
    yield found.meters
    for meter in found.meters:
        meter.close()


def test_a_real_gpu_is_known_by_its_uuid_and_is_not_simulated(gpus):
    assert all(meter.device.startswith("GPU-") and not meter.simulated for meter in gpus)


def test_a_real_counter_moves_within_a_second_and_never_falls(gpus):
    for meter in gpus:
        first = meter.read()
        found = check(meter, SystemClock(), 1.5)
        assert meter.read().energy_mj > first.energy_mj
        assert "counter-stuck" not in found.flags
        assert "counter-reset" not in found.flags


def test_a_real_idle_gpu_says_whether_a_process_holds_it(gpus):
    readings = [meter.read() for meter in gpus]
    idle = [reading for reading in readings if reading.utilization_percent == 0]
    if not idle:
        pytest.skip("every GPU works")
    assert all(reading.held in {True, False} for reading in idle)


def test_a_reading_of_a_real_gpu_is_far_from_its_deadline(gpus):
    for meter in gpus:
        assert check(meter, SystemClock(), 1.5).cost_us < DEADLINE_S * 1_000_000 / 5


def test_what_is_recorded_of_a_real_gpu_is_given_again_to_the_millijoule(gpus, tmp_path):
    clock = SystemClock()
    count = replay.record(tmp_path / "real.jsonl", [(meter, None) for meter in gpus], clock, 3)
    recording = replay.read(tmp_path / "real.jsonl")

    assert count >= 3 * len(gpus)
    assert not recording.header.synthetic
    for lines in recording.readings:
        energies = [line.energy_mj for line in lines if not line.failed]
        assert energies == sorted(energies)
        assert energies[-1] > energies[0]


def test_the_energy_of_a_measurement_fits_the_power_of_the_gpus(gpus):
    clock = SystemClock()
    ledger = Ledger(gpus, clock)
    entry = ledger.start()
    powers_mw = []
    until_ns = clock.boottime_ns() + 3_000_000_000
    while clock.boottime_ns() < until_ns:
        powers_mw.append(sum(meter.read().power_mw for meter in gpus))
        ledger.sample()
    result = ledger.stop(entry)

    mean_mw = result.energy_mj * 1_000_000 / result.duration_us
    assert 0.5 * min(powers_mw) < mean_mw < 2 * max(powers_mw)
    assert result.method == gpus[0].method
