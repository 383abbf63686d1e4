from agent.meters.simulator import SimulatedMeter, load_percent
from tests.fakes.agent import HandClock


def run(seed, steps):
    clock = HandClock()
    meter = SimulatedMeter(clock, seed=seed)
    readings = []
    for step in steps:
        clock.advance(step)
        readings.append(meter.read())
    return readings


def test_it_says_that_it_is_simulated_and_modelled():
    meter = SimulatedMeter(HandClock())

    assert meter.simulated
    assert meter.method == "modelled"
    assert meter.device.startswith("SIMULATED")


def test_the_same_seed_gives_the_same_figures():
    assert run(7, [1, 2, 0.5]) == run(7, [1, 2, 0.5])


def test_another_seed_gives_other_figures():
    assert run(7, [10])[0].energy_mj != run(8, [10])[0].energy_mj


def test_readings_in_between_change_nothing():
    assert run(7, [10])[-1].energy_mj == run(7, [0.3] * 30 + [1])[-1].energy_mj


def test_the_power_lies_between_idle_and_full_load():
    (reading,) = run(7, [100])

    assert 70_000 * 100 < reading.energy_mj < 400_000 * 100
    assert 70_000 < reading.power_mw < 400_000


def test_the_energy_is_the_sum_of_the_power_of_each_second():
    clock = HandClock(boottime_ns=0)
    meter = SimulatedMeter(clock, seed=3)
    clock.advance(5)

    assert meter.read().energy_mj == sum(meter.power_mw(second) for second in range(5))


def test_the_load_is_a_percentage_that_changes():
    loads = {load_percent(1, second) for second in range(100)}

    assert loads <= set(range(60, 96))
    assert len(loads) > 10
