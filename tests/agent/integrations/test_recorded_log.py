"""A recorded step log (synthetic: see its first line) through desk, book and windows, as the daemon would."""

import json

from agent.meters.protocol import Reading
from agent.windows.engine_desk import EngineDesk
from agent.windows.ledger_window import WindowLedger
from tests.agent.windows.test_ledger_window import conserved
from tests.vectors import ROOT

RECORDED = ROOT / "tests" / "vectors" / "step_log" / "synthetic.jsonl"


class Replayed:
    """The clock and the counter of the recording."""

    name, device, model, unit, scope, method = "replay", "GPU-0", "8 H100", "mJ", "gpu", "counter"
    simulated, period_s = True, 1.0

    def __init__(self):
        self.now_ns, self.energy_mj = 0, 0

    def boottime_ns(self):
        return self.now_ns

    def wall_ns(self):
        return 1_795_204_800_000_000_000 + self.now_ns

    def read(self):
        return Reading(self.device, self.now_ns, self.wall_ns(), energy_mj=self.energy_mj, utilization_percent=90)

    def close(self):
        pass


def replay(window_s=10.0):
    """Return the windows of the recording, and what each request truly used."""
    what, *lines, truth = map(json.loads, RECORDED.read_text().splitlines())
    assert what["synthetic"] is True
    replayed, windows, ledger, seat = Replayed(), [], None, None
    for at_ns, event in lines:
        replayed.now_ns = at_ns
        if isinstance(event, int):
            replayed.energy_mj = event
            if ledger is None:
                ledger = WindowLedger([replayed], replayed, windows.append, window_s=window_s)
                assert ledger.begin()
                desk = EngineDesk(ledger, lambda: "made", most=4)
                seat = desk.sit("connection", 0)
            ledger.tick()
        else:
            assert desk.answer(seat, json.dumps(event).encode()) is None
    ledger.close()
    return windows, truth["true_j"]


def energies(windows):
    found = {}
    for window in windows:
        for record in window.records:
            name = record.inference_id.partition("~")[0]
            found[name] = found.get(name, 0) + record.accelerator_active_mj
    return found


def test_the_recorded_requests_get_what_they_truly_used():
    windows, true_j = replay()
    found = energies(windows)

    errors = sorted(abs(found[name] / 1000 - joules) / joules for name, joules in true_j.items())
    assert len(errors) >= 8
    assert errors[len(errors) // 2] < 0.05
    assert all(map(conserved, windows))


def test_the_same_log_gives_the_same_records():
    def told(windows):
        return [(one.inference_id, one.accelerator_active_mj, one.start_us) for win in windows for one in win.records]

    assert told(replay()[0]) == told(replay()[0])


def test_short_windows_count_the_same_counter():
    whole, cut = replay()[0], replay(1.0)[0]

    assert len(cut) > 3
    assert all(map(conserved, cut))
    assert sum(window.energy_mj for window in cut) == sum(window.energy_mj for window in whole)
    assert sum(energies(cut).values()) > 0.95 * sum(energies(whole).values())
