"""Trouble with measuring keeps no work from running; it is warned of once, told, counted, and an error where asked for."""

import fcntl
import json
import os

import pytest

from agent.api import measure
from agent.errors import DaemonError, MeasurementError, SettingsError, SpoolError, UnmeasuredError
from agent.measurement import UNCOUNTED, Counts
from agent.session import Running, Session
from agent.spool import Spool
from agent.unmeasured import (
    NotMeasured,
    Unmeasured,
    UnmeasuredBook,
    Work,
    begin,
    forget_unmeasured,
    read_unmeasured,
)
from tests.agent.test_api import run_program
from tests.fakes.agent import WALL, FakeMeter, HandClock, new_signer
from tests.fakes.agent_programs import AgentHome

NOBODY = {"GREEN_AGENT_MODE": "daemon"}
BLOCKS = """
import logging
logging.basicConfig(format="%(message)s: %(reason)s")
import agent
for number in range(3):
    with agent.measure(model_id="m", tenant="acme") as measured:
        measured.input_tokens = 7
        print("ran", number)
    assert measured.result is None
    print(type(measured.problem).__name__)
"""


class Troubled:
    """What measures, and fails at the start by ``error``."""

    simulated = False
    has_room_for_counts = True

    def __init__(self, error):
        self.error = error

    def start(self, model_id, inference_id=None, parent=None, tenant_id=None):
        raise self.error

    def stop(self, running, counts=UNCOUNTED):
        raise AssertionError("nothing runs here")


def test_blocks_run_without_a_daemon_are_warned_of_once_and_counted(tmp_path):
    ran = run_program(tmp_path, BLOCKS, **NOBODY)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[:-1] == [
        "ran 0",
        "UnmeasuredError",
        "ran 1",
        "UnmeasuredError",
        "ran 2",
        "UnmeasuredError",
    ]
    assert ran.stderr.count("NOT MEASURED") == 1
    assert len(ran.stderr.splitlines()) == 1
    counted = read_unmeasured(tmp_path / "unmeasured")
    assert counted.count == 3
    assert 'the daemon alone measures (mode is "daemon")' in counted.reason


def test_with_the_setting_strict_no_block_begins(tmp_path):
    ran = run_program(tmp_path, BLOCKS, GREEN_AGENT_STRICT="true", **NOBODY)

    assert ran.returncode == 1
    assert "ran" not in ran.stdout
    assert "DaemonError" in ran.stderr


def test_names_that_cannot_be_are_an_error_without_a_daemon_too(tmp_path):
    ran = run_program(tmp_path, BLOCKS.replace('"acme"', '"a b"'), **NOBODY)

    assert ran.returncode == 1
    assert "ran" not in ran.stdout
    assert "tenant_id" in ran.stderr


@pytest.mark.parametrize("error", [DaemonError("gone"), RuntimeError("a bug"), OSError("disk")])
def test_a_start_that_fails_leaves_the_block_unmeasured_and_says_why(error, caplog):
    with measure("m", session=Troubled(error)) as measured:
        worked = True

    assert worked
    assert isinstance(measured.problem, UnmeasuredError)
    assert str(error) in measured.problem.detail
    assert caplog.text.count("work is not measured") == 1


def test_a_start_that_fails_is_an_error_where_that_is_asked_for():
    with pytest.raises(DaemonError):
        begin(Troubled(DaemonError("gone")), Work("m"), HandClock(), strict=True)


def test_names_that_the_measurer_refuses_are_an_error():
    with pytest.raises(SettingsError):
        begin(Troubled(SettingsError("an id that ran before")), Work("m"), HandClock())


def test_tokens_and_tenant_in_a_process_that_measures_itself_for_want_of_a_daemon_never_reach_the_work(tmp_path):
    clock = HandClock()
    meter = FakeMeter(clock, period_s=60.0)
    session = Session((meter,), "node-7", new_signer(), Spool(tmp_path, clock), clock)
    session.stands_in = True
    with measure("m", session=session) as measured:
        measured.input_tokens = 812
        clock.advance(1)
        meter.energy_mj += 100
    assert (measured.input_tokens, measured.problem) == (None, None)
    with measure("m", tenant="acme", session=session) as measured:
        pass
    assert isinstance(measured.problem, UnmeasuredError)
    session.close()


def test_what_stands_in_checks_names_and_measures_nothing():
    blind = NotMeasured("no daemon", HandClock())
    running = blind.start("m")
    assert isinstance(running, Running)
    with pytest.raises(MeasurementError, match="no daemon"):
        blind.stop(running, Counts(input_tokens=1))
    with pytest.raises(SettingsError):
        blind.start("m", "a b")
    assert blind.close()


def test_several_processes_count_together_and_the_last_reason_stays(tmp_path):
    path = tmp_path / "unmeasured"
    one, other = UnmeasuredBook(path, HandClock()), UnmeasuredBook(path, HandClock())
    for book, reason in ((one, "first"), (other, "second"), (one, "third"), (other, "fourth\x1b[2J")):
        book.note(reason)
    one.flush()
    other.flush()

    assert read_unmeasured(path) == Unmeasured(4, WALL // 1000, "fourth?[2J")


def test_a_process_that_holds_the_count_and_sleeps_stops_nobody(tmp_path):
    path = tmp_path / "unmeasured"
    book = UnmeasuredBook(path, HandClock())
    holder = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    book.note("a")
    book.flush()
    assert read_unmeasured(path).count == 0
    with pytest.raises(SpoolError, match="try again"):
        forget_unmeasured(path)
    os.close(holder)
    book.flush()
    assert read_unmeasured(path).count == 1


def test_a_long_reason_is_cut_and_a_folder_that_is_not_there_is_no_trouble(tmp_path):
    UnmeasuredBook(tmp_path / "none" / "unmeasured", HandClock()).note("a")
    path = tmp_path / "unmeasured"
    UnmeasuredBook(path, HandClock()).note("ü" * 2000)
    assert path.stat().st_size == 512
    assert read_unmeasured(path).reason.startswith("üüü")
    path.write_bytes(b"{")
    assert read_unmeasured(path).count == 1
    assert forget_unmeasured(path).count == 1
    assert read_unmeasured(path).count == 0


def test_status_counts_unmeasured_work_until_that_is_acknowledged(tmp_path):
    home = AgentHome(tmp_path / "home")
    ran = home.run(
        "run", "--inference-id", "job", "--summary", str(tmp_path / "s"), "--", "sh", "-c", "exit 3", **NOBODY
    )
    assert ran.returncode == 3
    assert "job was NOT MEASURED" in ran.stderr
    summary = json.loads((tmp_path / "s").read_bytes())
    assert (summary["measured"], len(summary["problems"])) == (False, 1)

    shown = home.run("status")
    assert shown.returncode == 1
    assert "NOT MEASURED  1 piece of work was not measured, last 20" in shown.stdout
    assert "the daemon alone measures" in shown.stdout
    assert "counted from 0 now" in home.run("status", "--acknowledge-lost").stdout
    assert home.run("status").returncode == 0


@pytest.mark.parametrize("asked", [("--strict",), ()])
def test_with_strict_the_command_is_not_started(tmp_path, asked):
    home = AgentHome(tmp_path / "home")
    environment = NOBODY if asked else NOBODY | {"GREEN_AGENT_STRICT": "true"}
    ran = home.run("run", *asked, "--", "touch", str(tmp_path / "ran"), **environment)

    assert ran.returncode == 64
    assert "not started, since it cannot be measured: The daemon does not measure" in ran.stderr
    assert not (tmp_path / "ran").exists()
    assert read_unmeasured(home.folder / "unmeasured").count == 0
