"""``green-agent run``: a command measured from its start to its end, and left as it was: input, output, exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from agent.child import Exit, Signals, run_child
from agent.clock import SystemClock
from agent.errors import FigureLateError, SpoolBusyError
from agent.measurement import Measurement
from agent.session import Measurer, Running
from agent.submit import Sent, Submitter
from agent.terminal import Terminal
from agent.unmeasured import Work, begin, why
from schemas.errors import GreenError

_STORE_S = 30.0


@dataclass(slots=True)
class Ran:
    """What came of a run.

    Attributes:
        result: the measurement, of the last slice where there were several; None where there is none.
        records: names of the records in the spool.
        names: inference ids of the newest records that the daemon has made of it.
        problems: what went wrong, one line each; nothing of it touches the command's exit code.
        unmeasured: why the command was not measured; empty where it was.
        sent: what was sent afterwards; None where nothing was tried, or the time ran out.
    """

    ended: Exit
    inference_id: str
    result: Measurement | None = None
    records: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unmeasured: str = ""
    sent: Sent | None = None


def run(
    command: Sequence[str],
    session: Measurer,
    model_id: str,
    inference_id: str | None,
    *,
    tenant_id: str | None = None,
    strict: bool = False,
    submitter: Callable[[Callable[[float], bool]], Submitter],
    send_within_s: float,
) -> Ran:
    """Run ``command`` measured, put its record on disk, then send for at most ``send_within_s``.

    Whoever interrupts the sending (Ctrl-C) ends it; the record is on disk by then. Where ``session`` has trouble the
    command runs all the same, unmeasured. Raises SettingsError for ids that cannot be, with ``strict`` whatever keeps
    the command from being measured, and OSError where it cannot be started.
    """
    with Signals() as signals:
        work = Work(model_id, inference_id, tenant_id=tenant_id)
        session, running = begin(session, work, SystemClock(), strict=strict)
        try:
            ended = run_child(command, signals, Terminal())
        except OSError:
            session.discard(running)
            raise
        ran = Ran(ended, running.inference_id)
        _record(session, running, ran)
        if send_within_s > 0 and not signals.asked_to_end.is_set():
            ran.sent = _send(submitter, send_within_s, signals.asked_to_end, ran.problems)
        return ran


def _record(session: Measurer, running: Running, ran: Ran) -> None:
    try:
        ran.result = session.stop(running)
    except FigureLateError as error:
        ran.problems.append(error.detail)
    except Exception as error:  # noqa: BLE001 - whatever it is, the command's exit code is its own
        ran.unmeasured = why(error)
    ran.names = running.names
    for record in running.records:
        try:
            ran.records.append(record.result(_STORE_S))
        except TimeoutError:
            ran.problems.append("the record is not on disk yet: the disk is slow")
        except GreenError as error:
            ran.problems.append(error.detail)


def _send(
    submitter: Callable[[Callable[[float], bool]], Submitter],
    within_s: float,
    interrupted: threading.Event,
    problems: list[str],
) -> Sent | None:
    """Send in a thread that is left behind when time is up: no name server or half-open peer holds the command."""
    done: list[Sent] = []
    over = threading.Event()

    def work() -> None:
        try:
            with closing(submitter(interrupted.wait)) as sender:
                done.append(sender.drain(within_s=within_s))
        except SpoolBusyError:
            problems.append("another process is sending the spool; it will send this record too")
        except GreenError as error:
            problems.append(error.detail)
        finally:
            over.set()
            interrupted.set()

    threading.Thread(target=work, name="green-agent sender", daemon=True).start()
    interrupted.wait(within_s)
    return done[0] if over.is_set() and done else None
