"""The node's account, cut into windows: what ran, what it used, and what nobody ran for.

One entry of the ledger runs all the time, outside all others, so what belongs to no work is its: idle where the
device said that it did nothing, else unattributed. At a window's end all running work is cut at one moment. Work that
lasts over the border becomes several records, ``ID~1``, ``ID~2``, …; work inside one window keeps its id.

What a meter did not see while the running work changed belongs to nobody in particular: it is unattributed too.

The host's meters are read and shared as the accelerators are. They hold up no window: see agent.windows.host. The
requests of engines are no entries: they share what no entry had (agent.windows.engine).
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.attribution.shares import Tick
from agent.clock import Clock
from agent.errors import SettingsError, WorkNotTakenError
from agent.ledger import Entry, Ledger, Occupancy, Share
from agent.measurement import UNCOUNTED, Counts, Totals
from agent.meters.protocol import HostMeter, Meter, lowest
from agent.span import Flag
from agent.windows.engine import Engine, EngineBook, EngineRequest
from agent.windows.host import HostBook, HostWindow, Use
from agent.windows.tap import Counted, Tap, union
from agent.windows.telemetry import TelemetryWindow
from agent.windows.wall_line import WallLine
from agent.windows.work import CheckNames, Work, check_names
from schemas import base64url
from schemas.window_header import MAX_ACCELERATORS
from schemas.window_record import WindowRecord

MAX_RUNNING: Final = 2_000
"""Work that may run at once: each start shares out what was used before among all of it (7 ms at 2,000)."""

MAX_ENDED: Final = 20_000
"""Records of ended work after which a window is closed early: the issuer takes 50,000, and 8 MB compressed."""

REMEMBERED_IDS: Final = 50_000
"""Ids of ended work and of its records that are known, at least, and not taken again: they would count for nobody."""

_NS_PER_US: Final = 1000
_NS_PER_S: Final = 1_000_000_000
_SALT_BYTES: Final = 16
_SHORTEST_S: Final = 0.001
_OVERDUE_S: Final = 0.1
"""How soon a meter that gave no reading at the window's end is asked again."""

_log = logging.getLogger(__name__)


class WindowLedger:
    """Windows of the node over a set of meters. Any thread may call it."""

    def __init__(
        self,
        meters: Sequence[Meter],
        clock: Clock,
        deliver: Callable[[TelemetryWindow], None],
        *,
        window_s: float = 10.0,
        host: Sequence[HostMeter] = (),
        occupancy: Occupancy | None = None,
        not_before_us: int = 0,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
        check_names: CheckNames = check_names,
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
        self._window_ns = int(window_s * _NS_PER_S)
        self._not_before_us = not_before_us
        self._randomness, self._check_names = randomness, check_names
        self._devices = frozenset(tap.device for tap in self._taps)
        self._host = HostBook(host)
        self._ledger = Ledger((*self._taps, *self._host.taps), clock, occupancy)
        self._lock = threading.Lock()
        self._base: Entry | None = None
        self._start_ns = 0
        self._wall = WallLine(0, 0)
        self._running: dict[str, Work] = {}
        self._ids: dict[str, None] = {}
        self._ended: list[WindowRecord] = []
        self._uses: list[Use] = []
        self._flags: set[Flag] = set()
        self._lost_mj = 0
        self.engines = EngineBook(clock, deliver, self._devices, salt=self._salt, remember=self._remember_part)

    @property
    def simulated(self) -> bool:
        """Whether the figures are invented."""
        return self._ledger.simulated

    def next_tick_s(self) -> float:
        """Return in how many seconds ``tick`` is to be called: when a meter wants it, or the window is full."""
        full_ns = self._start_ns + self._window_ns - self._clock.boottime_ns()
        left_s = full_ns / _NS_PER_S if full_ns > 0 else _OVERDUE_S
        return min(self._ledger.period_s, self.engines.period_s, max(left_s, _SHORTEST_S))

    @property
    def running(self) -> int:
        """How much work runs."""
        return len(self._running)

    @property
    def meters(self) -> dict[str, bool]:
        """Each device, and whether its last reading succeeded."""
        return {tap.device: tap.current for tap in (*self._taps, *self._host.taps)}

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
        self._check_names(model_id, inference_id, tenant_id)
        with self._lock:
            base = self._check_new(inference_id)
            if len(self._running) >= MAX_RUNNING:
                raise WorkNotTakenError(f"{MAX_RUNNING} pieces of work run at once; end some before more are started")
            outside = parent.entry if parent is not None else base
            entry = self._ledger.start(outside)
            if entry.parent is None:
                # The one around it has ended; outside of all is the base alone.
                self._ledger.take(entry)
                entry = self._ledger.start(base)
            work = Work(inference_id, model_id, tenant_id, entry, begun_boottime_ns=entry.start.boottime_ns)
            self._running[inference_id] = work
            self._note()
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
            self._note()
            self._close_if_needed()
            return work

    def discard(self, work: Work) -> None:
        """Forget work: nothing ran. What the devices used meanwhile is unattributed."""
        with self._lock:
            if self._running.pop(work.inference_id, None) is not None:
                self._ledger.take(work.entry)
                self._note()
                self._close_if_needed()

    def tick(self) -> None:
        """Read the meters, and close the window that is full. Called after ``next_tick_s``."""
        with self._lock:
            if self._base is None:
                return
            self._ledger.sample()
            self._note()
            age_ns = self._clock.boottime_ns() - self._start_ns
            # One meter that gives no reading now keeps the window open for as long again: its counter goes on.
            readable = all(tap.current for tap in self._taps)
            full = age_ns >= self._window_ns and (readable or age_ns >= 2 * self._window_ns)
            if full or any(tap.fell for tap in self._taps):
                self._close()
        self.engines.settle()

    def begin_request(
        self, engine: Engine, model_id: str, inference_id: str, tenant_id: str | None = None, at_ns: int | None = None
    ) -> EngineRequest:
        """Return a new request of an engine. Raises SettingsError, as ``start``."""
        self._check_names(model_id, inference_id, tenant_id)
        with self._lock:
            self._check_new(inference_id)
            self._remember(inference_id)
            return self.engines.begin(engine, model_id, inference_id, tenant_id, at_ns)

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
            for tap in (*self._taps, *self._host.taps):
                tap.close()
        self.engines.settle(force=True)

    def _begin_window(self, now_ns: int) -> None:
        self._start_ns = now_ns
        for tap in (*self._taps, *self._host.taps):
            tap.begin(now_ns)
        self._ended, self._uses, self._flags = [], [], set()

    def _remember(self, name: str) -> None:
        self._ids[name] = None
        if len(self._ids) > REMEMBERED_IDS:
            # The oldest: a dict keeps the order in which its keys came.
            del self._ids[next(iter(self._ids))]

    def _remember_part(self, name: str) -> None:
        with self._lock:
            self._remember(name)

    def _salt(self) -> str:
        return base64url.encode(self._randomness(_SALT_BYTES))

    def _check_new(self, inference_id: str) -> Entry:
        """Return the entry that runs all the time. Raises SettingsError where it does not, or the name is taken."""
        if self._base is None:
            raise WorkNotTakenError("nothing is measured yet: a meter gives no reading")
        if inference_id in self._running or inference_id in self._ids:
            raise SettingsError(
                f"inference_id: {inference_id} was started before; each piece of work has its own, a second one "
                "would count for nobody. Give another, or none"
            )
        return self._base

    def _note(self) -> None:
        """Tell the engines' book what nobody's work was credited."""
        if self._base is not None:
            self.engines.note(self._base.totals, free=self._base.running_children == 0)

    def _close_if_needed(self) -> None:
        if max(len(self._ended), self.engines.ended) >= MAX_ENDED or any(tap.fell for tap in self._taps):
            self._close()

    def _close(self) -> None:
        """Cut everything, hand the window over, and begin the next where this one ends."""
        works = {work.entry: work for work in self._running.values()}
        shares = self._ledger.cut_all()
        end_ns = shares[0][1].end.boottime_ns
        idle_mj = loaded_idle_mj = 0
        ticks: tuple[list[Tick], int] = ([], end_ns)
        for entry, share in shares:
            work = works.get(entry)
            if work is None:
                nobodys = self._of_accelerators(share)
                idle_mj = sum(total.idle_mj for total in nobodys.values())
                loaded_idle_mj = sum(total.loaded_idle_mj for total in nobodys.values())
                self._flags |= share.flags
                ticks = self.engines.cut(end_ns, share.totals, free=entry.running_children == 0)
            elif share.end.boottime_ns > share.start.boottime_ns:
                self._record(work, share, f"{work.inference_id}~{work.parts + 1}", Counts(requests=0))
        window = self._window(end_ns, idle_mj, loaded_idle_mj)
        off_ns = self._wall.turn(end_ns, self._clock.wall_ns(), self._window_ns)
        if abs(off_ns) > 2 * _NS_PER_S:
            _log.warning("the wall clock was set; windows follow it by a tenth of the time", extra={"off_ns": off_ns})
        start_ns = self._start_ns
        self._begin_window(end_ns)
        if window is not None:
            self.engines.deliver(window, start_ns, end_ns, ticks)

    def _window(self, end_ns: int, idle_mj: int, loaded_idle_mj: int) -> TelemetryWindow | None:
        start_us, end_us = self._label_us(self._start_ns), self._label_us(end_ns)
        duration_us = end_ns // _NS_PER_US - self._start_ns // _NS_PER_US
        parts: list[Counted] = [tap.counted(end_ns) for tap in self._taps]
        energy_mj = sum(part.accelerator.energy_mj for part in parts)
        host: HostWindow = self._host.settle(energy_mj, self._uses, self._start_ns, end_ns)
        if start_us >= end_us or duration_us < 1:
            return None
        holes = [hole for part in parts for hole in part.holes]
        open_ns, longest_ns = union([*holes, *host.holes], self._start_ns, end_ns)
        flags = self._flags.union(host.flags, *(part.flags for part in parts))
        active_mj = sum(record.accelerator_active_mj for record in self._ended)
        # Where another process counts the same device, records are no longer a count of this work alone.
        modelled = self.simulated or "shared-device" in flags
        return TelemetryWindow(
            start_us=start_us,
            end_us=end_us,
            duration_us=duration_us,
            measured_us=max(0, duration_us - -(-open_ns // _NS_PER_US)),
            largest_gap_us=min(duration_us, -(-longest_ns // _NS_PER_US)),
            method="modelled" if modelled else lowest((*(tap.method for tap in self._taps), *host.methods)),
            simulated=self.simulated,
            accelerators=tuple(part.accelerator for part in parts),
            records=host.records(self._ended),
            idle_mj=idle_mj,
            loaded_idle_mj=loaded_idle_mj,
            unattributed_mj=energy_mj - active_mj - idle_mj - loaded_idle_mj,
            host_cpu_mj=host.whole.cpu_mj,
            host_dram_mj=host.whole.dram_mj,
            host_other_mj=host.whole.other_mj,
            estimated_mj=sum(part.estimated_mj for part in parts) + host.whole.estimated_mj,
            flags=frozenset(flags),
        )

    def _of_accelerators(self, share: Share) -> Mapping[str, Totals]:
        return {device: total for device, total in share.totals.items() if device in self._devices}

    def _label_us(self, boottime_ns: int) -> int:
        return self._wall.at(boottime_ns) // _NS_PER_US

    def _record(self, work: Work, share: Share, name: str, counts: Counts) -> None:
        """Add a record of what ``work`` used, or say why there is none: then its energy is unattributed."""
        work.parts += 1
        totals = self._of_accelerators(share)
        blind = [device for device, total in totals.items() if 0 < total.duration_ns == total.missing_ns]
        flags = share.flags.union(*(total.flags for total in totals.values()))
        self._flags |= flags
        if blind:
            work.flags |= flags
            work.problem = f"{blind[0]} gave no reading while the work ran"
            _log.error("a part of work was not measured", extra={"inference_id": name, "reason": work.problem})
            return
        used_mj = work.credit(totals, flags)
        work.records.append(name)
        self._remember(name)
        start, end = share.start.boottime_ns, share.end.boottime_ns
        span_us = (self._label_us(start), self._label_us(end), (end - start) // _NS_PER_US)
        self._ended.append(
            work.record(name, counts, span_us, used_mj, self._salt(), shared="shared-in-process" in flags)
        )
        self._uses.append(self._host.use_of(share.totals))
