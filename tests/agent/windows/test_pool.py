"""When counters ticked, as far as readings tell; and that no millijoule is lost or counted twice."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.measurement import Totals
from agent.windows.pool import MAX_TICKS, Pool

MS = 1_000_000


def total(energy_mj, idle_mj=0):
    return Totals(measured_mj=energy_mj, idle_mj=idle_mj)


def followed(period_ms, read_ms, *, seconds=60, seed=1):
    """Return ticks of a counter that ticks every ``period_ms``, 1 mJ each, read every ``read_ms`` and a bit."""
    chance = random.Random(seed)
    pool, now = Pool(["g"]), 10_000.0
    pool.wanted = True
    while now < 10_000 + seconds * 1000:
        now += read_ms + chance.random() * 2
        pool.note(int(now * MS), {"g": total(int((now - 37) // period_ms))}, free=True)
    return pool.cut(int(now * MS), {"g": total(int((now - 37) // period_ms))}, free=True)[0]


def off_ms(tick, period_ms):
    """Return by how much the end of a tick misses the nearest true one."""
    return abs((tick.t1_ns / MS - 37 + period_ms / 2) % period_ms - period_ms / 2)


def test_after_a_while_it_is_known_within_some_milliseconds_when_a_counter_ticks():
    for period_ms in (100, 101.7, 98.5):
        late = followed(period_ms, 50)[300:]
        assert sorted(off_ms(tick, period_ms) for tick in late)[len(late) // 2] < 6, period_ms


def test_a_reading_between_two_ticks_is_no_tick():
    ticks = followed(100, 20, seconds=10)

    assert 95 <= len(ticks) <= 101
    assert all(tick.energy_mj == 1 for tick in ticks[1:])


def test_devices_that_move_at_the_same_readings_are_one_tick():
    pool = Pool(["g", "h"])
    pool.wanted = True
    for at in range(1, 5):
        pool.note(at * 100 * MS, {"g": total(at * 10), "h": total(at * 20)}, free=True)
    ticks, _ = pool.cut(500 * MS, {"g": total(40), "h": total(80)}, free=True)

    assert [(tick.energy_mj, tick.devices) for tick in ticks] == [(30, 2)] * 4


def test_while_other_work_runs_time_passes_and_no_tick_reaches_back_over_it():
    pool = Pool(["g"])
    pool.wanted = True
    pool.note(1000 * MS, {"g": total(10)}, free=False)
    pool.note(6000 * MS, {"g": total(10)}, free=True)
    pool.note(6100 * MS, {"g": total(17)}, free=True)
    ticks, _ = pool.cut(6100 * MS, {"g": total(17)}, free=True)

    assert (ticks[-1].t0_ns, ticks[-1].energy_mj) == (6000 * MS, 7)


def test_ticks_are_bounded_and_what_comes_then_is_in_the_last():
    pool = Pool(["g"])
    pool.wanted = True
    for at in range(1, MAX_TICKS + 500):
        pool.note(at * MS, {"g": total(at)}, free=True)
    ticks, _ = pool.cut(MAX_TICKS * 2 * MS, {"g": total(MAX_TICKS + 499)}, free=True)

    assert len(ticks) <= MAX_TICKS + 1
    assert sum(tick.energy_mj for tick in ticks) == MAX_TICKS + 499


def test_a_device_that_stands_still_holds_up_nothing_for_more_than_a_second():
    pool = Pool(["g", "still"])
    pool.note(9_950 * MS, {"g": total(1), "still": total(0)}, free=True)

    assert pool.cut(10_000 * MS, {"g": total(2), "still": total(0)}, free=True)[1] == 9_000 * MS


EVENT = st.tuples(st.integers(0, 400), st.integers(0, 50), st.integers(0, 50), st.booleans(), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, max_size=60))
def test_the_ticks_of_all_windows_are_what_was_credited(events):
    pool = Pool(["g", "h"])
    pool.wanted = True
    now, credited, ticks = 5000, [0, 0], []
    whole = 0
    free = True
    for passed, mine, other, cut, stays_free in events:
        now += passed
        if free:
            credited[0] += mine
            credited[1] += other
            whole += mine + other
        totals = {"g": total(credited[0]), "h": total(credited[1])}
        if cut:
            part, settled_ns = pool.cut(now * MS, totals, free=stays_free)
            ticks += part
            assert settled_ns <= now * MS
            credited = [0, 0]
        else:
            pool.note(now * MS, totals, free=stays_free)
        free = stays_free
    ticks += pool.cut(now * MS, {"g": total(credited[0]), "h": total(credited[1])}, free=True)[0]

    assert sum(tick.energy_mj for tick in ticks) == whole
    assert all(tick.t0_ns <= tick.t1_ns <= now * MS for tick in ticks)
