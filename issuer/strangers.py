"""Work on credentials that customers wrote themselves: it may take long, so it gets threads of its own.

The event loop's own threads are few, and every record needs one. A document of a customer's is canonicalized in a
worker process, one after the other, and waiting for that must not keep a record waiting.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, ParamSpec, TypeVar

from issuer.errors import OverloadedError
from issuer.turns import Turns
from schemas.strict_json import JsonObject
from verifier import document, errors
from verifier.document import Kind
from verifier.http.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 2
_PER_TENANT: Final = 1
_TENANTS_AT_ONCE: Final = 8
_QUEUE_TIMEOUT_S: Final = 10.0


class Strangers:
    """Threads for customers' documents, and one place a tenant in the queue before them."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._threads = Threads(_THREADS, name="strangers", queue_timeout_s=_QUEUE_TIMEOUT_S)
        self._turns = Turns("credentials of this tenant", each=_PER_TENANT, most=_TENANTS_AT_ONCE)

    @asynccontextmanager
    async def turn(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold the tenant's place in the block. Raises OverloadedError where it does not become free in time."""
        async with self._turns.of(tenant_id):
            yield

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns, done in one of the threads. Raises what it raises, and OverloadedError."""
        try:
            return await self._threads.run(functools.partial(work, *args, **kwargs))
        except errors.OverloadedError as error:
            raise OverloadedError("too many credentials are waiting to be processed; send it again later") from error


def is_strangers(value: JsonObject) -> bool:
    """Return whether a document is of a type that is not ours, so that its canonical form may take long to make."""
    return document.kind_of(value) is Kind.FOREIGN
