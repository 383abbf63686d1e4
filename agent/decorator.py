"""Functions whose calls are measured: plain ones, coroutine functions, generators, and asynchronous generators.

A generator is measured from its first to its last item. While it waits for whoever reads it, its block stays open but
is not around what runs meanwhile: that is its reader's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Protocol, Self


class Block(Protocol):
    """What a call is measured by: agent.api.Measuring."""

    def __enter__(self) -> Self:
        """Start measuring."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring."""
        ...

    async def __aenter__(self) -> Self:
        """Start measuring."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop measuring."""
        ...

    def step_in(self) -> None:
        """Let what runs next be inside the block."""
        ...

    def step_out(self) -> None:
        """Let what runs next be outside the block, which stays open."""
        ...


def measured(function: Callable[..., Any], block: Callable[[], Block]) -> Callable[..., Any]:
    """Return ``function`` with each call inside a block of its own; results and errors pass unchanged."""
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, block)
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, block)
    if inspect.isgeneratorfunction(function):
        return _generator(function, block)

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return plain


def _coroutine(function: Callable[..., Any], block: Callable[[], Block]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        async with block():
            return await function(*args, **kwargs)

    return coroutine


def _generator(function: Callable[..., Any], block: Callable[[], Block]) -> Callable[..., Any]:
    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with block() as opened:
            inner = function(*args, **kwargs)
            step = functools.partial(inner.send, None)
            while True:
                try:
                    item = step()
                except StopIteration as end:
                    return end.value
                opened.step_out()
                try:
                    sent = yield item
                except GeneratorExit:
                    opened.step_in()
                    inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in is the function's to handle
                    opened.step_in()
                    step = functools.partial(inner.throw, error)
                else:
                    opened.step_in()
                    step = functools.partial(inner.send, sent)

    return generator


def _async_generator(function: Callable[..., Any], block: Callable[[], Block]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        async with block() as opened:
            inner = function(*args, **kwargs)
            step = functools.partial(inner.asend, None)
            while True:
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
                opened.step_out()
                try:
                    sent = yield item
                except GeneratorExit:
                    opened.step_in()
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in is the function's to handle
                    opened.step_in()
                    step = functools.partial(inner.athrow, error)
                else:
                    opened.step_in()
                    step = functools.partial(inner.asend, sent)

    return async_generator
