"""``agent.measure``: the energy of a block of code, or of a function's calls, as signed records.

    import agent

    with agent.measure(model_id="meta-llama/Llama-3.1-8B") as measured:
        answer = model.generate(prompt)
    print(measured.result.energy_mj)

Where the daemon measures, a record can say whose the work is and how many tokens it had:

    with agent.measure(model_id="meta-llama/Llama-3.1-8B", tenant="acme") as measured:
        answer = model.generate(prompt)
        measured.input_tokens, measured.output_tokens = answer.usage

``async with`` and use as a decorator work alike. Blocks nest: the energy of an inner block is the inner block's, the
outer one gets what is left. The record is signed and put on disk by another thread, right after the block: the code
does not wait for it, ``measured.stored()`` does, and kill -9 in between loses that one. What goes wrong while
measuring is logged and kept in ``measured.problem``; it never reaches the code that is being measured.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import inspect
import logging
import operator
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from contextvars import ContextVar, Token
from dataclasses import replace
from types import TracebackType
from typing import Any, ParamSpec, Self, SupportsIndex, TypeVar, cast

from agent.config import load
from agent.errors import MeasurementError, SettingsError
from agent.home import home
from agent.measurement import UNCOUNTED, Measurement
from agent.session import NO_ROOM, Measurer, Running
from agent.windows.choose import open_measurer
from agent.windows.client import DaemonSession
from schemas.errors import GreenError
from schemas.plain_values import MAX_INTEGER

_P = ParamSpec("_P")
_R = TypeVar("_R")

_log = logging.getLogger(__name__)
_current: ContextVar[tuple[Measurer, Running] | None] = ContextVar("green_agent_current", default=None)


class Measuring:
    """One block being measured.

    Attributes:
        inference_id: the id of its record, known once the block is entered.
        result: what was measured, once the block is left; None if nothing could be.
        problem: why there is no result.
    """

    def __init__(
        self,
        model_id: str,
        inference_id: str | None = None,
        session: Measurer | None = None,
        tenant: str | None = None,
    ) -> None:
        """Prepare; measuring starts when the block is entered."""
        self.model_id = model_id
        self.inference_id = inference_id
        self.result: Measurement | None = None
        self.problem: GreenError | None = None
        self._tenant = tenant
        self._counts = UNCOUNTED
        self._session = session
        self._running: Running | None = None
        self._token: Token[tuple[Measurer, Running] | None] | None = None
        self._records: list[Future[str]] = []

    def __enter__(self) -> Self:
        """Start measuring. Raises SettingsError and others where the agent is not set up: at the start, and loudly."""
        if self._running is not None:
            raise SettingsError("this measurement runs already; make a new one with agent.measure for each block")
        session = self._session or default_session()
        outer = _current.get()
        parent = outer[1] if outer is not None and outer[0] is session else None
        self._running = session.start(self.model_id, self.inference_id, parent, self._tenant)
        self._counts = UNCOUNTED
        self._session, self.inference_id = session, self._running.inference_id
        self._token = _current.set((session, self._running))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring; a block that raised used energy too, so it is recorded all the same."""
        running, session, self._running = self._running, self._session, None
        if running is None or session is None:
            return
        if self._token is not None:
            _leave(self._token)
        try:
            self.result = session.stop(running, self._counts)
        except MeasurementError as problem:
            self.problem = problem
            _log.error("no figure can be given", extra={"inference_id": self.inference_id, "reason": problem.detail})
        except Exception:  # noqa: BLE001 - whatever it is, the work must not suffer for being measured
            _log.exception("measuring failed", extra={"inference_id": self.inference_id})
        self._records = running.records

    async def __aenter__(self) -> Self:
        """Start measuring, as ``with`` does; opening the session, which touches disk and driver, waits in a thread."""
        if self._session is None:
            self._session = await asyncio.to_thread(default_session)
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring, as ``with`` does."""
        self.__exit__(kind, error, trace)

    @property
    def tenant(self) -> str | None:
        """Whose the work is; None: the node's own tenant. It is given to ``measure``: parts of long work are sent before its end."""
        return self._tenant

    @tenant.setter
    def tenant(self, _: str | None) -> None:
        raise SettingsError("tenant: it is given when the work begins: agent.measure(model_id=…, tenant=…)")

    @property
    def input_tokens(self) -> int | None:
        """Tokens that went in; None: not stated. Set inside the block, where the daemon measures. Raises SettingsError."""
        return self._counts.input_tokens

    @input_tokens.setter
    def input_tokens(self, value: SupportsIndex) -> None:
        self._counts = replace(self._counts, input_tokens=self._counted("input_tokens", value))

    @property
    def output_tokens(self) -> int | None:
        """Tokens that came out; as ``input_tokens``."""
        return self._counts.output_tokens

    @output_tokens.setter
    def output_tokens(self, value: SupportsIndex) -> None:
        self._counts = replace(self._counts, output_tokens=self._counted("output_tokens", value))

    def _counted(self, name: str, value: SupportsIndex) -> int:
        """Return a count as the record has it. Raises SettingsError where it is none, or has no place there."""
        if self._running is None or self._session is None:
            raise SettingsError(f"{name}: it is set inside the block, which is not entered yet or was left")
        if not self._session.has_room_for_counts:
            raise SettingsError(f"{name}: {NO_ROOM}")
        try:
            # Also a whole number of numpy's or a tensor's; never True, never 812.0.
            count = -1 if isinstance(value, bool) else operator.index(value)
        except TypeError:
            count = -1
        if not 0 <= count <= MAX_INTEGER:
            raise SettingsError(f"{name}: {value!r:.40} is not a whole number from 0 to {MAX_INTEGER}")
        return count

    def stored(self, timeout_s: float | None = None) -> list[str]:
        """Wait until the block's records are on disk and return their names in the spool.

        Raises the AgentError that prevented it, or TimeoutError.
        """
        return [record.result(timeout_s) for record in self._records]

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return ``function`` with each of its calls measured, generators from their first to their last item."""
        if self.inference_id is not None:
            raise SettingsError("a decorated function runs many times: leave inference_id out, each call gets its own")
        fresh = functools.partial(Measuring, self.model_id, session=self._session, tenant=self._tenant)
        return cast("Callable[_P, _R]", _wrapped(function, fresh))


def measure(
    model_id: str, inference_id: str | None = None, *, tenant: str | None = None, session: Measurer | None = None
) -> Measuring:
    """Return a block to be entered with ``with`` or ``async with``, or a decorator.

    Args:
        model_id: the model that runs, as it shall stand in the credential.
        inference_id: 1 to 120 of ``A-Za-z0-9._:~-``; default: a new UUID version 7.
        tenant: whose the work is, by the subject that the issuer has for that tenant, or else its id; default: the
            node's own. Only where the daemon measures: else SettingsError when the block is entered.
        session: default: one for the process, from the settings of ``green-agent enroll``.
    """
    return Measuring(model_id, inference_id, session, tenant)


def _leave(token: Token[tuple[Measurer, Running] | None]) -> None:
    try:
        _current.reset(token)
    except ValueError:  # an async generator was closed from another context, where nothing was set
        return


def _wrapped(function: Callable[..., Any], block: Callable[[], Measuring]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            async with block():
                return await function(*args, **kwargs)

        return coroutine
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            async with block():
                async for item in function(*args, **kwargs):
                    yield item

        return async_generator
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with block():
                return (yield from function(*args, **kwargs))

        return generator

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return plain


_default: Measurer | None = None
_default_lock = threading.Lock()


def default_session() -> Measurer:
    """Return what measures this process: the daemon, or a session opened from the settings at the first call.

    It is closed when the process ends. Raises SettingsError, MeterUnavailableError, SpoolError, DaemonError or
    DidError where it cannot be opened.
    """
    global _default  # noqa: PLW0603 - the one session of the process, as logging has one root
    with _default_lock:
        if _default is None:
            settings = load(os.environ)
            session = open_measurer(settings, home(os.environ), os.environ, background=settings.submit)
            if session.simulated:
                _log.warning("no GPU is measured: the figures are SIMULATED, and every record says so")
            atexit.register(session.close, send_within_s=settings.run_submit_s)
            _default = session
        return _default


def _after_fork() -> None:
    # Threads and locks do not survive a fork; a child that measures opens a session of its own.
    global _default, _default_lock
    if isinstance(_default, DaemonSession):
        _default.forget()
    _default, _default_lock = None, threading.Lock()
    _current.set(None)


os.register_at_fork(after_in_child=_after_fork)
