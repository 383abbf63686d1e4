"""A daemon that is late for a moment: the work never waits twice, and nothing that was told is lost."""

import time

import pytest

from agent.errors import MeasurementError
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
                return "went away" in error.detail
            return False

        assert eventually(gone)
        ledger.open.set()
        assert gone()
        session.close()
