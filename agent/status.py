"""What an operator wants to know of an agent: who it is, what waits, what was refused, what was lost."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from agent.clock import Clock
from agent.config import Settings
from agent.contact import read
from agent.home import Home
from agent.retry import in_words, is_taken
from agent.spool import Spool
from agent.unmeasured import forget_unmeasured, read_unmeasured
from schemas import times

SHOWN: Final = 5
"""How many of the refused are shown."""


class Rejection(Struct, frozen=True, kw_only=True):
    """A record that the issuer refused for good, or a window that it refused or that was set aside."""

    record: str
    """Its name in ``spool/rejected`` or ``windows/rejected``."""
    problem: str
    """The problem document's type, then its detail."""
    taken: bool
    """Whether sending it again never helps: its inference id has a credential, or the window can never be sent."""


class WindowStatus(Struct, frozen=True, kw_only=True):
    """The daemon's windows. Times are UTC; empty means never."""

    daemon: bool
    """Whether a daemon answers."""
    killed: str = ""
    """What is lost of a daemon that did not end in order, until the next start notes it as a gap; empty where nothing."""
    expected: bool = True
    """Whether one is to run by the settings (``mode``)."""
    signer: str
    """"tpm" or "software": what signs windows, by the settings."""
    backlog: int
    """Windows that are not acknowledged."""
    unsigned: int
    """How many of them are not signed: the TPM gives no answer."""
    next_sequence: int
    freshness: str
    """"nonce" where the next window can carry one of the issuer's, else "chained"."""
    acknowledged: int
    last_acknowledged: str
    last_failure: str
    failure: str
    rejected: int
    gap: str
    """The newest windows that were measured and not kept, in words; empty where there are none."""
    rejected_mj: int = 0
    """The energy of the windows refused or set aside, as far as they can be read."""
    sendable: int = 0
    """How many of them may be sent again; the others never can."""
    rejections: tuple[Rejection, ...] = ()
    """The newest of them, at most five."""
    stalled: str = ""
    """Why windows wait and none was acknowledged for several windows; empty where they move."""
    problem: str = ""
    """Why the daemon cannot sign or keep windows now."""
    waits_for: str = ""
    """Which windows the issuer misses before it takes those that wait, and what to do; empty where none."""


class Status(Struct, frozen=True, kw_only=True):
    """The agent's state. Times are UTC; empty means never."""

    node_id: str
    issuer: str
    key: str
    """What signs: the URI of a key, or whose attestation key."""
    home: str
    backlog: int
    """Records that are not acknowledged."""
    oldest: str
    """Since when the oldest of them has waited."""
    acknowledged: int
    last_acknowledged: str
    last_failure: str
    failure: str
    rejected: int
    rejections: tuple[Rejection, ...]
    """The newest of the rejected, at most five."""
    lost: int
    """Records that found no room on the disk."""
    last_lost: str
    windows: WindowStatus | None = None
    """None where no daemon ever ran here."""
    unmeasured: int = 0
    """Pieces of work that ran and were not measured."""
    last_unmeasured: str = ""
    unmeasured_reason: str = ""
    """Why the last of them was not."""

    @property
    def has_records(self) -> bool:
        """Whether this node has posted records, or meant to."""
        return bool(self.backlog or self.acknowledged or self.rejected or self.lost or self.failure)

    @property
    def may_be_retried(self) -> bool:
        """Whether some of the rejected may be taken once their cause is mended."""
        return self.rejected > len(self.rejections) or not all(rejection.taken for rejection in self.rejections)

    @property
    def needs_attention(self) -> bool:
        """Whether an operator must do something."""
        windows = self.windows
        troubled = windows is not None and bool(
            windows.rejected
            or windows.gap
            or windows.problem
            or windows.waits_for
            or windows.killed
            or windows.stalled
            or (windows.expected and not windows.daemon)
        )
        return not self.node_id or self.rejected > 0 or self.lost > 0 or self.unmeasured > 0 or troubled


def collect(settings: Settings, home: Home, clock: Clock, *, acknowledge_lost: bool = False) -> Status:
    """Return the agent's state, read from its home; with ``acknowledge_lost`` the losses for the last time.

    Raises SpoolError.
    """
    spool = Spool(home.spool, clock, max_bytes=settings.spool_max_bytes)
    try:
        pending, rejected = spool.pending(), spool.rejected()
        losses = spool.acknowledge_losses() if acknowledge_lost else spool.losses()
        counted = forget_unmeasured if acknowledge_lost else read_unmeasured
        unmeasured = counted(home.unmeasured_file)
        last = read(home.contact_file)
        return Status(
            node_id=settings.node_id,
            issuer=settings.issuer,
            key=_signing(settings, home),
            home=str(home.folder),
            backlog=len(pending),
            oldest=_queued_at(pending[0]) if pending else "",
            acknowledged=last.acknowledged,
            last_acknowledged=last.last_acknowledged,
            last_failure=last.last_failure,
            failure=last.failure,
            rejected=len(rejected),
            rejections=tuple(_rejection(spool, name) for name in rejected[-SHOWN:]),
            lost=losses.count,
            last_lost=_time(losses.last_wall_ns),
            unmeasured=unmeasured.count,
            last_unmeasured=_time(unmeasured.last_us * 1000),
            unmeasured_reason=unmeasured.reason,
        )
    finally:
        spool.close()


def _signing(settings: Settings, home: Home) -> str:
    if settings.window_signer != "tpm":
        return settings.key
    return f"attestation key {settings.ak_file or home.ak_file} in the TPM {settings.tpm}"


def _queued_at(name: str) -> str:
    stamp = name.partition("-")[0]
    return _time(int(stamp)) if stamp.isascii() and stamp.isdigit() else ""


def _time(wall_ns: int) -> str:
    try:
        return times.render_seconds(times.from_microseconds(wall_ns // 1000)) if wall_ns else ""
    except OverflowError:
        # Of no calendar: a damaged file, or one that is not ours.
        return ""


def _rejection(spool: Spool, name: str) -> Rejection:
    problem = spool.problem(name) or b"{}"
    return Rejection(record=name, problem=in_words(problem), taken=is_taken(problem))
