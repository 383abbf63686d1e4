"""The daemon: owns meters, key, window spool and sending, and measures this node all the time.

Four threads, none of which waits for another's slow partner: one reads the meters and closes windows, one keeps and
signs them (disk, TPM), one sends them (network), one answers the workloads.
"""

from __future__ import annotations

import logging
import os
import queue
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from agent.claims import Claims
from agent.clock import Clock, SystemClock
from agent.config import Settings, check_enrolled
from agent.contact import ContactBook
from agent.errors import AgentError, SettingsError
from agent.home import Home
from agent.identifiers import uuid7
from agent.ledger import Occupancy
from agent.meters.choose import choose
from agent.meters.host import choose as choose_host
from agent.meters.protocol import HostMeter, Meter
from agent.sender import Sender
from agent.span import Flag
from agent.sums import Observed, WindowSums
from agent.tenants import TenantNames
from agent.tpm.address import parse
from agent.transport import HttpTransport, Transport
from agent.windows.keeper import Keeper
from agent.windows.ledger_window import WindowLedger
from agent.windows.nonces import NonceRequests, NonceStore
from agent.windows.protocol import WorkerStatus
from agent.windows.server import WorkServer
from agent.windows.server_address import socket_path
from agent.windows.sign import SoftwareWindowSigner, TpmWindowSigner, WindowSigner, replaced_by
from agent.windows.spool import WindowSpool, measuring
from agent.windows.submit import WindowSubmitter
from agent.windows.telemetry import TelemetryWindow
from agent.windows.work import check_names
from did.signers import open_signer
from schemas.window_header import WindowHeader

EARLIEST_WALL_NS: Final = 1_735_689_600_000_000_000
"""2025-01-01: a clock before it was never set."""

_QUEUED: Final = 64
_RETRY_S: Final = 1.0
_CLOSE_S: Final = 30.0
_NS_PER_US: Final = 1000

_TELLING: Final[frozenset[Flag]] = frozenset(
    {"counter-reset", "counter-stuck", "reading-failed", "sampling-gap", "power-disagrees", "shared-device"}
)
"""Flags that say something of the meters, which an operator can mend."""

_log = logging.getLogger(__name__)


class Daemon:
    """Measures a node from ``run`` until the event that it is given is set."""

    def __init__(
        self,
        settings: Settings,
        *,
        meters: tuple[Meter, ...],
        host: tuple[HostMeter, ...] = (),
        spool: WindowSpool,
        signer: WindowSigner,
        nonces: NonceStore,
        transport: Transport,
        clock: Clock,
        socket: Path,
        occupancy: Occupancy | None = None,
        contacts: ContactBook | None = None,
        is_replaced: Callable[[WindowHeader], bool] = lambda _: False,
        tenants: TenantNames | None = None,
    ) -> None:
        """Prepare; nothing is measured yet. ``tenants``: whom records may name, default anybody. Raises SettingsError, SpoolError."""
        self._settings = settings
        self._clock = clock
        self._spool = spool
        self._signer = signer
        self._measuring = False
        self._told: set[Flag] = set()
        self._sums = WindowSums()
        self._windows: queue.Queue[TelemetryWindow | None] = queue.Queue(_QUEUED)
        self._stopped = threading.Event()
        answered = _ignored if tenants is None else tenants.learn
        submitter = partial(WindowSubmitter, spool, transport, nonces, clock, contacts=contacts, answered=answered)
        self._sender = self._sending(submitter, nonces, is_replaced, answered)
        self._keeper = Keeper(
            spool,
            signer,
            nonces,
            settings.node_id,
            window_s=settings.window_s,
            stored=self._sender.wake,
            is_replaced=is_replaced,
        )
        self._tell_if_killed()
        self._ledger = WindowLedger(
            meters,
            clock,
            self._deliver,
            window_s=settings.window_s,
            host=host,
            occupancy=occupancy,
            not_before_us=self._keeper.head.end_us,
            check_names=check_names if tenants is None else tenants.check_names,
        )
        self._server = WorkServer(
            socket, self._ledger, clock, new_id=self._new_id, status=self.status, group=settings.socket_group
        )

    def run(self, stop: threading.Event) -> None:
        """Measure until ``stop``; then close the last window, keep it, and send for a moment."""
        keeper = threading.Thread(target=self._keep, name="green-agent keeper", daemon=True)
        server = threading.Thread(target=self._server.run, name="green-agent socket", daemon=True)
        ticker = threading.Thread(target=self._tick, name="green-agent meters", daemon=True)
        for thread in (keeper, server, ticker):
            thread.start()
        # What was left by the last run is sent whatever happens now.
        self._sender.wake()
        stop.wait()
        self._server.stop()
        self._stopped.set()
        server.join(_CLOSE_S)
        ticker.join(_CLOSE_S)
        self._ledger.close()
        self._windows.put(None)
        keeper.join(_CLOSE_S)
        if not (keeper.is_alive() or ticker.is_alive()):
            self._guarded(self._spool.note_closed)
        self._sender.close(self._settings.run_submit_s)

    def status(self) -> WorkerStatus:
        """Return what the daemon says of itself."""
        return WorkerStatus(
            pid=os.getpid(),
            key_kind=self._signer.kind,
            measuring=self._measuring,
            running=self._ledger.running,
            simulated=self._ledger.simulated,
            problem=self._keeper.problem,
        )

    def observed(self) -> Observed:
        """Return what a watcher wants to know; from any thread, and neither work nor meters wait for it."""
        return Observed(
            sums=self._sums.now(),
            meters=self._ledger.meters,
            running=self._ledger.running,
            measuring=self._measuring,
            simulated=self._ledger.simulated,
            key_kind=self._signer.kind,
            spooled=len(self._spool.pending()),
            rejected=len(self._spool.rejected()),
            lost=self._spool.lost,
        )

    def _sending(
        self,
        submitter: Callable[..., WindowSubmitter],
        nonces: NonceStore,
        is_replaced: Callable[[WindowHeader], bool],
        answered: Callable[[bytes], None],
    ) -> Sender:
        requests = None
        if isinstance(self._signer, SoftwareWindowSigner):
            requests = NonceRequests(nonces, self._clock, self._signer.nonce_request, answered)
        return Sender(
            lambda sleep: submitter(
                sleep=sleep,
                fraction=random.random,
                requests=requests,
                is_replaced=is_replaced,
                timeout_s=self._settings.submit_timeout_s,
            )
        )

    def _tell_if_killed(self) -> None:
        head, now_us = self._keeper.head, self._clock.wall_ns() // _NS_PER_US
        if self._spool.note_killed(head.next_sequence, head.end_us, now_us) is not None:
            _log.critical("an open window was LOST: the daemon was killed", extra={"next_sequence": head.next_sequence})

    def _tick(self) -> None:
        told = False
        while not self._stopped.is_set() and not self._begun():
            if not told:
                _log.error("nothing is measured yet: a meter gives no reading, or the clock is not set")
                told = True
            self._stopped.wait(_RETRY_S)
        self._guarded(lambda: self._spool.note_open(self._clock.wall_ns() // _NS_PER_US))
        self._measuring = not self._stopped.is_set()
        while not self._stopped.wait(self._ledger.next_tick_s()):
            try:
                self._ledger.tick()
            except Exception:  # noqa: BLE001 - the next reading must be taken whatever this one met
                _log.exception("a reading failed")

    def _begun(self) -> bool:
        return self._clock.wall_ns() >= EARLIEST_WALL_NS and self._ledger.begin()

    def _deliver(self, window: TelemetryWindow) -> None:
        for flag in sorted(window.flags & _TELLING - self._told):
            _log.warning("a window is flagged (told once)", extra={"flag": flag})
        self._told |= window.flags
        try:
            self._windows.put_nowait(window)
        except queue.Full:
            self._sums.add(window)
            self._spool.note_gap(window, self._keeper.head.next_sequence, "the disk or the TPM is too slow")
            _log.critical("a window was LOST: the disk or the TPM is too slow", extra={"energy_mj": window.energy_mj})

    def _keep(self) -> None:
        while True:
            try:
                window = self._windows.get(timeout=_RETRY_S if self._keeper.behind else None)
            except queue.Empty:
                self._guarded(self._keeper.work)
                continue
            if window is None:
                break
            # Here, since the thread that closes windows must not be held up by one of many records.
            self._sums.add(window)
            self._guarded(lambda taken=window: self._keeper.take(taken))  # type: ignore[misc]
        self._guarded(self._keeper.give_up)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - the next window must not suffer
            _log.exception("a window could not be kept")

    def _new_id(self) -> str:
        return uuid7(self._clock.wall_ns() // 1_000_000, secrets.token_bytes(10))


@contextmanager
def open_daemon(
    settings: Settings, home: Home, environment: Mapping[str, str], *, clock: Clock | None = None
) -> Iterator[Daemon]:
    """Lend the daemon that the settings describe; there is one a home.

    Raises SettingsError, MeterUnavailableError, SpoolError, DaemonRunsError, TpmAddressError, and DidError where the
    key cannot be opened.
    """
    clock = clock or SystemClock()
    check_enrolled(settings)
    with ExitStack() as stack:
        try:
            stack.enter_context(measuring(home.windows))
            spool = WindowSpool(home.windows, clock, max_bytes=settings.spool_max_bytes)
            stack.callback(spool.close)
            signer = _signer(settings, home, spool)
            meters = choose(settings, environment, clock)
            real = [meter.device for meter in meters if not meter.simulated]
            claims = Claims(home.devices, real) if real else None
            if claims is not None:
                stack.callback(claims.close)
        except OSError as error:
            raise AgentError(f"the home {home.folder} cannot be used: {error}") from error
        yield Daemon(
            settings,
            meters=meters,
            host=choose_host(settings, clock, meters),
            spool=spool,
            signer=signer,
            nonces=NonceStore(home.nonces_file, clock),
            transport=HttpTransport(settings.issuer),
            clock=clock,
            socket=socket_path(settings, home),
            occupancy=claims,
            contacts=ContactBook(home.window_contact_file, clock),
            is_replaced=replaced_by(_ak_file(settings, home)),
            tenants=TenantNames(home.tenants_file, settings.node_id),
        )


def _ignored(_: bytes) -> None:
    """Do nothing with an answer."""


def _signer(settings: Settings, home: Home, spool: WindowSpool) -> WindowSigner:
    if settings.window_signer == "software":
        return SoftwareWindowSigner(open_signer(settings.key), settings.node_id, spool.next_start())
    ak_file = _ak_file(settings, home)
    if not ak_file.exists():
        raise SettingsError(
            f"window_signer is tpm, and {ak_file} is not there: enrol with green-agent enroll --key tpm:"
        )
    return TpmWindowSigner(parse(settings.tpm), ak_file, settings.node_id, chain_pcr=settings.chain_pcr)


def _ak_file(settings: Settings, home: Home) -> Path:
    return Path(settings.ak_file) if settings.ak_file else home.ak_file
