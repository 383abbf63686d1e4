"""A plugin of vLLM: its scheduler's steps, told to the daemon.

    GREEN_STEP_LOG=/run/green-agent/socket vllm serve meta-llama/Llama-3.1-70B-Instruct

Installed beside vLLM it is found by its entry point (``vllm.general_plugins``: green_step_log) and does nothing unless
GREEN_STEP_LOG names the daemon's socket. Written against vLLM 0.33.0. Of its hooks only the scheduler knows how many
tokens of which request are in a step (``SchedulerOutput.num_scheduled_tokens``); a stat logger is given sums. So the
class that ``SchedulerConfig.get_scheduler_cls`` names is extended, whichever it is: a step is what ``schedule`` has
returned, from then, or from the end of the step before if that is later (steps are scheduled ahead), until
``update_from_output`` is called with its result. vLLM calls that interface not public: where it no longer fits, the
engine runs on and says once that its steps are not told.

What a request belongs to is the node's own tenant, unless GREEN_STEP_LOG_TENANT_ARG names a member of ``vllm_xargs``
that says it. Clients can set those: name one only where a gateway in front of vLLM sets or removes it.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from agent.attribution.steps import Phase
from agent.clock import Clock, SystemClock
from agent.integrations.step_log import StepLog

SOCKET_VARIABLE: Final = "GREEN_STEP_LOG"
TENANT_VARIABLE: Final = "GREEN_STEP_LOG_TENANT_ARG"

_log = logging.getLogger(__name__)


class Log(Protocol):
    """What is told of an engine: see StepLog."""

    def begin(self, request_id: str, tenant_id: str | None = None) -> None:
        """Tell that a request begins."""
        ...

    def step(self, t0_ns: int, t1_ns: int, parts: list[tuple[str, int, int, Phase]]) -> None:
        """Tell of a step."""
        ...

    def end(self, request_id: str, input_tokens: int | None = None, output_tokens: int | None = None) -> None:
        """Tell that a request has ended."""
        ...


class Watch:
    """What a scheduler does, as steps: fed with its calls, and tells a log. The scheduler's thread alone calls it."""

    def __init__(self, log: Log, clock: Clock, tenant_arg: str = "") -> None:
        """Tell ``log``."""
        self._log = log
        self._clock = clock
        self._tenant_arg = tenant_arg
        self._requests: dict[str, Any] = {}
        self._begun: set[str] = set()
        self._flying: deque[tuple[Any, int, list[tuple[str, int, int, Phase]]]] = deque()
        self._free_ns = 0

    def added(self, request: Any) -> None:
        """Take a request (vllm.v1.request.Request) that was added."""
        self._requests.setdefault(request.request_id, request)

    def scheduled(self, output: Any) -> None:
        """Take what is computed next (vllm.v1.core.sched.output.SchedulerOutput)."""
        for request_id in output.finished_req_ids:
            self._end_if_done(request_id)
        if not output.num_scheduled_tokens:
            return
        parts = list(self._parts(output))
        for request_id, *_ in parts:
            if request_id not in self._begun and request_id in self._requests:
                self._begun.add(request_id)
                self._log.begin(request_id, self._tenant(self._requests[request_id]))
        self._flying.append((output, self._clock.boottime_ns(), parts))

    def computed(self, output: Any, ended_ns: int) -> None:
        """Take that what was scheduled has been computed; what was scheduled before it and has no result never will."""
        if not any(flown is output for flown, _, _ in self._flying):
            return
        flown = None
        while flown is not output:
            flown, scheduled_ns, parts = self._flying.popleft()
        self._log.step(max(scheduled_ns, self._free_ns), ended_ns, parts)
        self._free_ns = ended_ns

    def look(self) -> None:
        """End the requests that have finished and are in no step any more."""
        for request_id in [name for name, request in self._requests.items() if request.is_finished()]:
            self._end_if_done(request_id)

    def _parts(self, output: Any) -> Iterator[tuple[str, int, int, Phase]]:
        contexts = {new.req_id: new.num_computed_tokens for new in output.scheduled_new_reqs}
        cached = output.scheduled_cached_reqs
        contexts |= dict(zip(cached.req_ids, cached.num_computed_tokens, strict=True))
        for request_id, tokens in output.num_scheduled_tokens.items():
            context = contexts.get(request_id, 0)
            request = self._requests.get(request_id)
            prompt = request.num_prompt_tokens if request is not None else 0
            yield request_id, tokens, context, "prefill" if context < prompt else "decode"

    def _end_if_done(self, request_id: str) -> None:
        # A step ahead may still compute a token that nobody waits for; it is this request's.
        if any(request_id in output.num_scheduled_tokens for output, _, _ in self._flying):
            return
        request = self._requests.pop(request_id, None)
        if request is not None and request_id in self._begun:
            self._begun.discard(request_id)
            self._log.end(request_id, request.num_prompt_tokens, request.num_output_tokens)

    def _tenant(self, request: Any) -> str | None:
        extra = getattr(request.sampling_params, "extra_args", None) if self._tenant_arg else None
        value = extra.get(self._tenant_arg) if extra else None
        return value if isinstance(value, str) else None


@cache
def step_logged(scheduler: type[Any]) -> type[Any]:  # noqa: C901 - it counts the methods of the class inside
    """Return a scheduler class that does what ``scheduler`` does, and tells the daemon of its steps."""

    class StepLogged(scheduler):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._green_watch: Watch | None = None
            self._green_told(self._green_begin)

        def add_request(self, request: Any) -> Any:
            result = super().add_request(request)
            self._green_told(self._green_tell, Watch.added, request)
            return result

        def schedule(self, *args: Any, **kwargs: Any) -> Any:
            output = super().schedule(*args, **kwargs)
            self._green_told(self._green_tell, Watch.scheduled, output)
            return output

        def update_from_output(self, scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
            ended_ns = SystemClock().boottime_ns()
            result = super().update_from_output(scheduler_output, *args, **kwargs)
            self._green_told(self._green_tell, Watch.computed, scheduler_output, ended_ns)
            self._green_told(self._green_tell, Watch.look)
            return result

        def finish_requests(self, *args: Any, **kwargs: Any) -> Any:
            result = super().finish_requests(*args, **kwargs)
            self._green_told(self._green_tell, Watch.look)
            return result

        def _green_begin(self) -> None:
            self._green_watch = _watch(self.vllm_config)

        def _green_tell(self, what: Callable[..., None], *given: Any) -> None:
            if self._green_watch is not None:
                what(self._green_watch, *given)

        def _green_told(self, tell: Callable[..., None], *given: Any) -> None:
            try:
                tell(*given)
            except Exception:  # noqa: BLE001 - the engine answers whatever its accounts meet
                self._green_watch = None
                _log.exception("this vLLM is not as expected; its steps are not told any more")

    StepLogged.__name__ = StepLogged.__qualname__ = f"StepLogged{scheduler.__name__}"
    return StepLogged


def register() -> None:
    """Have vLLM use a scheduler that tells of its steps, where GREEN_STEP_LOG is set. It may be called repeatedly."""
    if not os.environ.get(SOCKET_VARIABLE):
        return
    from vllm.config.scheduler import SchedulerConfig

    extend(SchedulerConfig)


def extend(config: type[Any]) -> None:
    """Have ``config.get_scheduler_cls`` (vllm.config.scheduler.SchedulerConfig) return an extended class, once."""
    chosen = config.get_scheduler_cls
    if getattr(chosen, "is_step_logged", False):
        return

    def get_scheduler_cls(self: Any) -> type[Any]:
        return step_logged(chosen(self))

    get_scheduler_cls.is_step_logged = True  # type: ignore[attr-defined]
    config.get_scheduler_cls = get_scheduler_cls


def _watch(vllm_config: Any) -> Watch:
    model = vllm_config.model_config
    served = getattr(model, "served_model_name", None)
    name = served[0] if isinstance(served, (list, tuple)) and served else served
    log = StepLog(Path(os.environ[SOCKET_VARIABLE]), str(name or model.model))
    return Watch(log, SystemClock(), os.environ.get(TENANT_VARIABLE, ""))
