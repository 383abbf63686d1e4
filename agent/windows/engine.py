"""Engines and their requests: who they are, what they stepped, and when a window's energy is shared among them.

An engine computes many requests at once, so none of them is an entry of the ledger. What no other work ran for is
theirs, tick by tick, by the steps that the engine tells (agent.attribution). It tells a step after it, so a window
waits for ``GRACE_NS`` after its end before it is shared and handed on; a step that comes later counts for nobody
there, which is logged and counted. All is bounded: requests, steps, and how long either may be.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.attribution.fit import Fit, Fitted
from agent.attribution.shares import Tick
from agent.attribution.steps import Phase, Scheduled, Step
from agent.clock import Clock
from agent.errors import SettingsError
from agent.measurement import UNCOUNTED, Counts, Totals
from agent.windows.engine_settle import UNLEARNT, Cut, Member, settle
from agent.windows.pool import Pool
from agent.windows.telemetry import TelemetryWindow

GRACE_NS: Final = 500_000_000
"""How long after its end a window waits for steps."""

PERIOD_S: Final = 0.05
"""How often the meters are read while an engine is there: twice as often as counters tick, for 10 samples a second.
Read as often as they tick, they would at times show two ticks at once, and each up to a whole tick late."""

MAX_PENDING: Final = 1_000_000
"""Requests in steps that wait for their window's end, of all engines; about 150 MB. One has at most half of what is
free: a thousand requests at once, fifty steps a second, for a window of ten seconds."""

STEP_COSTS: Final = 16
"""What a step takes of that besides its requests: so an engine has at most about 30,000 steps waiting."""

LONGEST_STEP_NS: Final = 60_000_000_000
_AHEAD_NS: Final = 100_000_000
_NEVER_S: Final = 3600.0
_NS_PER_S: Final = 1_000_000_000
_TOLD_EVERY_NS: Final = 10 * _NS_PER_S

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class EngineRequest:
    """A request that an engine computes, or has computed in a window that is not settled yet."""

    inference_id: str
    model_id: str
    tenant_id: str | None
    engine: Engine
    begun_ns: int
    ended_ns: int | None = None
    parts: int = 0
    counts: Counts = UNCOUNTED
    reported: dict[Phase, int] = field(default_factory=dict)
    tokens: list[tuple[int, Phase, int]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Engine:
    """An engine that is connected, or was in a window that is not settled yet.

    Attributes:
        late: steps that came after their window was settled. They count for nobody.
        dropped: steps that did not fit into what may wait, or that the engine itself had no room for.
    """

    stepped: bool = False
    pending: int = 0
    late: int = 0
    dropped: int = 0
    quiet_until_ns: int = 0
    steps: deque[Step] = field(default_factory=deque)


class EngineBook:
    """The engines of a node's windows. Any thread may call it."""

    def __init__(
        self,
        clock: Clock,
        deliver: Callable[[TelemetryWindow], None],
        devices: Iterable[str],
        *,
        salt: Callable[[], str],
        remember: Callable[[str], None],
    ) -> None:
        """Share what ``devices`` use; ``deliver`` gets each window when it is settled, in order.

        ``remember`` is told the name of each record, while no lock is held.
        """
        self._clock = clock
        self._deliver = deliver
        self._salt = salt
        self._remember = remember
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._pool = Pool(devices)
        self._fit = Fit()
        self._engines: set[Engine] = set()
        self._connected: set[Engine] = set()
        self._requests: dict[str, EngineRequest] = {}
        self._cuts: deque[Cut] = deque()
        self._settled_ns = 0
        self._free = MAX_PENDING
        self.ended = 0
        """How many requests ended since the last cut."""
        self.fitted: Fitted | None = None
        """What the last settled window taught."""

    @property
    def period_s(self) -> float:
        """How often the meters must be read for engines."""
        return PERIOD_S if self._pool.wanted else _NEVER_S

    def connect(self) -> Engine:
        """Return a new engine."""
        with self._lock:
            engine = Engine()
            self._engines.add(engine)
            self._connected.add(engine)
            self._pool.wanted = True
            return engine

    def disconnect(self, engine: Engine) -> None:
        """End an engine, and with it all of its requests: whoever computed them is gone."""
        now_ns = self._clock.boottime_ns()
        with self._lock:
            self._connected.discard(engine)
            for request in self._requests.values():
                if request.engine is engine and request.ended_ns is None:
                    request.ended_ns = now_ns
                    self.ended += 1

    def begin(
        self, engine: Engine, model_id: str, inference_id: str, tenant_id: str | None, at_ns: int | None = None
    ) -> EngineRequest:
        """Return a new request, which began at ``at_ns``, at most a grace ago. Its names were checked before."""
        begun_ns = self._moment(at_ns)
        with self._lock:
            request = EngineRequest(inference_id, model_id, tenant_id, engine, begun_ns)
            self._requests[inference_id] = request
            return request

    def report(self, request: EngineRequest, counts: Counts, at_ns: int | None = None) -> None:
        """Take how many tokens a request has had so far, in all: engines that tell no steps are shared by that."""
        moment_ns = self._moment(at_ns)
        now: tuple[tuple[Phase, int | None], ...] = (("prefill", counts.input_tokens), ("decode", counts.output_tokens))
        with self._lock:
            if request.engine.stepped:
                return
            for phase, count in now:
                more = (count or 0) - request.reported.get(phase, 0)
                if more > 0:
                    request.reported[phase] = request.reported.get(phase, 0) + more
                    request.tokens.append((moment_ns, phase, more))

    def end(self, request: EngineRequest, counts: Counts = UNCOUNTED, at_ns: int | None = None) -> None:
        """End a request, and state what it had in all."""
        self.report(request, counts, at_ns)
        moment_ns = self._moment(at_ns)
        with self._lock:
            if request.ended_ns is None:
                request.ended_ns = max(moment_ns, request.begun_ns)
                request.counts = counts
                self.ended += 1

    def step(self, engine: Engine, t0_ns: int, t1_ns: int, requests: Mapping[str, Scheduled]) -> None:
        """Take a step. One that is too late, or too many, is counted and told.

        Raises SettingsError for one that ends before it begins, or in the future, or is too long.
        """
        if not 0 <= t1_ns - t0_ns <= LONGEST_STEP_NS or t1_ns > self._clock.boottime_ns() + _AHEAD_NS:
            raise SettingsError(
                "a step is from t0 to t1 by CLOCK_BOOTTIME in ns, at most a minute long and not in the future; "
                f"not from {t0_ns} to {t1_ns}. In a container, give the engine the host's time namespace"
            )
        places = len(requests) + STEP_COSTS
        with self._lock:
            engine.stepped = True
            if t1_ns <= self._settled_ns:
                engine.late += 1
            elif engine.pending + places > (self._free + engine.pending) // 2:
                engine.dropped += 1
            else:
                self._free -= places
                engine.pending += places
                engine.steps.append(Step(t0_ns, t1_ns, requests))
                return
            self._tell(engine)

    def dropped(self, engine: Engine, count: int) -> None:
        """Take that an engine had no room for ``count`` steps."""
        with self._lock:
            engine.dropped += count
            self._tell(engine)

    def note(self, totals: Mapping[str, Totals], *, free: bool) -> None:
        """Take what was credited to nobody's work up to now, and whether it still is. Called after each reading."""
        with self._lock:
            self._pool.note(self._clock.boottime_ns(), totals, free=free)

    def cut(self, now_ns: int, totals: Mapping[str, Totals], *, free: bool) -> tuple[list[Tick], int]:
        """Return the ticks of the window that ends now, and until when they are complete; for ``deliver``."""
        with self._lock:
            self.ended = 0
            return self._pool.cut(now_ns, totals, free=free)

    def deliver(self, window: TelemetryWindow, start_ns: int, end_ns: int, ticks: tuple[list[Tick], int]) -> None:
        """Hand a window on: at once where no engine is there, else when its steps have come. It must not wait."""
        with self._lock:
            if self._engines or self._cuts:
                self._cuts.append(Cut(window, start_ns, end_ns, *ticks))
                return
        self._deliver(window)

    def settle(self, *, force: bool = False) -> None:
        """Share and hand on the windows that have waited long enough; all of them if ``force``."""
        with self._settling:
            while True:
                with self._lock:
                    waited_ns = self._clock.boottime_ns() - GRACE_NS
                    if not self._cuts or not (force or self._cuts[0].end_ns <= waited_ns):
                        self._rest()
                        return
                    cut = self._cuts.popleft()
                    # After the last window there is none that could have the rest.
                    last = force and not self._cuts
                    members = [self._member(request, cut, last=last) for request in self._requests.values()]
                    steps = [step for engine in self._engines for step in engine.steps]
                self._deliver(self._settled(cut, members, steps))
                self._forget(cut, members)

    def _settled(self, cut: Cut, members: Sequence[Member], steps: Sequence[Step]) -> TelemetryWindow:
        present = [member for member in members if member.begun_ns < cut.end_ns]
        try:
            self.fitted = self._fit.learn(cut.ticks, steps) or self.fitted
            cost = self.fitted.cost if self.fitted is not None else UNLEARNT
            window = settle(cut, present, steps, cost, self._salt)
        except Exception:  # noqa: BLE001 - the window is kept whatever its engines told
            _log.exception("a window could not be shared among an engine's requests; it is unattributed")
            return cut.window
        for record in window.records[len(cut.window.records) :]:
            self._count(record.inference_id)
        return window

    def _count(self, name: str) -> None:
        self._remember(name)
        request = self._requests.get(name) or self._requests.get(name.rpartition("~")[0])
        if request is not None:
            request.parts += 1

    def _member(self, request: EngineRequest, cut: Cut, *, last: bool) -> Member:
        tokens: dict[Phase, int] = {}
        for at_ns, phase, count in request.tokens:
            if at_ns <= cut.end_ns:
                tokens[phase] = tokens.get(phase, 0) + count
        # Tokens are known when they are reported, so who tells no steps is complete at the window's end.
        complete_ns = cut.settled_ns if request.engine.stepped and not last else cut.end_ns
        return Member(
            inference_id=request.inference_id,
            model_id=request.model_id,
            tenant_id=request.tenant_id,
            begun_ns=request.begun_ns,
            ended_ns=request.ended_ns if request.ended_ns is not None and request.ended_ns <= cut.end_ns else None,
            final=request.ended_ns is not None and request.ended_ns <= complete_ns,
            part=request.parts + 1,
            counts=request.counts,
            stepped=request.engine.stepped,
            tokens=tokens,
        )

    def _forget(self, cut: Cut, members: Sequence[Member]) -> None:
        """Drop what no later window needs."""
        with self._lock:
            self._settled_ns = max(self._settled_ns, cut.settled_ns)
            for member in members:
                request = self._requests[member.inference_id]
                request.tokens = [one for one in request.tokens if one[0] > cut.end_ns]
                if member.final:
                    del self._requests[member.inference_id]
            for engine in self._engines:
                kept = deque(step for step in engine.steps if step.t1_ns > self._settled_ns)
                pending = sum(len(step.requests) + STEP_COSTS for step in kept)
                self._free += engine.pending - pending
                engine.steps, engine.pending = kept, pending

    def _rest(self) -> None:
        """Forget engines that are gone and settled; read the meters slowly again when none is left."""
        if self._cuts:
            return
        busy = {request.engine for request in self._requests.values()} | self._connected
        for engine in self._engines - busy:
            self._free += engine.pending
        self._engines &= busy
        self._pool.wanted = bool(self._engines)

    def _moment(self, at_ns: int | None) -> int:
        now_ns = self._clock.boottime_ns()
        return now_ns if at_ns is None else min(max(at_ns, now_ns - GRACE_NS), now_ns)

    def _tell(self, engine: Engine) -> None:
        now_ns = self._clock.boottime_ns()
        if now_ns >= engine.quiet_until_ns:
            engine.quiet_until_ns = now_ns + _TOLD_EVERY_NS
            told = {"late": engine.late, "dropped": engine.dropped}
            _log.warning("steps of an engine count for nobody: they came too late, or were too many", extra=told)
