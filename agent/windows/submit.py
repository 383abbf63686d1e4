"""Sending windows: at least once, strictly in their order, and never in the way of the work.

    POST /api/v1/windows      application/x-ndjson, gzip
    {"evidence":…}            the CMW collection, or {"jws":…}; with "boot_event" where an epoch opens
    {record}                  each record's JCS bytes, in the order of their leaves

The issuer answers 201 (or 200 for a window that it has) with {"window": digest, "credential": …, "nonces": […]}, for a new one
also "tenants": […], whom the node may name.
A window that cannot be taken now holds up those behind it: the chain has no gaps. One that is refused for good goes
to ``rejected/``, loudly; those behind it then wait until the issuer's operator accepts the gap.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from agent.clock import Clock
from agent.contact import ContactBook
from agent.errors import NoAnswerError, SpoolError
from agent.retry import Acknowledged, Later, Refused, Verdict, judge_window, wait_s
from agent.transport import Transport
from agent.windows.nonces import NonceRequests, NonceStore, nonces_in
from agent.windows.spool import WindowSpool, damaged
from agent.windows.spooled import SpooledWindow
from schemas import digests, times
from schemas.window_header import WindowHeader

WINDOWS_PATH: Final = "/api/v1/windows"
HEADERS: Final[Mapping[str, str]] = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
NEVER_SIGNED: Final = (
    "it is not signed, and windows after it are: its place in the chain is gone, so it can never be sent"
)
_LEVEL: Final = 6

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sent:
    """What a round of sending achieved."""

    acknowledged: list[str] = field(default_factory=list)
    """Names in the spool."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Names in the spool, each with the issuer's reason."""
    remaining: int = 0
    """Windows that are signed and wait."""
    failure: str = ""


class WindowSubmitter:
    """Sends one window spool to one issuer."""

    def __init__(
        self,
        spool: WindowSpool,
        transport: Transport,
        nonces: NonceStore,
        clock: Clock,
        *,
        sleep: Callable[[float], bool],
        fraction: Callable[[], float],
        contacts: ContactBook | None = None,
        requests: NonceRequests | None = None,
        is_replaced: Callable[[WindowHeader], bool] = lambda _: False,
        answered: Callable[[bytes], None] = lambda _: None,
        timeout_s: float = 15.0,
    ) -> None:
        """Send from ``spool`` by ``transport``; ``sleep`` waits and returns whether to give up.

        ``requests`` asks for nonces where windows bring none; None for a TPM, whose key signs no such request.
        ``is_replaced`` tells whether enrolment has replaced the key of a window since. ``answered`` gets the answer
        to each window that was taken.
        """
        self._spool = spool
        self._transport = transport
        self._nonces = nonces
        self._clock = clock
        self._sleep = sleep
        self._fraction = fraction
        self._contacts = contacts
        self._requests = requests
        self._is_replaced = is_replaced
        self._answered = answered
        self._timeout_s = timeout_s
        self._failures = 0

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    def drain(self, *, within_s: float | None = None) -> Sent:
        """Send every signed window, until time is up or ``sleep`` says to give up. Raises SpoolBusyError."""
        sent = Sent()
        until_ns = None if within_s is None else self._clock.boottime_ns() + int(within_s * 1e9)
        with self._spool.sending():
            while (window := self._next(sent)) is not None:
                left_s = self._left_s(until_ns)
                if left_s <= 0:
                    sent.failure = sent.failure or "time was up"
                    break
                later = self._settle(window, self._ask(window, left_s), sent)
                if later is None:
                    self._failures, sent.failure = 0, ""
                    continue
                self._failures += 1
                sent.failure = later.reason
                pause_s = wait_s(self._failures, later.after_s, self._fraction())
                _log.log(
                    logging.CRITICAL if later.for_operator else logging.WARNING,
                    "a window is not accepted yet",
                    extra={"reason": later.reason, "pause_s": round(pause_s, 3)},
                )
                if pause_s >= self._left_s(until_ns) or self._sleep(pause_s):
                    break
            # What is not signed yet is no reason to try again: whoever signs it wakes the sender.
            sent.remaining = len(self._spool.pending()) if sent.failure else 0
            if self._requests is not None and not sent.failure:
                self._requests.top_up(self._transport, min(self._timeout_s, self._left_s(until_ns)))
        return sent

    def _next(self, sent: Sent) -> SpooledWindow | None:
        """Return the oldest window that is signed; None where the oldest of all is still to be signed."""
        unsigned: list[str] = []
        for name in self._spool.pending():
            window = self._peek(name, sent)
            if window is not None and window.evidence is not None:
                return self._oldest_signed(unsigned, sent) or window
            if window is not None:
                unsigned.append(name)
        return None

    def _oldest_signed(self, names: list[str], sent: Sent) -> SpooledWindow | None:
        """Return the first of ``names`` that was signed since it was looked at; one behind them all is signed.

        Windows are signed in their order, so nobody is going to sign what still is not: it was put there, or its
        evidence is damaged. It is set aside, or all that follows would wait for it without end.
        """
        for name in names:
            window = self._peek(name, sent)
            if window is not None and window.evidence is not None:
                return window
            if window is not None:
                self._set_aside(name, NEVER_SIGNED, sent)
        return None

    def _peek(self, name: str, sent: Sent) -> SpooledWindow | None:
        try:
            return self._spool.peek(name)
        except SpoolError as error:
            self._set_aside(name, error.detail, sent)
            return None

    def _left_s(self, until_ns: int | None) -> float:
        return float("inf") if until_ns is None else (until_ns - self._clock.boottime_ns()) / 1e9

    def _ask(self, window: SpooledWindow, left_s: float) -> Verdict:
        body = gzip.compress((window.evidence or b"") + b"\n" + window.records, _LEVEL, mtime=0)
        timeout_s = max(0.1, min(self._timeout_s, left_s))
        try:
            answer = self._transport.post(WINDOWS_PATH, body, timeout_s=timeout_s, headers=HEADERS)
        except NoAnswerError as error:
            return Later(error.detail)
        now = times.from_microseconds(self._clock.wall_ns() // 1000)
        return judge_window(answer, digests.encode(window.digest), now, key_replaced=self._is_replaced(window.parsed))

    def _settle(self, window: SpooledWindow, verdict: Verdict, sent: Sent) -> Later | None:
        try:
            if isinstance(verdict, Acknowledged):
                self._nonces.add(nonces_in(verdict.credential))
                self._answered(verdict.credential)
                self._spool.acknowledge(window)
                sent.acknowledged.append(window.name)
            elif isinstance(verdict, Refused):
                self._spool.reject(window, verdict.problem)
                sent.rejected.append((window.name, verdict.reason))
                _log.critical("a window was refused for good", extra={"window": window.name, "reason": verdict.reason})
        except OSError as error:
            return Later(f"the answer could not be stored: {error.strerror}")
        if self._contacts is not None:
            self._contacts.note(verdict)
        return verdict if isinstance(verdict, Later) else None

    def _set_aside(self, name: str, reason: str, sent: Sent) -> None:
        # Only a damaged disk or a stranger's hand leaves such a file; it must not stop the queue.
        try:
            self._spool.set_aside(name, damaged(reason))
        except OSError:
            _log.exception("a damaged window could not be set aside")
            return
        sent.rejected.append((name, reason))
        _log.critical("a window cannot be sent and was set aside", extra={"window": name, "reason": reason})
