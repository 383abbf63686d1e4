"""A daemon that is late for a moment: the work never waits twice, and nothing that was told is lost."""

import json
import socket
import threading
import time

import pytest

from agent.errors import MeasurementError, SettingsError
from agent.windows.client import DaemonSession
from tests.agent.windows.serving import SOCKET, serving
from tests.fakes.agent import HandClock
from tests.fakes.eventually import eventually

WAIT_S = 0.2


def test_work_during_a_late_answer_is_counted_and_the_next_has_its_figure(tmp_path):
    with serving(tmp_path) as (_, ledger):
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=WAIT_S)
        ledger.open.clear()
        names = [f"late-{number}" for number in range(20)]
        begun_s = time.monotonic()
        for name in names:
            with pytest.raises(MeasurementError, match="did not answer in time"):
                session.stop(session.start("m", name))
        assert time.monotonic() - begun_s < 2 * WAIT_S
        ledger.open.set()
        assert eventually(lambda: ledger.order == names and ledger.running == 0)
        assert eventually(lambda: measured(session))
        session.close()


def measured(session):
    try:
        return session.stop(session.start("m"))
    except MeasurementError:
        return None


def test_a_daemon_that_stays_late_is_left_and_not_asked_again_at_once(tmp_path):
    with serving(tmp_path) as (_, ledger):
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=0.01)
        ledger.open.clear()
        session.start("m", "first")

        def gone():
            try:
                session.stop(session.start("m"))
            except MeasurementError as error:
                return "went away" in error.detail or "was away" in error.detail
            return False

        assert eventually(gone)
        ledger.open.set()
        assert gone()
        session.close()


def test_an_id_that_runs_here_is_refused_also_while_the_daemon_is_late(tmp_path):
    with serving(tmp_path) as (_, ledger):
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=0.05)
        first = session.start("model-A", "order-1")
        ledger.open.clear()
        session.start("m", "late")
        with pytest.raises(SettingsError, match="runs already"):
            session.start("model-B", "order-1")
        ledger.open.set()
        assert eventually(lambda: ledger.running == 2)
        assert session.stop(first).duration_us >= 0
        assert first.names == ["order-1"]
        session.close()


def test_a_start_that_was_refused_late_is_told_at_its_stop_and_ends_nothing_else(tmp_path):
    with serving(tmp_path) as (connect, ledger):
        assert connect().start("order-1")["ok"]
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=0.05)
        ledger.open.clear()
        session.start("m", "late")
        second = session.start("m", "order-1")
        ledger.open.set()
        assert eventually(lambda: ledger.running == 2)

        def told():
            with pytest.raises(MeasurementError) as caught:
                session.stop(second)
            return caught.value.detail

        assert "order-1 was started before" in told()
        assert ledger.running == 2
        session.close()


def test_threads_wait_for_their_own_answers_and_not_for_each_other(tmp_path):
    """A daemon that takes 40 ms for each question: each of 32 threads waits its own 50 ms, not the sum of all."""
    path, waits = tmp_path / "d", []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        daemon = threading.Thread(target=answer_slowly, args=(listener,))
        daemon.start()
        session = DaemonSession(path, HandClock(), wait_s=0.1)

        def work(number):
            begun_s = time.monotonic()
            session.start("m", f"w{number}")
            waits.append(time.monotonic() - begun_s)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        session.close()
        daemon.join(10)
    assert len(waits) == 32
    # One after the other they would take 32 times 40 ms.
    assert max(waits) < 0.6


def answer_slowly(listener):
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as lines:
        for line in lines:
            question = json.loads(line)
            answer = {"v": 1, "n": question["n"], "ok": True, "id": question.get("inference_id")}
            if question["op"] == "status":
                answer["status"] = {"pid": 1, "key_kind": "none", "measuring": True, "running": 0, "simulated": True}
            time.sleep(0.04)
            try:
                peer.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return


@pytest.mark.parametrize("name", ["order-1~1", "a~0", "~12"])
def test_a_name_that_would_be_that_of_a_part_is_refused(tmp_path, name):
    with serving(tmp_path) as (connect, _):
        session = DaemonSession(tmp_path / SOCKET, HandClock(), wait_s=1.0)
        with pytest.raises(SettingsError, match="parts of long work"):
            session.start("m", name)
        assert not connect().start(name)["ok"]
        session.close()


def test_work_that_was_told_too_late_has_no_record_and_other_work_has(tmp_path):
    """A record of nothing, for work that ran, would be signed; what it used belongs to nobody that is known."""
    with serving(tmp_path) as (_, ledger):
        sessions = [DaemonSession(tmp_path / SOCKET, ledger.clock, wait_s=0.02) for _ in range(2)]
        long = sessions[0].start("m", "long")
        ledger.open.clear()
        short = sessions[1].start("m", "short")
        ledger.clock.advance(0.6)
        with pytest.raises(MeasurementError):
            sessions[1].stop(short)
        ledger.open.set()
        assert eventually(lambda: ledger.order == ["long", "short"] and ledger.running == 1)
        ledger.clock.advance(10)
        assert sessions[0].stop(long).duration_us == 10_600_000
        assert long.names == ["long"]
        assert [record.inference_id for record in ledger._ended] == ["long"]
        for session in sessions:
            session.close()
