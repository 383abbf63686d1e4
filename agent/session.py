"""A session: the meters, the key and the spool of one process, and what is being measured with them."""

from __future__ import annotations

import contextlib
import logging
import random
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Protocol

import agent.tpm.backend  # noqa: F401 - lets open_signer open tpm: keys
from agent.claims import Claims
from agent.clock import Clock, SystemClock
from agent.config import Settings, check_enrolled
from agent.contact import ContactBook
from agent.errors import AgentError, DaemonError, MeasurementError, SettingsError
from agent.home import Home
from agent.identifiers import uuid7
from agent.ledger import Entry, Ledger
from agent.measurement import UNCOUNTED, Counts, Measurement
from agent.meters.choose import choose
from agent.meters.protocol import Meter
from agent.record import Labels, signing_algorithm
from agent.recorder import Recorder
from agent.sampler import Sampler
from agent.sender import Sender
from agent.span import Flag
from agent.spool import Spool
from agent.submit import Submitter
from agent.transport import HttpTransport
from did.signers import Signer, open_signer
from schemas import telemetry
from schemas.errors import FormatError

_NS_PER_S: Final = 1_000_000_000
_LONGEST_BASE_ID: Final = 120
_FLUSH_S: Final = 10.0

NO_ROOM: Final = "a posted record has no place for it; run green-agent daemon on this node, or leave it out"
"""What to tell about a tenant or tokens where there is no daemon."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Running:
    """A measurement that runs: its labels, its place in the ledger, and the records that it has become so far.

    ``names`` are the inference ids of the newest records that a daemon has made of it.
    """

    model_id: str
    inference_id: str
    entry: Entry
    parts: int = 0
    records: list[Future[str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class Measurer(Protocol):
    """What measures work: a session of this process, or the daemon (agent.windows.client)."""

    simulated: bool
    has_room_for_counts: bool
    """Whether its records have a place for a tenant and for tokens."""

    def start(
        self,
        model_id: str,
        inference_id: str | None = None,
        parent: Running | None = None,
        tenant_id: str | None = None,
    ) -> Running:
        """Return work that runs from now. Raises SettingsError, also for a tenant that has no place in its records."""
        ...

    def stop(self, running: Running, counts: Counts = UNCOUNTED) -> Measurement:
        """Return what was measured. Raises MeasurementError, and SettingsError for tokens without a place."""
        ...

    def discard(self, running: Running) -> None:
        """Forget work: nothing ran."""
        ...

    def close(self, *, send_within_s: float = 0.0) -> bool:
        """End measuring, and return whether all is kept."""
        ...


class Outbox(Protocol):
    """Where a session tells that a record is on disk: the background sender, or nobody."""

    def wake(self) -> None:
        """Send."""
        ...

    def close(self, within_s: float) -> bool:
        """Wait for the last, at most ``within_s``, and return whether all was sent."""
        ...


class Session:
    """Measures work and leaves signed records in the spool. Any thread may call it.

    Work that lasts longer than ``slice_s`` becomes several records, ``ID~1``, ``ID~2``, …, so that a power cut costs
    at most one of them, and none exceeds what the issuer takes.
    """

    has_room_for_counts = False
    stands_in = False
    """Whether it measures because no daemon answered, whose records have room for a tenant and for tokens."""

    def __init__(
        self,
        meters: tuple[Meter, ...],
        node_id: str,
        signer: Signer,
        spool: Spool,
        clock: Clock,
        *,
        claims: Claims | None = None,
        outbox: Outbox | None = None,
        slice_s: float = 3600.0,
    ) -> None:
        """Start the threads that sample and record. Raises SettingsError where the key cannot sign records."""
        signing_algorithm(signer.public_key)
        self.meters = meters
        self.simulated = any(meter.simulated for meter in meters)
        self._node_id = node_id
        self._spool = spool
        self._clock = clock
        self._claims = claims
        self._outbox = outbox
        self._slice_ns = int(slice_s * _NS_PER_S)
        self._lock = threading.Lock()
        self._running: list[Running] = []
        self._told: set[Flag] = set()
        self._ledger = Ledger(meters, clock, claims)
        self._recorder = Recorder(signer, spool, stored=outbox.wake if outbox else lambda: None)
        self._sampler = Sampler(self.tick, lambda: self._ledger.idle, min(self._ledger.period_s, slice_s))

    def start(
        self,
        model_id: str,
        inference_id: str | None = None,
        parent: Running | None = None,
        tenant_id: str | None = None,
    ) -> Running:
        """Return a measurement that runs from now. Raises SettingsError for what a posted record cannot carry.

        Raises DaemonError for a tenant where it stands in for a daemon: not the caller is wrong, the daemon is missing.
        """
        if tenant_id is not None:
            raise (DaemonError if self.stands_in else SettingsError)(f"tenant: {NO_ROOM}")
        inference_id = self.new_id() if inference_id is None else inference_id
        try:
            telemetry.MODEL_ID.check(model_id, "model_id")
            telemetry.INFERENCE_ID.check(inference_id, "inference_id")
            telemetry.check_new_names(model_id, inference_id)
        except FormatError as error:
            raise SettingsError(error.detail) from error
        if len(inference_id) > _LONGEST_BASE_ID:
            raise SettingsError(f"inference_id: at most {_LONGEST_BASE_ID} characters; the rest numbers long work")
        running = Running(model_id, inference_id, self._ledger.start(parent.entry if parent else None))
        with self._lock:
            self._running.append(running)
        self._sampler.wake()
        return running

    def stop(self, running: Running, counts: Counts = UNCOUNTED) -> Measurement:
        """Return what was measured since the start, or since the last slice; its record is on the way to the spool.

        Raises MeasurementError where no figure can honestly be given: then there is no record; SettingsError for
        ``counts`` that a posted record cannot carry.
        """
        if counts != UNCOUNTED:
            raise SettingsError(f"tokens: {NO_ROOM}")
        with self._lock:
            self._running.remove(running)
            measurement = self._ledger.stop(running.entry)
        return self._hand_over(running, measurement, last=True)

    def discard(self, running: Running) -> None:
        """Forget a measurement: nothing ran."""
        with self._lock:
            self._running.remove(running)
            with contextlib.suppress(MeasurementError):
                self._ledger.stop(running.entry)

    def tick(self) -> None:
        """Read the meters in between, and close the slices that are full. Called by the sampler's thread."""
        self._ledger.sample()
        with self._lock:
            for running in self._running:
                if self._clock.boottime_ns() - running.entry.start.boottime_ns < self._slice_ns:
                    continue
                try:
                    self._hand_over(running, self._ledger.cut(running.entry), last=False)
                except MeasurementError as error:
                    _log.error("a slice was not measured", extra={"reason": error.detail})

    def new_id(self) -> str:
        """Return a new inference id: a UUID version 7."""
        return uuid7(self._clock.wall_ns() // 1_000_000, secrets.token_bytes(10))

    def close(self, *, send_within_s: float = 0.0) -> bool:
        """Put what was measured on disk, send for at most ``send_within_s``, and return whether all is on disk.

        What still runs is not recorded.
        """
        self._sampler.close()
        stored = self._recorder.close(_FLUSH_S)
        if self._outbox is not None:
            self._outbox.close(send_within_s)
        for meter in self.meters:
            meter.close()
        if self._claims is not None:
            self._claims.close()
        if stored:
            self._spool.close()
        return stored

    def _hand_over(self, running: Running, measurement: Measurement, *, last: bool) -> Measurement:
        running.parts += 1
        whole = last and running.parts == 1
        inference_id = running.inference_id if whole else f"{running.inference_id}~{running.parts}"
        self._tell(measurement)
        labels = Labels(self._node_id, running.model_id, inference_id)
        running.records.append(self._recorder.put(measurement, labels))
        return measurement

    def _tell(self, measurement: Measurement) -> None:
        for flag in sorted(measurement.flags - self._told):
            self._told.add(flag)
            _log.warning("a measurement is flagged (told once)", extra={"flag": flag})


def open_session(
    settings: Settings, home: Home, environment: Mapping[str, str], *, background: bool, clock: Clock | None = None
) -> Session:
    """Return the session that the settings describe; ``background`` sends while it measures.

    Raises SettingsError, MeterUnavailableError, SpoolError, and DidError where the key cannot be opened.
    """
    clock = clock or SystemClock()
    check_enrolled(settings)
    if not settings.key:
        raise SettingsError(
            "this node signs windows with its TPM and posts no records: start green-agent daemon, and leave mode = "
            "direct (or --gpu, --meter) out"
        )
    signer = open_signer(settings.key)
    meters = choose(settings, environment, clock)
    spool = Spool(home.spool, clock, max_bytes=settings.spool_max_bytes)
    try:
        real = [meter.device for meter in meters if not meter.simulated]
        claims = Claims(home.devices, real) if real else None
    except OSError as error:
        raise AgentError(f"{home.devices} cannot be used: {error.strerror}") from error
    return Session(
        meters,
        settings.node_id,
        signer,
        spool,
        clock,
        claims=claims,
        outbox=Sender(lambda sleep: open_submitter(settings, home, clock, sleep)) if background else None,
        slice_s=settings.slice_s,
    )


def open_submitter(settings: Settings, home: Home, clock: Clock, sleep: Callable[[float], bool]) -> Submitter:
    """Return what sends the home's spool to the settings' issuer. Raises SettingsError, SpoolError."""
    check_enrolled(settings)
    return Submitter(
        Spool(home.spool, clock, max_bytes=settings.spool_max_bytes),
        HttpTransport(settings.issuer),
        clock,
        sleep=sleep,
        fraction=random.random,
        credentials=home.credentials if settings.keep_credentials else None,
        contacts=ContactBook(home.contact_file, clock),
        timeout_s=settings.submit_timeout_s,
    )
