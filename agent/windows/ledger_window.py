"""The node's account, cut into windows: what ran, what it used, and what nobody ran for.

One entry of the ledger runs all the time, outside all others, so what belongs to no work is its: idle where the
device said that it did nothing, else unattributed. At a window's end all running work is cut at one moment. Work that
lasts over the border becomes several records, ``ID~1``, ``ID~2``, …; work inside one window keeps its id.

What a meter did not see while the running work changed belongs to nobody in particular: it is unattributed too.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.clock import Clock
from agent.errors import SettingsError
from agent.ledger import Entry, Ledger, Occupancy, Share
from agent.measurement import UNCOUNTED, Counts
from agent.meters.protocol import Meter, Method, lowest
from agent.span import Flag
from agent.windows.tap import Counted, Tap, union
from agent.windows.telemetry import TelemetryWindow
from agent.windows.wall_line import WallLine
from schemas import base64url, telemetry
from schemas.errors import FormatError
from schemas.plain_values import TENANT_ID
from schemas.window_header import MAX_ACCELERATORS
from schemas.window_record import WindowRecord

MAX_RUNNING: Final = 2_000
"""Work that may run at once: each start shares out what was used before among all of it (7 ms at 2,000)."""

MAX_ENDED: Final = 20_000
"""Records of ended work after which a window is closed early: the issuer takes 50,000, and 8 MB compressed."""

REMEMBERED_IDS: Final = 50_000
"""Ids of ended work and of its records that are known, at least, and not taken again: they would count for nobody."""

LONGEST_ID: Final = 120
"""Characters of an inference id; the rest numbers the parts of long work."""

_NS_PER_US: Final = 1000
_NS_PER_S: Final = 1_000_000_000
_SALT_BYTES: Final = 16
_SHORTEST_S: Final = 0.001
_OVERDUE_S: Final = 0.1
"""How soon a meter that gave no reading at the window's end is asked again."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Work:
    """Work that runs: whose and what it is, its place in the ledger, and what it used so far."""

    inference_id: str
    model_id: str
    tenant_id: str | None
    entry: Entry
    parts: int = 0
    energy_mj: int = 0
    estimated_mj: int = 0
    method: Method = "metered"
    devices: set[str] = field(default_factory=set)
    flags: set[Flag] = field(default_factory=set)
    begun_boottime_ns: int = 0
    records: list[str] = field(default_factory=list)
    problem: str = ""


class WindowLedger:
    """Windows of the node over a set of meters. Any thread may call it."""

    def __init__(
        self,
        meters: Sequence[Meter],
        clock: Clock,
        deliver: Callable[[TelemetryWindow], None],
        *,
        window_s: float = 10.0,
        occupancy: Occupancy | None = None,
        not_before_us: int = 0,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Prepare; ``begin`` starts. ``deliver`` gets each window when it ends, and must not wait.

        ``not_before_us`` is where the last window of the chain ended. Raises SettingsError for too many meters.
        """
        if not 0 < len(meters) <= MAX_ACCELERATORS:
            raise SettingsError(
                f"a window is of 1 to {MAX_ACCELERATORS} accelerators; {len(meters)} are to be measured"
            )
        self._taps = tuple(sorted((Tap(meter) for meter in meters), key=lambda tap: tap.device))
        self._clock = clock
        self._deliver = deliver
        self._window_ns = int(window_s * _NS_PER_S)
        self._not_before_us = not_before_us
        self._randomness = randomness
        self._ledger = Ledger(self._taps, clock, occupancy)
        self._lock = threading.Lock()
        self._base: Entry | None = None
        self._start_ns = 0
        self._wall = WallLine(0, 0)
        self._running: dict[str, Work] = {}
        self._ids: dict[str, None] = {}
        self._ended: list[WindowRecord] = []
        self._flags: set[Flag] = set()
        self._lost_mj = 0

    @property
    def simulated(self) -> bool:
        """Whether the figures are invented."""
        return self._ledger.simulated

    def next_tick_s(self) -> float:
        """Return in how many seconds ``tick`` is to be called: when a meter wants it, or the window is full."""
        full_ns = self._start_ns + self._window_ns - self._clock.boottime_ns()
        left_s = full_ns / _NS_PER_S if full_ns > 0 else _OVERDUE_S
        return min(self._ledger.period_s, max(left_s, _SHORTEST_S))

    @property
    def running(self) -> int:
        """How much work runs."""
        return len(self._running)

    def begin(self) -> bool:
        """Begin the first window, if every meter gives a reading, and return whether it is begun."""
        with self._lock:
            if self._base is not None:
                return True
            base = self._ledger.start()
            if not all(tap.current for tap in self._taps):
                self._ledger.take(base)
                return False
            self._base = base
            now_ns = base.start.boottime_ns
            self._wall = WallLine(now_ns, self._clock.wall_ns(), not_before_ns=self._not_before_us * _NS_PER_US)
            self._begin_window(now_ns)
            return True

    def start(self, model_id: str, inference_id: str, tenant_id: str | None = None, parent: Work | None = None) -> Work:
        """Return new work, running from now, inside ``parent`` if that runs. Raises SettingsError for what cannot be."""
        check_names(model_id, inference_id, tenant_id)
        with self._lock:
            if self._base is None:
                raise SettingsError("nothing is measured yet: a meter gives no reading")
            if inference_id in self._running or inference_id in self._ids:
                raise SettingsError(
                    f"inference_id: {inference_id} was started before; each piece of work has its own, a second one "
                    "would count for nobody. Give another, or none"
                )
            if len(self._running) >= MAX_RUNNING:
                raise SettingsError(f"{MAX_RUNNING} pieces of work run at once; end some before more are started")
            outside = parent.entry if parent is not None else self._base
            entry = self._ledger.start(outside)
            if entry.parent is None:
                # The one around it has ended; outside of all is the base alone.
                self._ledger.take(entry)
                entry = self._ledger.start(self._base)
            work = Work(inference_id, model_id, tenant_id, entry, begun_boottime_ns=entry.start.boottime_ns)
            self._running[inference_id] = work
            self._close_if_needed()
            return work

    def stop(self, work: Work, counts: Counts = UNCOUNTED) -> Work:
        """Return ``work``, which ends now, with all that it used. Its last record goes into the present window."""
        with self._lock:
            if self._running.pop(work.inference_id, None) is None:
                raise SettingsError(f"{work.inference_id} does not run")
            share = self._ledger.take(work.entry)
            name = f"{work.inference_id}~{work.parts + 1}" if work.parts else work.inference_id
            self._remember(work.inference_id)
            self._record(work, share, name, counts)
            self._close_if_needed()
            return work

    def discard(self, work: Work) -> None:
        """Forget work: nothing ran. What the devices used meanwhile is unattributed."""
        with self._lock:
            if self._running.pop(work.inference_id, None) is not None:
                self._ledger.take(work.entry)
                self._close_if_needed()

    def tick(self) -> None:
        """Read the meters, and close the window that is full. Called after ``next_tick_s``."""
        with self._lock:
            if self._base is None:
                return
            self._ledger.sample()
            age_ns = self._clock.boottime_ns() - self._start_ns
            # One meter that gives no reading now keeps the window open for as long again: its counter goes on.
            readable = all(tap.current for tap in self._taps)
            full = age_ns >= self._window_ns and (readable or age_ns >= 2 * self._window_ns)
            if full or any(tap.fell for tap in self._taps):
                self._close()

    def close(self) -> None:
        """End the last window now, and all that runs with it."""
        with self._lock:
            if self._base is None:
                return
            for work in list(self._running.values()):
                share = self._ledger.take(work.entry)
                name = f"{work.inference_id}~{work.parts + 1}" if work.parts else work.inference_id
                self._record(work, share, name, UNCOUNTED)
            self._running.clear()
            self._close()
            self._ledger.take(self._base)
            self._base = None
            for tap in self._taps:
                tap.close()

    def _begin_window(self, now_ns: int) -> None:
        self._start_ns = now_ns
        for tap in self._taps:
            tap.begin(now_ns)
        self._ended, self._flags = [], set()

    def _remember(self, name: str) -> None:
        self._ids[name] = None
        if len(self._ids) > REMEMBERED_IDS:
            # The oldest: a dict keeps the order in which its keys came.
            del self._ids[next(iter(self._ids))]

    def _close_if_needed(self) -> None:
        if len(self._ended) >= MAX_ENDED or any(tap.fell for tap in self._taps):
            self._close()

    def _close(self) -> None:
        """Cut everything, hand the window over, and begin the next where this one ends."""
        works = {work.entry: work for work in self._running.values()}
        shares = self._ledger.cut_all()
        end_ns = shares[0][1].end.boottime_ns
        idle_mj = 0
        for entry, share in shares:
            work = works.get(entry)
            if work is None:
                idle_mj = sum(total.idle_mj for total in share.totals.values())
                self._flags |= share.flags
            elif share.end.boottime_ns > share.start.boottime_ns:
                self._record(work, share, f"{work.inference_id}~{work.parts + 1}", Counts(requests=0))
        window = self._window(end_ns, idle_mj)
        off_ns = self._wall.turn(end_ns, self._clock.wall_ns(), self._window_ns)
        if abs(off_ns) > 2 * _NS_PER_S:
            _log.warning("the wall clock was set; windows follow it by a tenth of the time", extra={"off_ns": off_ns})
        self._begin_window(end_ns)
        if window is not None:
            self._deliver(window)

    def _window(self, end_ns: int, idle_mj: int) -> TelemetryWindow | None:
        start_us, end_us = self._label_us(self._start_ns), self._label_us(end_ns)
        duration_us = end_ns // _NS_PER_US - self._start_ns // _NS_PER_US
        if start_us >= end_us or duration_us < 1:
            return None
        parts: list[Counted] = [tap.counted(end_ns) for tap in self._taps]
        open_ns, longest_ns = union([hole for part in parts for hole in part.holes], self._start_ns, end_ns)
        flags = self._flags.union(*(part.flags for part in parts))
        energy_mj = sum(part.accelerator.energy_mj for part in parts)
        active_mj = sum(record.accelerator_active_mj for record in self._ended)
        # Where another process counts the same device, records are no longer a count of this work alone.
        modelled = self.simulated or "shared-device" in flags
        return TelemetryWindow(
            start_us=start_us,
            end_us=end_us,
            duration_us=duration_us,
            measured_us=max(0, duration_us - -(-open_ns // _NS_PER_US)),
            largest_gap_us=min(duration_us, -(-longest_ns // _NS_PER_US)),
            method="modelled" if modelled else lowest(tap.method for tap in self._taps),
            simulated=self.simulated,
            accelerators=tuple(part.accelerator for part in parts),
            records=tuple(self._ended),
            idle_mj=idle_mj,
            unattributed_mj=energy_mj - active_mj - idle_mj,
            estimated_mj=sum(part.estimated_mj for part in parts),
            flags=frozenset(flags),
        )

    def _label_us(self, boottime_ns: int) -> int:
        return self._wall.at(boottime_ns) // _NS_PER_US

    def _record(self, work: Work, share: Share, name: str, counts: Counts) -> None:
        """Add a record of what ``work`` used, or say why there is none: then its energy is unattributed."""
        work.parts += 1
        blind = [device for device, total in share.totals.items() if 0 < total.duration_ns == total.missing_ns]
        flags = share.flags.union(*(total.flags for total in share.totals.values()))
        self._flags |= flags
        work.flags |= flags
        if blind:
            work.problem = f"{blind[0]} gave no reading while the work ran"
            _log.error("a part of work was not measured", extra={"inference_id": name, "reason": work.problem})
            return
        energy_mj = sum(total.measured_mj + total.estimated_mj for total in share.totals.values())
        estimated_mj = sum(total.estimated_mj for total in share.totals.values())
        work.energy_mj += energy_mj
        work.estimated_mj += estimated_mj
        work.method = lowest((work.method, *(total.method for total in share.totals.values())))
        work.devices.update(share.totals)
        work.records.append(name)
        self._remember(name)
        self._ended.append(
            WindowRecord(
                accelerator_active_mj=energy_mj,
                accelerator_idle_mj=0,
                accelerator_loaded_idle_mj=0,
                # In even parts of the time that they ran together.
                attribution="reserved-time" if "shared-in-process" in flags else "exclusive",
                duration_us=(share.end.boottime_ns - share.start.boottime_ns) // _NS_PER_US,
                end_us=self._label_us(share.end.boottime_ns),
                estimated_mj=estimated_mj,
                host_cpu_mj=0,
                host_dram_mj=0,
                host_other_mj=0,
                inference_id=name,
                input_tokens=counts.input_tokens,
                model_id=work.model_id,
                network_mj=0,
                output_tokens=counts.output_tokens,
                requests=counts.requests,
                salt=base64url.encode(self._randomness(_SALT_BYTES)),
                start_us=self._label_us(share.start.boottime_ns),
                tenant_id=work.tenant_id,
                v=1,
            )
        )


def check_names(model_id: str, inference_id: str, tenant_id: str | None = None) -> None:
    """Raise SettingsError for names that a record cannot carry."""
    try:
        telemetry.MODEL_ID.check(model_id, "model_id")
        telemetry.INFERENCE_ID.check(inference_id, "inference_id")
        telemetry.check_new_names(model_id, inference_id)
        if tenant_id is not None:
            TENANT_ID.check(tenant_id, "tenant_id")
    except FormatError as error:
        raise SettingsError(error.detail) from error
    if len(inference_id) > LONGEST_ID:
        raise SettingsError(f"inference_id: at most {LONGEST_ID} characters; the rest numbers long work")
