"""What befalls counters, and what becomes of it (issue: never a negative, never a silent zero).

    reset, driver reloaded   the window ends before it, what is between is a hole
    a gap in the readings    the counter goes on, nothing is lost
    no answer, unsupported   no reading: a hole, unless a later reading covers it
    a wrap (RAPL)            undone; where it may be hidden, the boundary is left out

The one rule that holds all of it: a window without a hole has, to the millijoule, what was used in it.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.meters import nvml, rapl
from agent.windows.ledger_window import WindowLedger
from tests.fakes.agent import FakeGpu, FakeNvml, HandClock
from tests.fakes.powercap import FakePowercap

RANGE_UJ = 65_532_610_987
NOT_SUPPORTED, GPU_IS_LOST, UNKNOWN = 3, 15, 999
ZONES = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"}


@dataclass
class Machine:
    """Two GPUs and a processor that use energy as time passes, and how much that truly was."""

    gpus: list[FakeGpu]
    library: FakeNvml
    powercap: FakePowercap
    clock: HandClock = field(default_factory=HandClock)
    gpus_mj: int = 0
    cpu_uj: int = 0
    windows: list = field(default_factory=list)
    unread_mj: int = 0
    unread_ms: int = 0

    def use(self, milliseconds, watts):
        self.clock.advance(milliseconds / 1000)
        for gpu in self.gpus:
            gpu.energy_mj += milliseconds * watts
            self.gpus_mj += milliseconds * watts
        self.powercap.add("intel-rapl:0", milliseconds * watts * 100)
        self.powercap.add("intel-rapl:0:0", milliseconds * 1000)
        self.cpu_uj += milliseconds * watts * 100
        self.unread_mj += milliseconds * watts
        self.unread_ms += milliseconds

    def read(self, ledger):
        ledger.tick()
        self.unread_mj = self.unread_ms = 0

    def delivered(self, window):
        self.windows.append((window, self.gpus_mj, self.cpu_uj))


def machine(root):
    gpus = [FakeGpu(uuid=f"GPU-{index}", power_error=NOT_SUPPORTED) for index in range(2)]
    made = Machine(gpus, FakeNvml(*gpus), FakePowercap(root, ZONES, range_uj=RANGE_UJ))
    made.powercap.set("intel-rapl:0", RANGE_UJ - 40_000_000)
    return made


def befall(one, what, which):
    gpu = one.gpus[which % 2]
    # One that has passed its old value again before it is read shows to nobody.
    if what == "reset" and gpu.energy_mj - one.unread_mj > which:
        gpu.energy_mj = which
    elif what == "reload":
        one.library.unload()
    elif what == "lost":
        gpu.energy_error = (GPU_IS_LOST, UNKNOWN)[which % 2]
    elif what == "unsupported":
        gpu.energy_error = NOT_SUPPORTED
    elif what == "back":
        for each in one.gpus:
            each.energy_error = None
    elif what == "set back" and one.unread_ms <= 2500:
        # By what no wrap explains in so short a time: from the top of the range to its bottom would look like one.
        path = one.powercap.root / "intel-rapl:0" / "energy_uj"
        one.powercap.set("intel-rapl:0", (int(path.read_text()) - 20_000_000_000) % RANGE_UJ)


QUIET = ["use", "use", "use", "gap"]
EVENTS = [*QUIET, "reset", "reload", "lost", "unsupported", "back", "set back"]


def steps(events):
    return st.lists(
        st.tuples(st.sampled_from(events), st.integers(0, 3), st.integers(1, 2500), st.integers(0, 500)), max_size=40
    )


def run(one, happened, window_s=3.0):
    inventory = nvml.discover(one.library, one.clock)
    host = rapl.discover(one.clock, one.powercap.root).meters
    ledger = WindowLedger(inventory.meters, one.clock, one.delivered, window_s=window_s, host=host)
    assert ledger.begin()
    running = None
    for number, (what, which, milliseconds, watts) in enumerate(happened):
        one.use(milliseconds, watts)
        befall(one, what, which)
        if what != "gap":
            one.read(ledger)
        if running is None:
            running = ledger.start("m", f"id-{number}")
        elif which == 3:
            ledger.stop(running)
            running = None
    ledger.close()


@settings(max_examples=120, deadline=None)
@given(steps(EVENTS))
def test_a_window_without_a_hole_has_what_was_used_and_nothing_is_ever_negative(tmp_path_factory, happened):
    one = machine(tmp_path_factory.mktemp("m") / "powercap")
    run(one, happened)

    last_mj = last_uj = 0
    for window, used_mj, cpu_uj in one.windows:
        parts = (window.active_mj, window.idle_mj, window.loaded_idle_mj, window.unattributed_mj)
        assert min(*parts, window.host_cpu_mj, window.host_dram_mj, window.host_other_mj) >= 0
        assert sum(parts) == window.energy_mj <= used_mj - last_mj + _lost_before(one, window)
        whole = window.measured_us == window.duration_us
        assert not whole or window.energy_mj == used_mj - last_mj
        if whole and "host-not-measured" not in window.flags:
            assert abs(window.host_cpu_mj * 1000 - (cpu_uj - last_uj)) <= 1000
        assert sum(record.host_cpu_mj for record in window.records) <= window.host_cpu_mj
        last_mj, last_uj = used_mj, cpu_uj


def _lost_before(one, window):
    """A meter that came back may count what it used in a window that did not have it, if that window had a hole."""
    earlier = [each for each, *_ in one.windows[: [each for each, *_ in one.windows].index(window)]]
    return one.gpus_mj if any(each.measured_us < each.duration_us for each in earlier) else 0


@settings(max_examples=60, deadline=None)
@given(steps(QUIET))
def test_where_nothing_befalls_a_counter_nothing_is_lost_however_rarely_it_is_read(tmp_path_factory, happened):
    one = machine(tmp_path_factory.mktemp("m") / "powercap")
    run(one, happened)

    # A last window of no length is none.
    if one.windows and one.windows[-1][1] == one.gpus_mj:
        assert sum(window.energy_mj for window, *_ in one.windows) == one.gpus_mj


def test_a_reset_is_a_hole_and_the_window_ends_before_it(tmp_path):
    one = machine(tmp_path / "powercap")
    run(one, [("use", 0, 1000, 100), ("reset", 0, 1000, 100), ("use", 0, 1000, 100)])

    (before, *_), (after, *_) = one.windows
    # The GPU that was not reset was read at the end; of the other, the last second is not known.
    assert [each.energy_mj for each in before.accelerators] == [100_000, 200_000]
    assert (before.duration_us, before.measured_us) == (2_000_000, 1_000_000)
    assert [each.energy_mj for each in after.accelerators] == [100_000, 100_000]


def test_a_reload_is_never_minus_nine_kilojoules(tmp_path):
    one = machine(tmp_path / "powercap")
    run(one, [("use", 0, 1000, 9502), ("reload", 0, 1000, 100), ("use", 0, 1000, 100), ("use", 0, 1000, 100)])

    energies = [window.energy_mj for window, *_ in one.windows]
    assert min(energies) >= 0
    assert any(window.measured_us < window.duration_us for window, *_ in one.windows)


def test_a_counter_that_becomes_unsupported_is_a_hole_and_no_zero(tmp_path):
    one = machine(tmp_path / "powercap")
    run(one, [("use", 0, 1000, 100), ("unsupported", 0, 1000, 100), *[("use", 0, 1000, 100)] * 5])

    window = one.windows[0][0]
    assert window.measured_us < window.duration_us
    assert "reading-failed" in window.flags


def test_a_wrap_of_the_host_is_undone_in_the_window(tmp_path):
    one = machine(tmp_path / "powercap")
    run(one, [("use", 0, 1000, 300)] * 3)

    assert one.windows[0][0].host_cpu_mj == 3 * 30_000
