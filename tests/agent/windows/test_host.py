"""The host's energy: never negative, nothing twice, and at most the window's in its records."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.measurement import Counts
from agent.meters.protocol import HostMeter
from agent.windows.host import Amount, Use, divide
from agent.windows.ledger_window import WindowLedger
from agent.windows.telemetry import merge
from tests.fakes.agent import FakeMeter, HandClock

FIGURES = ("cpu_mj", "dram_mj", "other_mj", "estimated_mj")


class Bench:
    """A GPU and a host with all its meters; ``work`` lets time pass and energy be used."""

    def __init__(self, window_s=10.0, *, node=True, has_accelerators=True, simulated=False):
        self.clock = HandClock()
        self.gpu = FakeMeter(self.clock, device="GPU-0")
        self.gpu.utilization = 50
        self.cpu = FakeMeter(self.clock, device="rapl:package", simulated=simulated)
        self.dram = FakeMeter(self.clock, device="rapl:dram")
        self.node = FakeMeter(self.clock, device="redfish:bmc", method="metered")
        host = [HostMeter("cpu", self.cpu), HostMeter("dram", self.dram)]
        if node:
            host.append(HostMeter("node", self.node, has_accelerators=has_accelerators, moves=False))
        self.meters = [self.gpu, self.cpu, self.dram, self.node]
        self.windows = []
        self.ledger = WindowLedger([self.gpu], self.clock, self.windows.append, window_s=window_s, host=host)
        assert self.ledger.begin()

    def use(self, seconds, gpu=0, cpu=0, dram=0, node=0):
        self.clock.advance(seconds)
        for meter, energy_mj in zip(self.meters, (gpu, cpu, dram, node), strict=True):
            meter.energy_mj += energy_mj

    def work(self, seconds, **used):
        self.use(seconds, **used)
        self.ledger.tick()

    def steady(self, seconds, **used):
        for _ in range(seconds):
            self.work(1, **used)


def host_of(one):
    return one.host_cpu_mj, one.host_dram_mj, one.host_other_mj


def conserved(window):
    for name in ("host_cpu_mj", "host_dram_mj", "host_other_mj", "estimated_mj"):
        figures = [getattr(record, name) for record in window.records]
        assert min([0, *figures]) >= 0
        assert sum(figures) <= getattr(window, name)
    for record in window.records:
        assert record.estimated_mj <= record.energy_mj
    host_mj = sum(host_of(window))
    assert window.estimated_mj <= window.energy_mj + host_mj
    return True


def test_work_gets_what_the_host_used_meanwhile_and_the_rest_stays_in_the_window_alone():
    bench = Bench()
    bench.work(2, gpu=100, cpu=20, dram=4, node=150)
    running = bench.ledger.start("m", "a")
    bench.use(3, gpu=900, cpu=60, dram=9, node=1000)
    bench.ledger.stop(running)
    bench.work(5, gpu=50, cpu=50, dram=5, node=125)

    (window,) = bench.windows
    (record,) = window.records
    assert host_of(record) == (60, 9, 1000 - 900 - 60 - 9)
    assert host_of(window) == (130, 18, 1275 - 1050 - 130 - 18)
    assert (window.measured_us, window.method) == (10_000_000, "counter")
    assert conserved(window)


def test_work_at_the_same_time_shares_the_host_evenly():
    bench = Bench(node=False)
    first, second = bench.ledger.start("m", "a"), bench.ledger.start("m", "b")
    bench.use(2, gpu=101, cpu=51, dram=11)
    bench.ledger.stop(first)
    bench.ledger.stop(second)
    bench.work(8, gpu=1, cpu=1, dram=1)

    assert sorted(record.host_cpu_mj for record in bench.windows[0].records) == [25, 26]
    assert conserved(bench.windows[0])


def test_without_a_meter_of_the_node_there_is_no_rest():
    bench = Bench(node=False)
    bench.steady(10, gpu=10, cpu=3, dram=1)

    assert host_of(bench.windows[0]) == (30, 10, 0)


def test_without_meters_of_the_host_nothing_is_stated():
    clock, windows = HandClock(), []
    gpu = FakeMeter(clock)
    ledger = WindowLedger([gpu], clock, windows.append)
    ledger.begin()
    clock.advance(10)
    gpu.energy_mj += 10
    ledger.tick()

    assert host_of(windows[0]) == (0, 0, 0)


def test_a_node_that_is_fed_without_its_gpus_has_no_gpus_taken_off():
    bench = Bench(has_accelerators=False)
    bench.steady(10, gpu=500, cpu=20, dram=5, node=100)

    assert host_of(bench.windows[0]) == (200, 50, 750)


def test_what_a_late_bmc_has_not_told_yet_is_owed_and_never_counted_twice():
    bench = Bench()
    # The load begins, and the BMC still tells the old power in this window, and catches up in the next.
    bench.steady(10, gpu=1000, cpu=100, dram=10, node=900)
    bench.steady(10, gpu=1000, cpu=100, dram=10, node=1700)
    bench.steady(10, gpu=1000, cpu=100, dram=10, node=1300)

    assert [window.host_other_mj for window in bench.windows] == [0, 5900 - 2100, 1900]
    assert sum(window.host_other_mj for window in bench.windows) == 10 * (900 + 1700 + 1300 - 3 * 1110)


def test_a_bmc_that_hangs_leaves_its_boundary_out_and_nothing_else(caplog):
    bench = Bench()
    bench.steady(10, gpu=100, cpu=10, dram=1, node=150)
    bench.node.broken = True
    with caplog.at_level(logging.WARNING):
        bench.steady(20, gpu=100, cpu=10, dram=1, node=150)
    bench.node.broken = False
    bench.steady(20, gpu=100, cpu=10, dram=1, node=150)

    assert [host_of(window) for window in bench.windows] == [
        (100, 10, 390),
        (100, 10, 0),
        (100, 10, 0),
        (100, 10, 0),
        (100, 10, 390),
    ]
    assert all(window.measured_us == 10_000_000 for window in bench.windows)
    assert ["host-not-measured" in window.flags for window in bench.windows] == [False, True, True, True, False]
    assert [record.boundary for record in caplog.records] == ["node"]


def test_a_boundary_that_is_left_out_is_in_no_record_either():
    bench = Bench()
    running = bench.ledger.start("m", "a")
    bench.work(5, gpu=100, cpu=50, dram=5, node=300)
    bench.cpu.broken = True
    bench.work(5, gpu=100, cpu=50, dram=5, node=300)
    bench.ledger.stop(running)

    (window,) = bench.windows
    assert window.host_cpu_mj == window.records[0].host_cpu_mj == 0
    # It is inside the node, whose rest holds it then.
    assert window.host_other_mj == 600 - 200 - 10


def test_a_hosts_counter_that_is_set_back_ends_no_window():
    bench = Bench()
    bench.steady(5, gpu=10, cpu=10, dram=1, node=30)
    bench.cpu.epoch += 1
    bench.cpu.energy_mj = 0
    bench.steady(15, gpu=10, cpu=10, dram=1, node=30)

    assert [window.duration_us for window in bench.windows] == [10_000_000, 10_000_000]
    assert [window.host_cpu_mj for window in bench.windows] == [0, 100]


def test_a_meter_of_the_host_that_never_answers_holds_up_no_beginning():
    clock, windows = HandClock(), []
    gpu, cpu = FakeMeter(clock), FakeMeter(clock, device="rapl:package")
    cpu.broken = True
    ledger = WindowLedger([gpu], clock, windows.append, host=[HostMeter("cpu", cpu)])

    assert ledger.begin()
    running = ledger.start("m", "a")
    clock.advance(10)
    gpu.energy_mj += 100
    stopped = ledger.stop(running, Counts())
    ledger.tick()
    assert (stopped.problem, stopped.energy_mj) == ("", 100)
    assert (windows[0].measured_us, windows[0].host_cpu_mj) == (10_000_000, 0)


def test_a_host_counter_that_stands_still_is_stuck_and_not_zero():
    bench = Bench(node=False)
    bench.steady(10, gpu=10, cpu=0, dram=1)

    assert "host-not-measured" in bench.windows[0].flags


def test_invented_figures_of_the_host_make_the_window_simulated():
    bench = Bench(simulated=True)
    bench.steady(10, gpu=10, cpu=1, dram=1, node=20)

    assert bench.windows[0].simulated


def test_the_host_is_no_part_of_what_a_workload_is_told():
    bench = Bench()
    running = bench.ledger.start("m", "a")
    bench.use(3, gpu=900, cpu=60, dram=9, node=1000)
    bench.ledger.stop(running)

    assert (running.energy_mj, running.devices) == (900, {"GPU-0"})


def test_closing_closes_the_hosts_meters_too():
    bench = Bench()
    bench.ledger.close()

    assert all(meter.closed for meter in bench.meters)


AMOUNTS = st.builds(lambda energy, share: Amount(energy, energy * share // 10), st.integers(0, 500), st.integers(0, 10))
USES = st.builds(Use, st.integers(0, 900), AMOUNTS, AMOUNTS, AMOUNTS)


def plus(first, second):
    return Amount(first.energy_mj + second.energy_mj, first.estimated_mj + second.estimated_mj)


@given(st.lists(USES, max_size=8), USES, st.integers(0, 3000), st.booleans())
def test_parts_are_at_most_the_whole_in_every_figure_and_none_is_negative(parts, nobodys, debt_mj, has_accelerators):
    whole = nobodys
    for part in parts:
        whole = Use(
            whole.accelerators_mj + part.accelerators_mj,
            plus(whole.cpu, part.cpu),
            plus(whole.dram, part.dram),
            plus(whole.node, part.node),
        )
    host, hosts, owed_mj = divide(whole, parts, debt_mj, has_accelerators=has_accelerators)

    inside_mj = whole.cpu.energy_mj + whole.dram.energy_mj + has_accelerators * whole.accelerators_mj
    assert host.other_mj - owed_mj == whole.node.energy_mj - inside_mj - debt_mj
    assert min(host.other_mj, owed_mj) == 0
    for name in FIGURES:
        assert sum(getattr(one, name) for one in hosts) <= getattr(host, name)
        assert min([0, *(getattr(one, name) for one in (host, *hosts))]) == 0
    for one in (host, *hosts):
        assert one.estimated_mj <= one.cpu_mj + one.dram_mj + one.other_mj


STEP = st.tuples(
    st.sampled_from(["start", "nest", "stop", "tick", "fail", "mend", "reset", "use"]),
    st.integers(0, 3),
    st.integers(0, 3000),
    st.tuples(*[st.integers(0, 2000)] * 4),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=60), st.booleans())
def test_whatever_happens_records_claim_at_most_the_windows_and_windows_at_most_what_was_used(steps, has_accelerators):
    bench = Bench(window_s=4.0, has_accelerators=has_accelerators)
    running, used = [], [0, 0, 0, 0]
    for number, (what, which, milliseconds, energies) in enumerate(steps):
        bench.clock.advance(milliseconds / 1000)
        for index, meter in enumerate(bench.meters):
            meter.energy_mj += energies[index]
            used[index] += energies[index]
        meter = bench.meters[which]
        if what in {"start", "nest"}:
            parent = running[-1] if what == "nest" and running else None
            running.append(bench.ledger.start("m", f"id-{number}", parent=parent))
        elif what == "stop" and running:
            bench.ledger.stop(running.pop(which % len(running)))
        elif what == "tick":
            bench.ledger.tick()
        elif what in {"fail", "mend"}:
            meter.broken = what == "fail"
        elif what == "reset":
            meter.energy_mj, meter.epoch = 0, meter.epoch + 1
    bench.ledger.close()

    assert all(map(conserved, bench.windows))
    totals = [sum(host_of(window)[index] for window in bench.windows) for index in range(3)]
    assert totals[0] <= used[1]
    assert totals[1] <= used[2]
    assert totals[2] <= used[3]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 500)] * 4), min_size=5, max_size=60), st.integers(1, 5))
def test_all_windows_together_never_claim_more_than_the_node_used(seconds, window_s):
    bench = Bench(window_s=float(window_s))
    used_mj, most_mj = 0, 0
    for gpu, cpu, dram, node in seconds:
        # Every counter moves: one that stands still is stuck, and its boundary is left out.
        bench.work(1, gpu=gpu + 1, cpu=cpu + 1, dram=dram + 1, node=node)
        used_mj += node - gpu - cpu - dram - 3
        most_mj = max(most_mj, used_mj)

    assert sum(window.host_other_mj for window in bench.windows) <= most_mj


@pytest.mark.parametrize("cut_s", [2, 5])
def test_joined_windows_keep_every_sum(cut_s):
    bench = Bench(window_s=float(cut_s))
    bench.steady(20, gpu=100, cpu=10, dram=1, node=150)
    joined = bench.windows[0]
    for window in bench.windows[1:]:
        joined = merge(joined, window)

    assert host_of(joined) == (200, 20, 780)
