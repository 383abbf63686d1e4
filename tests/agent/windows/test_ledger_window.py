"""What was used is somebody's, to the millijoule: of records, idle, or unattributed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import SettingsError, WorkNotTakenError
from agent.measurement import Counts
from agent.windows.ledger_window import REMEMBERED_IDS, WindowLedger
from agent.windows.telemetry import merge, mergeable
from tests.fakes.agent import WALL, FakeMeter, FakeOccupancy, HandClock


class Bench:
    """Counters, a clock and the ledger of windows; ``work`` lets time pass and energy be used."""

    def __init__(self, meters=1, window_s=10.0, *, utilization=50, occupancy=None, **options):
        self.clock = HandClock()
        self.meters = [FakeMeter(self.clock, device=f"GPU-{index}", **options) for index in range(meters)]
        for meter in self.meters:
            meter.utilization = utilization
        self.windows = []
        self.ledger = WindowLedger(self.meters, self.clock, self.windows.append, window_s=window_s, occupancy=occupancy)
        assert self.ledger.begin()

    def work(self, seconds, energy_mj, *, ticks=1):
        for _ in range(ticks):
            self.clock.advance(seconds / ticks)
            for meter in self.meters:
                meter.energy_mj += energy_mj // ticks
            self.ledger.tick()

    def use(self, seconds, energy_mj):
        """Time passes, and no meter is read."""
        self.clock.advance(seconds)
        for meter in self.meters:
            meter.energy_mj += energy_mj


def conserved(window):
    parts = window.active_mj + window.loaded_idle_mj + window.idle_mj + window.unattributed_mj
    assert parts == window.energy_mj
    assert min(window.active_mj, window.idle_mj, window.loaded_idle_mj, window.unattributed_mj) >= 0
    assert min(window.measured_us, window.largest_gap_us) >= 0
    for one in window.accelerators:
        assert one.energy_mj == one.counter_end_mj - one.counter_start_mj >= 0
    for record in window.records:
        assert window.start_us <= record.start_us <= record.end_us <= window.end_us
    assert window.measured_us <= window.duration_us
    assert window.largest_gap_us <= window.duration_us - window.measured_us
    return True


def test_work_inside_one_window_is_one_record_under_its_own_id():
    bench = Bench()
    bench.work(2, 200)
    running = bench.ledger.start("m", "a1", "did:web:tenant.example")
    bench.work(3, 900)
    bench.ledger.stop(running, Counts(input_tokens=7, output_tokens=9, requests=2))
    bench.work(5, 50)

    (window,) = bench.windows
    (record,) = window.records
    assert (record.inference_id, record.accelerator_active_mj, record.duration_us) == ("a1", 900, 3_000_000)
    assert (record.input_tokens, record.output_tokens, record.requests, record.attribution) == (7, 9, 2, "exclusive")
    assert (window.unattributed_mj, window.idle_mj, window.energy_mj) == (250, 0, 1150)
    assert (window.measured_us, window.largest_gap_us, window.duration_us) == (10_000_000, 0, 10_000_000)
    assert conserved(window)


def test_work_over_the_border_becomes_numbered_records_the_last_one_too():
    bench = Bench()
    running = bench.ledger.start("m", "long")
    bench.work(10, 100)
    bench.work(10, 200)
    bench.work(3, 30)
    bench.ledger.stop(running, Counts(output_tokens=5))
    bench.work(7, 7)

    records = [record for window in bench.windows for record in window.records]
    assert [(one.inference_id, one.accelerator_active_mj) for one in records] == [
        ("long~1", 100),
        ("long~2", 200),
        ("long~3", 30),
    ]
    assert [(one.requests, one.output_tokens) for one in records] == [(0, None), (0, None), (1, 5)]
    assert all(map(conserved, bench.windows))


def test_what_a_device_uses_while_it_does_nothing_is_idle_and_undeclared_work_is_unattributed():
    bench = Bench(utilization=0)
    bench.work(4, 40)
    bench.meters[0].utilization = 90
    bench.work(6, 600)

    (window,) = bench.windows
    assert (window.idle_mj, window.unattributed_mj, window.active_mj) == (40, 600, 0)


@pytest.mark.parametrize(
    ("held", "expected"),
    [(False, (100, 0, 0)), (True, (0, 100, 0)), (None, (100, 0, 0))],
)
def test_idle_with_a_process_on_the_device_is_loaded_idle(held, expected):
    bench = Bench(utilization=0)
    bench.meters[0].held = held
    bench.ledger.tick()
    bench.work(10, 100)

    (window,) = bench.windows
    assert (window.idle_mj, window.loaded_idle_mj, window.unattributed_mj) == expected
    assert conserved(window)


@pytest.mark.parametrize(("before", "after"), [(0, 90), (90, 0)])
def test_a_stretch_that_was_idle_at_one_end_only_is_not_idle(before, after):
    bench = Bench(utilization=before)
    bench.ledger.tick()
    bench.meters[0].utilization = after
    bench.work(10, 100)

    assert (bench.windows[0].idle_mj, bench.windows[0].unattributed_mj) == (0, 100)


def test_a_device_that_was_held_at_one_end_of_a_stretch_was_held():
    bench = Bench(utilization=0)
    bench.meters[0].held = True
    bench.work(1, 1)
    bench.meters[0].held = False
    bench.work(9, 90)

    assert (bench.windows[0].loaded_idle_mj, bench.windows[0].idle_mj) == (91, 0)


@pytest.mark.parametrize("held", [True, False])
def test_where_a_device_does_not_say_whether_it_worked_nothing_is_idle(held):
    bench = Bench(utilization=None)
    bench.meters[0].held = held
    bench.work(10, 100)

    (window,) = bench.windows
    assert (window.idle_mj, window.loaded_idle_mj, window.unattributed_mj) == (0, 0, 100)


def test_what_a_device_uses_during_declared_work_is_the_works_even_where_it_did_nothing():
    bench = Bench(utilization=0)
    bench.meters[0].held = True
    running = bench.ledger.start("m", "a")
    bench.work(10, 100)
    bench.ledger.stop(running)

    assert (bench.windows[0].active_mj, bench.windows[0].loaded_idle_mj) == (100, 0)


def test_work_at_the_same_time_shares_evenly_and_says_so():
    bench = Bench(meters=2)
    first, second = bench.ledger.start("m", "a"), bench.ledger.start("m", "b")
    bench.use(2, 101)
    bench.ledger.stop(first)
    bench.ledger.stop(second)
    bench.work(8, 0)

    records = bench.windows[0].records
    assert sorted(record.accelerator_active_mj for record in records) == [100, 102]
    assert {record.attribution for record in records} == {"reserved-time"}
    assert conserved(bench.windows[0])


def test_inner_work_is_not_the_outers_too():
    bench = Bench()
    outer = bench.ledger.start("m", "outer")
    bench.use(1, 10)
    inner = bench.ledger.start("m", "inner", parent=outer)
    bench.use(1, 100)
    bench.ledger.stop(inner)
    bench.use(1, 1)
    bench.ledger.stop(outer)
    bench.work(7, 0)

    assert {one.inference_id: one.accelerator_active_mj for one in bench.windows[0].records} == {
        "inner": 100,
        "outer": 11,
    }


def test_a_counter_that_is_set_back_ends_the_window_before_and_the_hole_is_told():
    bench = Bench(window_s=10)
    running = bench.ledger.start("m", "a")
    bench.work(3, 300, ticks=3)
    bench.clock.advance(1)
    bench.meters[0].energy_mj = 5
    bench.ledger.tick()
    bench.work(10, 1000, ticks=10)
    bench.ledger.stop(running)

    before, after = bench.windows
    assert (before.energy_mj, before.duration_us, before.measured_us, before.largest_gap_us) == (
        300,
        4_000_000,
        3_000_000,
        1_000_000,
    )
    assert after.accelerators[0].counter_start_mj == 5
    assert after.energy_mj == 1000
    assert "counter-reset" in before.flags
    assert conserved(before)
    assert conserved(after)


def test_a_meter_that_fails_at_the_end_keeps_the_window_open_and_loses_nothing():
    bench = Bench()
    bench.work(9, 90, ticks=9)
    bench.meters[0].broken = True
    bench.work(2, 20)
    assert not bench.windows
    bench.meters[0].broken = False
    bench.work(1, 10)

    (window,) = bench.windows
    assert (window.energy_mj, window.duration_us, window.measured_us) == (120, 12_000_000, 12_000_000)


def test_a_meter_that_stays_away_is_a_hole_and_its_energy_is_in_no_window():
    bench = Bench(meters=2)
    bench.work(5, 50)
    bench.meters[0].broken = True
    bench.work(15, 150, ticks=15)
    bench.meters[0].broken = False
    bench.work(10, 100, ticks=5)

    first, second = bench.windows
    assert [one.energy_mj for one in first.accelerators] == [50, 200]
    assert first.measured_us == 5_000_000
    assert [one.energy_mj for one in second.accelerators] == [80, 100]
    assert second.accelerators[0].counter_start_mj == 1000 + 50 + 150 + 20
    assert second.measured_us == 8_000_000
    assert conserved(first)
    assert conserved(second)


def test_a_silent_zero_is_no_measurement():
    bench = Bench()
    bench.work(10, 0, ticks=10)

    (window,) = bench.windows
    assert (window.energy_mj, window.measured_us) == (0, 0)
    assert "counter-stuck" in window.flags


def test_work_that_no_meter_saw_has_no_record_and_is_told():
    bench = Bench()
    bench.meters[0].broken = True
    running = bench.ledger.start("m", "blind")
    bench.use(1, 100)
    stopped = bench.ledger.stop(running)
    bench.meters[0].broken = False
    bench.work(9, 9)

    assert stopped.problem == "GPU-0 gave no reading while the work ran"
    (window,) = bench.windows
    assert (window.records, window.unattributed_mj) == ((), 109)


def test_no_window_begins_before_every_meter_gives_a_reading():
    clock = HandClock()
    meter = FakeMeter(clock)
    meter.broken = True
    ledger = WindowLedger([meter], clock, lambda _: None)

    assert not ledger.begin()
    with pytest.raises(WorkNotTakenError, match="nothing is measured yet"):
        ledger.start("m", "a")
    meter.broken = False
    assert ledger.begin()


def test_an_id_of_an_earlier_window_is_refused_and_so_is_that_of_a_part_of_long_work():
    bench = Bench()
    running = bench.ledger.start("m", "long")
    bench.work(15, 100, ticks=2)
    bench.ledger.stop(running)
    bench.work(30, 100, ticks=6)
    with pytest.raises(SettingsError, match="would count for nobody"):
        bench.ledger.start("m", "long")
    for part in ("long~1", "long~2", "long~3"):
        with pytest.raises(SettingsError, match="name the parts of long work"):
            bench.ledger.start("m", part)


def test_ids_are_remembered_within_a_bound():
    bench = Bench()
    for number in range(REMEMBERED_IDS + 1):
        bench.ledger.stop(bench.ledger.start("m", f"id-{number}"))
    with pytest.raises(SettingsError, match="was started before"):
        bench.ledger.start("m", "id-1")
    bench.ledger.start("m", "id-0")


def test_an_id_that_runs_or_ended_in_this_window_is_refused():
    bench = Bench()
    running = bench.ledger.start("m", "a")
    with pytest.raises(SettingsError, match="was started before"):
        bench.ledger.start("m", "a")
    bench.ledger.stop(running)
    with pytest.raises(SettingsError, match="was started before"):
        bench.ledger.start("m", "a")


@pytest.mark.parametrize(
    ("model_id", "inference_id", "tenant_id"),
    [("", "a", None), ("m", "a b", None), ("m", "x" * 121, None), ("m", "a", "two words")],
)
def test_names_that_no_record_carries_are_refused(model_id, inference_id, tenant_id):
    with pytest.raises(SettingsError):
        Bench().ledger.start(model_id, inference_id, tenant_id)


def test_where_another_process_measures_too_the_window_is_graded_modelled():
    bench = Bench(occupancy=FakeOccupancy(alone=False))
    bench.work(10, 100)

    assert (bench.windows[0].method, "shared-device" in bench.windows[0].flags) == ("modelled", True)


def test_a_clock_that_is_set_back_makes_no_window_overlap():
    bench = Bench()
    bench.work(10, 1)
    bench.clock.set_wall(WALL - 3600 * 10**9)
    for _ in range(5):
        bench.work(10, 1)

    for before, after in zip(bench.windows, bench.windows[1:], strict=False):
        assert after.start_us == before.end_us
        assert abs((after.end_us - after.start_us) - after.duration_us) <= 0.1 * after.duration_us + 1


def test_closing_ends_what_runs_and_the_window():
    bench = Bench()
    bench.ledger.start("m", "a")
    bench.use(2, 20)
    bench.ledger.close()

    (window,) = bench.windows
    assert [(one.inference_id, one.accelerator_active_mj) for one in window.records] == [("a", 20)]
    assert all(meter.closed for meter in bench.meters)


STEP = st.tuples(
    st.sampled_from(["start", "stop", "tick", "use", "fail", "mend", "reset", "idle", "busy", "nest"]),
    st.integers(0, 2),
    st.integers(0, 5000),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_whatever_happens_every_window_conserves_and_windows_claim_at_most_what_was_used(steps):
    bench = Bench(meters=3, window_s=4.0)
    running, number, used = [], 0, 0
    for what, which, amount in steps:
        meter = bench.meters[which]
        bench.clock.advance(amount / 1000)
        if not meter.broken or what != "reset":
            meter.energy_mj += amount
            used += amount
        if what in {"start", "nest"}:
            parent = running[-1] if what == "nest" and running else None
            running.append(bench.ledger.start("m", f"id-{number}", parent=parent))
            number += 1
        elif what == "stop" and running:
            bench.ledger.stop(running.pop(which % len(running)))
        elif what == "tick":
            bench.ledger.tick()
        elif what in {"fail", "mend"}:
            meter.broken = what == "fail"
        elif what == "reset":
            meter.energy_mj = which
            meter.epoch += 1
        elif what in {"idle", "busy"}:
            meter.utilization = 0 if what == "idle" else 80
            meter.held = (None, False, True)[amount % 3]
    bench.ledger.close()

    assert all(map(conserved, bench.windows))
    assert sum(window.energy_mj for window in bench.windows) <= used
    names = [record.inference_id for window in bench.windows for record in window.records]
    assert len(names) == len(set(names))
    for before, after in zip(bench.windows, bench.windows[1:], strict=False):
        assert before.end_us <= after.start_us


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000)), min_size=1, max_size=30), st.integers(1, 7))
def test_however_time_is_cut_into_windows_the_sums_are_those_of_one(spans, window_s):
    def run(length):
        bench = Bench(meters=2, window_s=length)
        work = bench.ledger.start("m", "a")
        for milliseconds, energy_mj in spans:
            bench.work(milliseconds / 1000, energy_mj)
        bench.ledger.stop(work)
        bench.ledger.close()
        return bench.windows

    many, (whole,) = run(float(window_s)), run(1000.0)
    merged = many[0]
    for window in many[1:]:
        assert mergeable(merged, window)
        merged = merge(merged, window)

    assert conserved(merged)
    assert (merged.energy_mj, merged.active_mj, merged.unattributed_mj, merged.duration_us) == (
        whole.energy_mj,
        whole.active_mj,
        whole.unattributed_mj,
        whole.duration_us,
    )
    assert merged.accelerators == whole.accelerators


def test_windows_with_a_reset_between_are_not_merged():
    bench = Bench(window_s=2)
    bench.work(1, 10)
    bench.clock.advance(1)
    bench.meters[0].energy_mj = 1
    bench.ledger.tick()
    bench.work(2, 10)

    assert not mergeable(*bench.windows)
