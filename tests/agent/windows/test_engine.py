"""Engines' requests share what no other work had, window by window, and all of it adds up."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.attribution.steps import Scheduled
from agent.errors import SettingsError
from agent.measurement import Counts
from agent.windows import engine as engine_module
from agent.windows.engine import GRACE_NS, PERIOD_S
from tests.agent.windows.test_ledger_window import Bench, conserved

MS = 1_000_000


class EngineBench(Bench):
    """A bench with an engine on it: it runs in steps of 20 ms, the meters are read every 50."""

    def __init__(self, **options):
        super().__init__(**options)
        self.engine = self.ledger.engines.connect()

    def begin(self, name, **options):
        return self.ledger.begin_request(self.engine, "m", name, **options)

    def step(self, parts, length_ms=20, *, ago_ms=0, engine=None):
        now = self.clock.boottime_ns() - ago_ms * MS
        scheduled = {name: Scheduled(tokens, context, phase) for name, (tokens, context, phase) in parts.items()}
        self.ledger.engines.step(engine or self.engine, now - length_ms * MS, now, scheduled)

    def run(self, seconds, parts, mj_per_tick=100):
        for _ in range(round(seconds * 10)):
            for _ in range(2):
                for meter in self.meters:
                    meter.energy_mj += mj_per_tick // 2
                self.clock.advance(0.05)
                if parts:
                    self.step(parts, 50)
                self.ledger.tick()

    def finish(self):
        self.ledger.close()
        return [record for window in self.windows for record in window.records]


def energies(records):
    found = {}
    for record in records:
        name = record.inference_id.partition("~")[0]
        found[name] = found.get(name, 0) + record.accelerator_active_mj
    return found


READ = (100, 0, "prefill")
WRITE = (1, 50, "decode")


def test_a_request_in_one_window_has_one_record_with_its_counts():
    bench = EngineBench()
    request = bench.begin("a", tenant_id="did:web:tenant.example")
    bench.run(3, {"a": WRITE})
    bench.ledger.engines.end(request, Counts(7, 30))
    bench.run(8, {})

    (window,) = bench.windows
    (record,) = window.records
    assert (record.inference_id, record.attribution, record.requests) == ("a", "step-log", 1)
    assert (record.input_tokens, record.output_tokens, record.tenant_id) == (7, 30, "did:web:tenant.example")
    assert 2900 <= record.accelerator_active_mj <= 3100
    assert conserved(window)


def test_two_that_do_the_same_have_the_same_and_all_is_theirs():
    bench = EngineBench(meters=3)
    for name in ("a", "b"):
        bench.begin(name)
    bench.run(25, {"a": WRITE, "b": WRITE})
    records = bench.finish()

    found = energies(records)
    assert abs(found["a"] - found["b"]) <= len(bench.windows) * 200
    assert all(map(conserved, bench.windows))
    assert sum(found.values()) >= 0.97 * sum(window.energy_mj for window in bench.windows)


def test_a_request_over_the_border_is_cut_into_numbered_parts_and_counted_once():
    bench = EngineBench()
    request = bench.begin("long")
    bench.run(25, {"long": WRITE})
    bench.ledger.engines.end(request, Counts(5, 500))
    bench.run(1, {})
    records = bench.finish()

    assert [record.inference_id for record in records] == ["long~1", "long~2", "long~3"]
    assert [record.requests for record in records] == [0, 0, 1]
    assert [record.output_tokens for record in records] == [None, None, 500]


def test_a_request_that_ends_while_its_window_waits_has_its_last_part_in_the_next():
    bench = EngineBench()
    request = bench.begin("a")
    bench.run(10.3, {"a": WRITE})
    bench.ledger.engines.end(request, Counts(5, 9))
    bench.run(11, {})
    first, second = bench.windows

    assert [(one.inference_id, one.requests) for one in first.records] == [("a~1", 0)]
    assert [(one.inference_id, one.requests) for one in second.records] == [("a~2", 1)]
    assert 200 <= second.records[0].accelerator_active_mj <= 400


def test_what_a_prompt_costs_more_is_its_own():
    bench = EngineBench()
    for name in ("reader", "writer"):
        bench.begin(name)
    for turn in range(120):
        # Where prompts are read in a step, it costs four times as much.
        reads = turn % 3 == 0
        bench.run(0.1, {"writer": WRITE} | ({"reader": READ} if reads else {}), 400 if reads else 100)
    found = energies(bench.finish())

    # 40 times about 300 mJ are the prompts' own; of the rest of those steps it has a half.
    assert 12_000 <= found["reader"] <= 17_000


def test_a_tick_that_nobody_stepped_in_is_nobodys():
    bench = EngineBench(utilization=0)
    bench.begin("a")
    bench.run(2, {"a": WRITE})
    bench.run(9, {})

    (window,) = bench.windows
    assert window.idle_mj >= 7_800
    assert energies(window.records)["a"] <= 2_200
    assert conserved(window)


def test_other_work_keeps_what_it_used():
    bench = EngineBench()
    bench.begin("a")
    bench.run(2, {"a": WRITE})
    work = bench.ledger.start("m", "job")
    bench.run(2, {"a": WRITE}, 1000)
    bench.ledger.stop(work)
    bench.run(2, {"a": WRITE})
    found = energies(bench.finish())

    assert found["job"] == 20_000
    assert found["a"] <= 4_000


def test_a_window_waits_for_its_steps_and_is_handed_on_after_the_grace():
    bench = EngineBench()
    bench.begin("a")
    bench.run(10, {"a": WRITE})
    assert not bench.windows
    bench.run(GRACE_NS / 10**9 + 0.1, {"a": WRITE})
    assert len(bench.windows) == 1


def test_without_an_engine_nothing_waits():
    bench = Bench()
    bench.work(10, 100)

    assert len(bench.windows) == 1


def test_a_step_that_is_told_within_the_grace_counts():
    bench = EngineBench()
    request = bench.begin("a")
    bench.run(9.9, {})
    bench.run(0.3, {})
    bench.step({"a": WRITE}, 200, ago_ms=300)
    bench.ledger.engines.end(request)
    bench.run(1, {})

    assert 150 <= energies(bench.windows[0].records).get("a", 0) <= 400


def test_a_step_that_is_too_late_counts_for_nobody_and_is_told(caplog):
    bench = EngineBench()
    bench.begin("a")
    bench.run(12, {})
    with caplog.at_level(logging.WARNING):
        bench.step({"a": WRITE}, 1000, ago_ms=5000)

    assert bench.engine.late == 1
    assert [one.late for one in caplog.records if "too late" in one.message] == [1]
    assert not energies(bench.finish()).get("a")
    assert all(map(conserved, bench.windows))


def test_more_steps_than_may_wait_are_dropped_and_told(monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_PENDING", 1000)
    bench = EngineBench()
    bench.begin("a")
    for _ in range(100):
        bench.clock.advance(0.02)
        bench.step({"a": WRITE})

    # Half of what is free, seventeen places each.
    assert bench.engine.dropped == 100 - 500 // 17
    other = bench.ledger.engines.connect()
    bench.step({"b": WRITE}, engine=other)
    assert other.dropped == 0


def test_places_are_free_again_when_a_window_is_settled(monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_PENDING", 20_000)
    bench = EngineBench()
    bench.begin("a")
    bench.run(60, {"a": WRITE})

    assert bench.engine.dropped == 0
    assert bench.engine.pending + bench.ledger.engines._free == 20_000


@pytest.mark.parametrize(("length_ms", "ago_ms"), [(-1, 0), (61_000, 0), (20, -5_000)])
def test_a_step_that_cannot_be_is_refused(length_ms, ago_ms):
    bench = EngineBench()
    with pytest.raises(SettingsError, match="CLOCK_BOOTTIME"):
        bench.step({"a": WRITE}, length_ms, ago_ms=ago_ms)


def test_a_stranger_in_a_step_leaves_its_part_to_nobody():
    bench = EngineBench()
    bench.begin("a")
    bench.run(9, {"a": WRITE, "?7": WRITE})
    records = bench.finish()

    assert set(energies(records)) == {"a"}
    (window,) = bench.windows
    assert abs(energies(records)["a"] - window.unattributed_mj) <= 200


def test_an_engine_that_is_gone_ends_its_requests():
    bench = EngineBench()
    bench.begin("a")
    bench.run(2, {"a": WRITE})
    bench.ledger.engines.disconnect(bench.engine)
    bench.run(12, {})
    records = [record for window in bench.windows for record in window.records]

    assert [(record.inference_id, record.requests) for record in records] == [("a", 1)]
    assert bench.ledger.next_tick_s() > PERIOD_S


def test_meters_are_read_often_while_an_engine_is_there():
    assert EngineBench().ledger.next_tick_s() == PERIOD_S
    assert Bench().ledger.next_tick_s() == 1.0


def test_an_id_that_was_taken_is_refused():
    bench = EngineBench()
    bench.begin("a")
    with pytest.raises(SettingsError, match="was started before"):
        bench.begin("a")
    with pytest.raises(SettingsError, match="was started before"):
        bench.ledger.start("m", "a")
    with pytest.raises(SettingsError, match="inference id"):
        bench.begin("a b")


def test_an_engine_without_steps_is_shared_by_tokens_and_graded_lower():
    bench = EngineBench()
    reader, writer = bench.begin("reader"), bench.begin("writer")
    bench.run(4, {})
    bench.ledger.engines.report(reader, Counts(800, None))
    bench.ledger.engines.end(reader, Counts(800, 0))
    bench.ledger.engines.end(writer, Counts(0, 100))
    bench.run(7, {})

    (window,) = bench.windows
    found = {record.inference_id: record for record in window.records}
    assert {record.attribution for record in window.records} == {"phase-weighted"}
    assert found["reader"].accelerator_active_mj == found["writer"].accelerator_active_mj
    assert 3_800 <= sum(record.accelerator_active_mj for record in window.records) <= 4_100
    assert conserved(window)


def test_tokens_are_counted_in_the_window_in_which_they_were_reported_and_once():
    bench = EngineBench()
    request = bench.begin("a")
    for count in range(1, 13):
        bench.run(1, {})
        bench.ledger.engines.report(request, Counts(10, 10 * count))
    bench.ledger.engines.end(request, Counts(10, 120))
    records = bench.finish()

    assert [record.inference_id for record in records] == ["a~1", "a~2"]
    # But for the first tick: nobody saw when it began.
    assert energies(records)["a"] == sum(window.energy_mj for window in bench.windows) - 50


def test_what_makes_sharing_fail_leaves_the_window_whole(caplog):
    bench = EngineBench()
    bench.begin("a")
    # Not what the desk would let through.
    bench.ledger.engines.step(bench.engine, bench.clock.boottime_ns(), bench.clock.boottime_ns(), {"a": None})
    bench.clock.advance(0.02)
    bench.ledger.engines.step(bench.engine, bench.clock.boottime_ns() - MS, bench.clock.boottime_ns(), {"a": None})
    bench.run(11, {})

    (window,) = bench.windows
    assert (window.records, window.unattributed_mj) == ((), window.energy_mj)
    assert any("could not be shared" in one.message for one in caplog.records)


ACT = st.tuples(
    st.sampled_from(["begin", "begin", "end", "step", "step", "step", "tick", "late", "job", "reset", "gone", "token"]),
    st.integers(0, 5),
    st.integers(0, 700),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(ACT, max_size=70))
def test_whatever_engines_do_every_window_conserves(acts):  # noqa: C901 - one branch a kind of act
    bench = EngineBench(meters=2, window_s=2.0)
    known, jobs, number = [], [], 0
    for what, which, amount in acts:
        bench.clock.advance(amount / 1000)
        for meter in bench.meters:
            meter.energy_mj += amount * (which + 1)
        if what == "begin":
            known.append(bench.begin(f"r{number}"))
            number += 1
        elif what == "end" and known:
            bench.ledger.engines.end(known.pop(which % len(known)), Counts(which, amount))
        elif what in {"step", "late"}:
            names = [request.inference_id for request in known[: which + 1]] + ["?1"] * (which == 3)
            parts = dict.fromkeys(names, (amount, amount * 3, "prefill" if which % 2 else "decode"))
            bench.step(parts, max(amount, 1), ago_ms=0 if what == "step" else 1000 * which)
        elif what == "token" and known:
            bench.ledger.engines.report(known[which % len(known)], Counts(amount, which))
        elif what == "job":
            jobs.append(bench.ledger.start("m", f"job{number}"))
            number += 1
            if len(jobs) > 1:
                bench.ledger.stop(jobs.pop(0))
        elif what == "reset":
            bench.meters[which % 2].energy_mj = which
        elif what == "gone":
            bench.ledger.engines.disconnect(bench.engine)
            bench.engine, known = bench.ledger.engines.connect(), []
        bench.ledger.tick()
    bench.ledger.close()

    assert all(map(conserved, bench.windows))
    names = [record.inference_id for window in bench.windows for record in window.records]
    assert len(names) == len(set(names))
    for before, after in zip(bench.windows, bench.windows[1:], strict=False):
        assert before.end_us <= after.start_us
