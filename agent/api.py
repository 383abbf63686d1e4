"""``agent.measure``: the energy of a block of code, or of a function's calls, as signed records.

    import agent

    with agent.measure(model_id="meta-llama/Llama-3.1-8B") as measured:
        answer = model.generate(prompt)
    print(measured.result.energy_mj)

Where the daemon measures, a record can say whose the work is and how many tokens it had:

    with agent.measure(model_id="meta-llama/Llama-3.1-8B", tenant="acme") as measured:
        answer = model.generate(prompt)
        measured.input_tokens, measured.output_tokens = answer.usage

``async with`` and use as a decorator work alike. A decorated function states its tokens by ``agent.current()``, the
block around its call, and ``on_end`` gets each call's block with its result:

    @agent.measure(model_id="meta-llama/Llama-3.1-8B", on_end=lambda measured: print(measured.result))
    def answer(prompt): ...

Blocks nest: the energy of an inner block is the inner block's, the outer one gets what is left. The record is signed
and put on disk by another thread, right after the block: the code does not wait for it, ``measured.stored()`` does, and
kill -9 in between loses that one. What goes wrong while measuring is logged and kept in ``measured.problem``; it never
reaches the code that is being measured.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import operator
import os
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar, Token
from dataclasses import replace
from types import TracebackType
from typing import ParamSpec, Self, SupportsIndex, TypeVar, cast

from agent.clock import SystemClock
from agent.decorator import measured
from agent.errors import FigureLateError, MeasurementError, SettingsError, UnmeasuredError
from agent.measurement import UNCOUNTED, Measurement
from agent.process import default_session, is_default, is_strict, note_unmeasured
from agent.session import NO_ROOM, Measurer, Running, Session
from agent.unmeasured import Work, begin, why
from schemas.errors import GreenError
from schemas.plain_values import MAX_INTEGER

_P = ParamSpec("_P")
_R = TypeVar("_R")

_log = logging.getLogger(__name__)
_current: ContextVar[Measuring | None] = ContextVar("green_agent_current", default=None)


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
        on_end: Callable[[Measuring], object] | None = None,
    ) -> None:
        """Prepare; measuring starts when the block is entered."""
        self.model_id = model_id
        self.inference_id = inference_id
        self.result: Measurement | None = None
        self.problem: GreenError | None = None
        self._tenant = tenant
        self._counts = UNCOUNTED
        self._given = session
        self._session: Measurer | None = None
        self._is_default = False
        self._running: Running | None = None
        self._on_end = on_end
        self._token: Token[Measuring | None] | None = None
        self._records: list[Future[str]] = []

    def __enter__(self) -> Self:
        """Start measuring. Raises SettingsError where the agent is not set up, or for names that cannot be.

        Trouble with measuring raises nothing (but with the setting ``strict``): the work runs, and ``problem`` says why
        there is no result.
        """
        if self._running is not None:
            raise SettingsError("this measurement runs already; make a new one with agent.measure for each block")
        session = self._given or default_session()
        self._is_default = is_default(session)
        outer = _current.get()
        parent = outer.running_in(session) if outer is not None else None
        work = Work(self.model_id, self.inference_id, parent, self._tenant)
        strict = self._is_default and is_strict()
        self._session, self._running = begin(session, work, SystemClock(), strict=strict)
        self._counts, self.result, self.problem = UNCOUNTED, None, None
        self.inference_id = self._running.inference_id
        self.step_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring; a block that raised used energy too, so it is recorded all the same."""
        running, session, self._running = self._running, self._session, None
        if running is None or session is None:
            return
        self.step_out()
        try:
            self.result = session.stop(running, self._counts)
        except MeasurementError as problem:
            self.problem = problem
            # What was known when it began was told then.
            if not isinstance(problem, UnmeasuredError):
                _log.error(
                    "no figure can be given", extra={"inference_id": self.inference_id, "reason": problem.detail}
                )
            self._count_unmeasured(problem)
        except Exception as problem:  # noqa: BLE001 - whatever it is, the work must not suffer for being measured
            _log.exception("measuring failed", extra={"inference_id": self.inference_id})
            self._count_unmeasured(problem)
        self._records = running.records
        if self._on_end is not None:
            try:
                self._on_end(self)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("on_end failed", extra={"inference_id": self.inference_id})

    def _count_unmeasured(self, problem: Exception) -> None:
        # What the daemon was told of it counts, though the figure is late.
        if self._is_default and not isinstance(problem, FigureLateError):
            note_unmeasured(why(problem))

    def running_in(self, session: Measurer) -> Running | None:
        """Return what runs of the block in ``session``, None where nothing does: work of one can be inside it."""
        return self._running if self._session is session else None

    def step_in(self) -> None:
        """Let what runs next be inside the block, which is open (agent.decorator)."""
        self._token = _current.set(self)

    def step_out(self) -> None:
        """Let what runs next be outside the block, which stays open (agent.decorator)."""
        token, self._token = self._token, None
        if token is not None:
            _leave(token)

    async def __aenter__(self) -> Self:
        """Start measuring, as ``with`` does; opening the session, which touches disk and driver, waits in a thread."""
        if self._given is None:
            await asyncio.to_thread(default_session)
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

    def _counted(self, name: str, value: SupportsIndex) -> int | None:
        """Return a count as the record has it. Raises SettingsError where it is none, or has no place there.

        None where it has no place only because no daemon answered: that must not reach the work.
        """
        if self._running is None or self._session is None:
            raise SettingsError(f"{name}: it is set inside the block, which is not entered yet or was left")
        stands_in = isinstance(self._session, Session) and self._session.stands_in
        if not self._session.has_room_for_counts and not stands_in:
            raise SettingsError(f"{name}: {NO_ROOM}")
        try:
            # Also a whole number of numpy's or a tensor's; never True, never 812.0.
            count = -1 if isinstance(value, bool) else operator.index(value)
        except TypeError:
            count = -1
        if not 0 <= count <= MAX_INTEGER:
            raise SettingsError(f"{name}: {value!r:.40} is not a whole number from 0 to {MAX_INTEGER}")
        return None if stands_in else count

    def stored(self, timeout_s: float | None = None) -> list[str]:
        """Wait until the block's records are on disk and return their names in the spool.

        Raises the AgentError that prevented it, or TimeoutError.
        """
        return [record.result(timeout_s) for record in self._records]

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return ``function`` with each of its calls measured, generators from their first to their last item."""
        if self.inference_id is not None:
            raise SettingsError("a decorated function runs many times: leave inference_id out, each call gets its own")
        fresh = functools.partial(
            Measuring, self.model_id, session=self._given, tenant=self._tenant, on_end=self._on_end
        )
        return cast("Callable[_P, _R]", measured(function, fresh))


def measure(
    model_id: str,
    inference_id: str | None = None,
    *,
    tenant: str | None = None,
    session: Measurer | None = None,
    on_end: Callable[[Measuring], object] | None = None,
) -> Measuring:
    """Return a block to be entered with ``with`` or ``async with``, or a decorator.

    Args:
        model_id: the model that runs, as it shall stand in the credential.
        inference_id: 1 to 120 of ``A-Za-z0-9._:~-``; default: a new UUID version 7.
        tenant: whose the work is, by the id or the subject that the issuer has for that tenant; default: the
            node's own. Only where the daemon measures: else SettingsError when the block is entered.
        session: default: one for the process, from the settings of ``green-agent enroll``.
        on_end: gets the block when it was left, with ``result`` or ``problem``: how the result of a decorated
            function's call is reached. What it raises is logged and never reaches the work.
    """
    return Measuring(model_id, inference_id, session, tenant, on_end)


def current() -> Measuring | None:
    """Return the innermost block that the caller runs in, None outside of all."""
    return _current.get()


def _leave(token: Token[Measuring | None]) -> None:
    try:
        _current.reset(token)
    except ValueError:  # an async generator was closed from another context, where nothing was set
        return


def _after_fork() -> None:
    # What the parent is inside of is measured there (agent.process opens the child's own).
    _current.set(None)


os.register_at_fork(after_in_child=_after_fork)
