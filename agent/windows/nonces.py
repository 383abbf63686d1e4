"""The issuer's nonces, kept in the home until a window carries one. Each is used once, or not at all.

A nonce is off the disk before a window with it is on it: killed in between, it is wasted, and never used twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.clock import Clock
from agent.errors import NoAnswerError
from agent.files import write_file
from agent.transport import Transport
from did.errors import DidError
from schemas import strict_json, times
from schemas.errors import FormatError
from schemas.plain_values import BYTES_32

MAX_KEPT: Final = 64
GOOD_FOR_US: Final = 30 * 60 * 1_000_000
"""How long a nonce is used: half of the hour that the issuer gives, so that the window arrives before that ends."""

NONCES_PATH: Final = "/api/v1/nonces"
SOON_STALE_US: Final = 20 * 60 * 1_000_000
"""From this age on a nonce is as good as none for whoever looks whether to ask for more."""

ASK_EVERY_S: Final = 300.0

_US_NS: Final = 1000
_OK: Final = 2

_log = logging.getLogger(__name__)


class Kept(Struct, frozen=True):
    """A nonce (base64url of 32 bytes), and when it came, in µs since 1970."""

    nonce: str
    received_us: int


class NonceStore:
    """Nonces in a file. Any thread may call it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Go on from what ``path`` holds; a damaged file holds none."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._kept = msgspec.json.decode(path.read_bytes(), type=list[Kept])
        except (OSError, msgspec.MsgspecError):
            self._kept = []

    def add(self, nonces: Iterable[str]) -> None:
        """Keep nonces that the issuer gave; what is none is left out. A disk that is full costs freshness alone."""
        now_us = self._clock.wall_ns() // _US_NS
        with self._lock:
            known = {kept.nonce for kept in self._kept}
            fresh = [
                Kept(nonce, now_us) for nonce in dict.fromkeys(nonces) if BYTES_32.fits(nonce) and nonce not in known
            ]
            if fresh:
                self._write([*self._kept, *fresh][-MAX_KEPT:])

    def take(self) -> str | None:
        """Return a nonce and forget it, on disk too; None where there is none that is still good."""
        with self._lock:
            good = self.good()
            if not good:
                return None
            # The newest is good for longest; those older than it wait for the next.
            return good[-1].nonce if self._write(good[:-1]) else None

    def good(self) -> list[Kept]:
        """Return the nonces that are still good."""
        now_us = self._clock.wall_ns() // _US_NS
        return [kept for kept in self._kept if 0 <= now_us - kept.received_us < GOOD_FOR_US]

    def _write(self, kept: list[Kept]) -> bool:
        try:
            write_file(self._path, msgspec.json.encode(kept) + b"\n")
        except OSError:
            _log.warning("the nonces could not be written; windows are chained without", exc_info=True)
            return False
        self._kept = kept
        return True


class NonceRequests:
    """Asks the issuer for nonces, for a node with a software key: at its start, and after long without connection.

    Otherwise each window that is taken brings the next ones. One thread calls it, and not the one that measures.
    """

    def __init__(
        self,
        store: NonceStore,
        clock: Clock,
        signed: Callable[[str], bytes],
        answered: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Ask for ``store``; ``signed`` gives the body of a request that is made at a time (UTC, as in claims).

        ``answered`` gets each answer with nonces.
        """
        self._store = store
        self._clock = clock
        self._signed = signed
        self._answered = answered
        self._asked_ns: int | None = None

    def top_up(self, transport: Transport, timeout_s: float) -> None:
        """Ask once if the store has none that is good for long, at most every five minutes. Nothing is raised.

        Without an answer within ``timeout_s`` the next window is chained, which is no less true.
        """
        now_ns, wall_us = self._clock.boottime_ns(), self._clock.wall_ns() // _US_NS
        if any(wall_us - kept.received_us < SOON_STALE_US for kept in self._store.good()):
            return
        if self._asked_ns is not None and now_ns - self._asked_ns < ASK_EVERY_S * 1e9:
            return
        self._asked_ns = now_ns
        try:
            body = self._signed(times.render_claim(times.from_microseconds(wall_us)))
            answer = transport.post(NONCES_PATH, body, timeout_s=max(0.1, timeout_s))
        except (NoAnswerError, DidError) as error:
            _log.info("no nonces: windows are chained until one is taken", extra={"reason": error.detail})
            return
        if answer.status // 100 == _OK:
            self._store.add(nonces_in(answer.body))
            self._answered(answer.body)
        else:
            _log.warning("the issuer gives no nonces", extra={"status": answer.status})


def nonces_in(answer: bytes) -> list[str]:
    """Return the nonces in an issuer's answer, none where it has none."""
    try:
        found = strict_json.parse_object(answer).get("nonces")
    except FormatError:
        return []
    return [nonce for nonce in found if isinstance(nonce, str)] if isinstance(found, list) else []
