"""From a measured window to a signed one on disk: the order of the steps, and what happens when one of them fails.

    position of the TPM → header → disk → register and quote → evidence to disk → sending

- The TPM gives no answer: what is measured waits in memory, joined to one longer window, so that the issuer sees the
  TPM's clock and the wall's agree when it is quoted. Once that is several windows long it goes to disk unsigned.
- No room on the disk: the same. What gets too long is dropped, counted, and noted as the newest gap.
- The machine was booted, or somebody else extended the register: what was unsigned can never be quoted. It is set
  aside, told, and the chain goes on from the last window that was signed, with an opening.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from agent.errors import AgentError, SpoolError, SpoolFullError
from agent.tpm.errors import TpmBusyError
from agent.tpm.quoting import Next, Position, check_clock, reconcile
from agent.windows.close import Closed, Head, Identity, after, close_window
from agent.windows.nonces import NonceStore
from agent.windows.sign import Signing, WindowSigner
from agent.windows.spool import WindowSpool, damaged
from agent.windows.spooled import Place, SpooledWindow, clock_in
from agent.windows.telemetry import TelemetryWindow, merge, mergeable
from did.errors import DidError
from schemas import base64url
from schemas.errors import FormatError, GreenError
from schemas.tpm.pcr import extend
from schemas.window_header import MAX_DURATION_US, Boot, WindowHeader

MAX_WAITING: Final = 3
"""Windows that wait in memory and cannot be joined; beyond, the oldest is dropped."""

_MAX_JOINED_RECORDS: Final = 45_000
_HELD_WINDOWS: Final = 3
_QUOTES: Final = 50
_KEY_REPLACED: Final = "its attestation key was replaced by enrolment before the issuer had taken it, and it takes none of that key any more"

_log = logging.getLogger(__name__)


class Keeper:
    """Keeps and signs windows in their order. One thread calls it."""

    def __init__(
        self,
        spool: WindowSpool,
        signer: WindowSigner,
        nonces: NonceStore,
        node_id: str,
        *,
        window_s: float = 10.0,
        stored: Callable[[], None] = lambda: None,
        is_replaced: Callable[[WindowHeader], bool] = lambda _: False,
    ) -> None:
        """Go on where the spool stands; ``stored`` is called after each window that may be sent.

        ``is_replaced`` tells whether enrolment has replaced the key of a window since. Raises SpoolError.
        """
        self._spool = spool
        self._signer = signer
        self._nonces = nonces
        self._node_id = node_id
        self._stored = stored
        self._is_replaced = is_replaced
        self._held_us = int(window_s * _HELD_WINDOWS * 1_000_000)
        self._waiting: list[TelemetryWindow] = []
        self._identity: Identity | None = None
        self._boot: Boot | None = None
        self._unsigned: list[str] = []
        self.problem = ""
        """Why windows are not signed or kept now; empty where they are."""
        self.head = self._find_head()

    @property
    def behind(self) -> bool:
        """Whether something waits to be kept or signed."""
        return bool(self._waiting or self._unsigned)

    def take(self, window: TelemetryWindow) -> None:
        """Keep and sign a window, after those that wait."""
        self._waiting.append(window)
        self.work()

    def work(self) -> None:
        """Keep and sign what waits. What cannot be done now is told, and waits on."""
        try:
            with self._signer.open() as signing:
                self._identity, self._boot = signing.identity, signing.boot
                self._sign_what_is_not(signing)
                while self._waiting:
                    self._keep(signing, self._waiting[0])
                    self._sign_what_is_not(signing)
        except (AgentError, DidError) as error:
            self._tell(error)
            self._hold(error)
        else:
            if self.problem:
                _log.warning("windows are signed again")
            self.problem = ""

    def give_up(self) -> None:
        """Put what waits on disk unsigned, as far as that is possible: the agent ends."""
        while self._waiting:
            if not self._keep_unsigned(self._waiting[0]):
                self._drop(self._waiting.pop(0), self.problem or "the agent ended")

    def _find_head(self) -> Head:
        newest = Head(node_id=self._node_id)
        for name in self._spool.pending():
            try:
                window = self._spool.load(name)
                head = window.head() if window is not None else None
            except (SpoolError, FormatError) as error:
                _log.critical("a window is damaged and was set aside", extra={"window": name, "reason": error.detail})
                self._set_aside(name, error.detail)
                continue
            if window is None or head is None:
                continue
            if head.node_id != self._node_id:
                self._set_aside(name, f"it is of node {head.node_id}, and this node is {self._node_id} now")
                continue
            if self._never_taken(window, head):
                _log.critical(
                    "a window's key was replaced before the issuer took it: it was set aside", extra={"window": name}
                )
                self._set_aside(name, _KEY_REPLACED)
                continue
            if window.evidence is None:
                self._unsigned.append(name)
            if head.next_sequence > newest.next_sequence:
                newest = head
        # Looked at last: the sender writes it before it takes a window away.
        left = self._spool.head()
        if left is not None and left.node_id == self._node_id and left.next_sequence >= newest.next_sequence:
            return left
        return newest

    def _never_taken(self, window: SpooledWindow, head: Head) -> bool:
        """Return whether a window is of a key that was replaced, and behind all that the issuer had taken by then.

        Those before are sent once more: they were taken, and only the answer is missing.
        """
        if not self._is_replaced(window.parsed):
            return False
        enrolled = self._spool.head()
        if enrolled is None or enrolled.node_id != self._node_id:
            return False
        return head.next_sequence > enrolled.next_sequence

    def _sign_what_is_not(self, signing: Signing) -> None:
        while self._unsigned:
            name = self._unsigned[0]
            window = self._spool.load(name)
            if window is not None and window.evidence is None:
                step = self._step(signing, window)
                if step not in {Next.EXTEND, Next.QUOTE}:
                    self._break(step)
                    return
                evidence = self._signed(signing, window, again=step is Next.QUOTE)
                self._spool.add_evidence(name, evidence)
                self.head = msgspec.structs.replace(self.head, clock_ms=clock_in(evidence))
                self._stored()
            self._unsigned.pop(0)

    def _signed(self, signing: Signing, window: SpooledWindow, *, again: bool) -> bytes:
        """Return a window's evidence, its quote later than the one before: two within a millisecond would be refused."""
        for _ in range(_QUOTES):
            evidence = signing.sign(window, again=again)
            if not 0 < clock_in(evidence) <= self.head.clock_ms:
                return evidence
            again = True
        raise TpmBusyError(
            f"the TPM's clock is not past the {self.head.clock_ms} ms of the last quote; it is tried again"
        )

    def _step(self, signing: Signing, window: SpooledWindow) -> Next:
        header = window.parsed
        if (header.key, header.ak) != (signing.identity.key, signing.identity.ak):
            return Next.BROKEN
        found = signing.position()
        if found is None:
            return Next.EXTEND
        reset, restart = header.boot.reset or 0, header.boot.restart or 0
        return reconcile(Position((reset, restart), window.chain), window.digest, found)

    def _break(self, step: Next) -> None:
        """Set aside what can never be signed, and go on from the last window that was."""
        reason = f"it was not signed when it could be: {step.value}"
        for name in self._unsigned:
            _log.critical(
                "a window cannot be signed any more and was set aside", extra={"window": name, "why": step.value}
            )
            self._set_aside(name, reason)
        self._unsigned.clear()
        self.head = self._find_head()

    def _keep(self, signing: Signing, window: TelemetryWindow) -> None:
        found = signing.position()
        place = Place() if found is None else self._place(signing, found)
        boot = signing.boot if found is None else Boot(reset=found.epoch[0], restart=found.epoch[1])
        # With others before it the issuer is far away, and a nonce would be too old when it arrives.
        nonce = self._nonces.take() if len(self._spool.pending()) <= 1 else None
        self._put(window, signing.identity, boot, place, nonce)

    def _place(self, signing: Signing, found: Position) -> Place:
        chain = base64url.encode(found.value)
        if self.head.epoch == found.epoch and self.head.chain == chain:
            return Place(chain=chain)
        if self.head.epoch == found.epoch and self.head.chain:
            _log.critical("somebody else extended the register of the chain; a new chain begins", extra={"pcr": chain})
        boot_event, clock = signing.opening(self.head.previous)
        if self.head.epoch:
            left = (self.head.epoch[0], self.head.epoch[-1])
            check_clock(Position(left, b""), self.head.clock_ms, clock)
        self.head = msgspec.structs.replace(self.head, clock_ms=clock.clock_ms)
        return Place(chain=chain, boot_event=boot_event)

    def _put(self, window: TelemetryWindow, identity: Identity, boot: Boot, place: Place, nonce: str | None) -> None:
        try:
            closed = close_window(window, identity, self.head, boot, nonce)
        except FormatError as error:
            # Our own mistake, or a meter's name that no header can carry: the next window must not suffer.
            self._drop(self._waiting.pop(0), error.detail)
            return
        self._unsigned.append(self._spool.put(closed, place))
        self._waiting.pop(0)
        self.head = self._after(closed, boot, place)

    def _after(self, closed: Closed, boot: Boot, place: Place) -> Head:
        chain = base64url.encode(extend(base64url.decode(place.chain), closed.digest)) if place.chain else ""
        return after(self.head, closed, boot.epoch, chain)

    def _keep_unsigned(self, window: TelemetryWindow) -> bool:
        """Put a window on disk as the next one, to be signed later; return whether that could be done."""
        if self._identity is None or self._boot is None:
            return False
        if self._identity.ak is not None and (not self.head.chain or self.head.epoch != self._boot.epoch):
            return False
        try:
            self._put(window, self._identity, self._boot, Place(chain=self.head.chain), None)
        except SpoolError:
            return False
        return True

    def _hold(self, error: GreenError) -> None:
        """Keep what could not be signed: joined in memory, then on disk, else dropped and noted."""
        joined: list[TelemetryWindow] = []
        for window in self._waiting:
            if joined and self._may_join(joined[-1], window):
                joined[-1] = merge(joined[-1], window)
            else:
                joined.append(window)
        self._waiting[:] = joined
        if not isinstance(error, SpoolFullError):
            while self._waiting and (len(self._waiting) > 1 or self._waiting[0].duration_us > self._held_us):
                if not self._keep_unsigned(self._waiting[0]):
                    break
        while len(self._waiting) > MAX_WAITING:
            self._drop(self._waiting.pop(0), error.detail)

    def _may_join(self, first: TelemetryWindow, second: TelemetryWindow) -> bool:
        return (
            mergeable(first, second)
            and first.duration_us + second.duration_us < MAX_DURATION_US
            and len(first.records) + len(second.records) <= _MAX_JOINED_RECORDS
        )

    def _drop(self, window: TelemetryWindow, reason: str) -> None:
        gap = self._spool.note_gap(window, self.head.next_sequence, reason)
        _log.critical(
            "a window was LOST",
            extra={"energy_mj": window.energy_mj, "in_a_row": gap.windows, "reason": reason},
        )

    def _set_aside(self, name: str, reason: str) -> None:
        try:
            self._spool.set_aside(name, damaged(reason))
        except OSError as error:
            raise SpoolError(f"{name} could not be set aside: {error.strerror}") from error

    def _tell(self, error: GreenError) -> None:
        if error.detail != self.problem:
            _log.error("windows cannot be signed or kept now", extra={"problem": error.name, "reason": error.detail})
        self.problem = error.detail
