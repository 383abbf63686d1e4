"""Sending what the spool holds: at least once, oldest first, politely, and never in the way of the work.

A record leaves the spool when the issuer's credential for it is stored, or when the issuer refuses it for good. A
record that the issuer cannot take now does not hold up the others: each gets its turn between the waits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.contact import ContactBook
from agent.errors import NoAnswerError, SpoolError
from agent.files import make_folder, write_file
from agent.retry import Acknowledged, Later, Refused, Verdict, is_taken, judge, wait_s
from agent.spool import Spool
from agent.transport import Transport
from schemas import jcs, telemetry, times
from schemas.errors import FormatError
from schemas.strict_json import JsonObject
from schemas.telemetry import TelemetryRecord

TELEMETRY_PATH: Final = "/api/v1/telemetry"
_LONGEST_HOLD_S: Final = 2.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sent:
    """What a round of sending achieved."""

    acknowledged: list[str] = field(default_factory=list)
    """Inference ids, in the order of their credentials."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Names in the spool, each with the issuer's reason."""
    taken: list[str] = field(default_factory=list)
    """Names of those rejected whose inference id has a credential already; they stay rejected for ever."""
    remaining: int = 0
    failure: str = ""
    """What kept the rest, in one line; empty where nothing did."""


class Submitter:
    """Sends one spool to one issuer.

    Args:
        credentials: folder to keep credentials in, None to keep none.
        contacts: where the last contact is noted.
        sleep: waits the seconds it is given and returns whether to give up.
        fraction: returns a random number from 0 to 1.
    """

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        clock: Clock,
        *,
        sleep: Callable[[float], bool],
        fraction: Callable[[], float],
        credentials: Path | None = None,
        contacts: ContactBook | None = None,
        timeout_s: float = 15.0,
    ) -> None:
        """Send from ``spool`` by ``transport``."""
        self._spool = spool
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._fraction = fraction
        self._credentials = credentials
        self._contacts = contacts
        self._timeout_s = timeout_s
        self._failures = 0

    def close(self) -> None:
        """Give back the connections and the spool."""
        self._transport.close()
        self._spool.close()

    def drain(self, *, within_s: float | None = None) -> Sent:
        """Send until the spool is empty, time is up, or ``sleep`` says to give up; return what was achieved.

        Raises SpoolBusyError where another process is sending already.
        """
        sent = Sent()
        until_ns = None if within_s is None else self._clock.boottime_ns() + int(within_s * 1e9)
        with self._spool.sending():
            while names := self._spool.pending():
                if not self._pass(names, sent, until_ns):
                    sent.remaining = len(self._spool.pending())
                    return sent
        sent.failure = ""
        return sent

    def _pass(self, names: list[str], sent: Sent, until_ns: int | None) -> bool:
        for name in names:
            left_s = self._left_s(until_ns)
            if left_s <= 0:
                sent.failure = sent.failure or "time was up"
                return False
            later = self._send(name, sent, left_s)
            if later is None:
                self._failures = 0
                continue
            self._failures += 1
            sent.failure = later.reason
            pause_s = wait_s(self._failures, later.after_s, self._fraction())
            _log.warning("telemetry not accepted yet", extra={"reason": later.reason, "pause_s": round(pause_s, 3)})
            if pause_s >= self._left_s(until_ns) or self._sleep(pause_s):
                return False
        return True

    def _left_s(self, until_ns: int | None) -> float:
        return float("inf") if until_ns is None else (until_ns - self._clock.boottime_ns()) / 1e9

    def _send(self, name: str, sent: Sent, left_s: float) -> Later | None:
        """Send one record. Return None where it is settled, else why it is not."""
        try:
            raw = self._spool.load(name)
        except SpoolError as error:
            # A bad sector, or a file of root's: it stays, and the others get their turn.
            return Later(error.detail)
        if raw is None:
            return None
        try:
            record = telemetry.decode_telemetry(raw)
        except FormatError as error:
            # Only a damaged disk or a stranger's hand writes such a file; it must not stop the queue.
            problem: JsonObject = {"type": error.problem_type, "title": error.title, "detail": error.detail}
            return self._settle(name, Refused(jcs.canonical_bytes(problem), error.detail), "", sent)
        self._hold(record.timestamp, left_s)
        return self._settle(name, self._ask(raw, record, left_s), record.inference_id, sent)

    def _ask(self, raw: bytes, record: TelemetryRecord, left_s: float) -> Verdict:
        try:
            answer = self._transport.post(TELEMETRY_PATH, raw, timeout_s=max(0.1, min(self._timeout_s, left_s)))
        except NoAnswerError as error:
            return Later(error.detail)
        return judge(answer, record.inference_id, self._now())

    def _settle(self, name: str, verdict: Verdict, inference_id: str, sent: Sent) -> Later | None:
        try:
            if isinstance(verdict, Acknowledged):
                self._keep(inference_id, verdict.credential)
                self._spool.acknowledge(name)
                sent.acknowledged.append(inference_id)
            elif isinstance(verdict, Refused):
                self._spool.reject(name, verdict.problem)
                sent.rejected.append((name, verdict.reason))
                if is_taken(verdict.problem):
                    sent.taken.append(name)
                _log.error("telemetry refused for good", extra={"record": name, "reason": verdict.reason})
        except OSError as error:
            return Later(f"the answer could not be stored: {error.strerror}")
        if self._contacts is not None:
            self._contacts.note(verdict)
        return verdict if isinstance(verdict, Later) else None

    def _keep(self, inference_id: str, credential: bytes) -> None:
        if self._credentials is not None:
            make_folder(self._credentials)
            write_file(self._credentials / f"{inference_id}.json", credential)

    def _hold(self, timestamp: datetime, left_s: float) -> None:
        # The issuer does not sign before the period's last second is over: waiting here saves it a connection.
        hold_s = (times.round_up(timestamp) - self._now()) / timedelta(seconds=1)
        if 0 < hold_s <= min(_LONGEST_HOLD_S, left_s):
            self._sleep(hold_s)

    def _now(self) -> datetime:
        return times.from_microseconds(self._clock.wall_ns() // 1000)
