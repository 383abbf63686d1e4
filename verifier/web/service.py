"""What the routes share: settings, fetcher, engines, memory, and how a verification is run beside others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from verifier.case import Engines
from verifier.document import Document, Kind
from verifier.errors import OverloadedError
from verifier.evidence import NOTHING, Evidence
from verifier.fetch import Fetcher
from verifier.gather import gather, window_of
from verifier.http.limits import Room
from verifier.http.threads import Threads
from verifier.memo import Memo
from verifier.policy import Policy
from verifier.report import Report
from verifier.settings import Settings
from verifier.status_lists.known import KnownLists, recall, remember
from verifier.verify import Expectation, verify_credential, verify_presentation, verify_receipt
from verifier.web.challenges import Challenges

T = TypeVar("T")

_SMALL_BYTES: Final = 16 * 1024


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of a running verifier.

    ``judging`` bounds how many documents are judged at once, ``gathering`` for how many evidence is fetched: two
    bounds, so that slow hosts keep nobody from being judged. ``parsing`` bounds how many large documents are
    read at once: as values, 16 MB of JSON are many times that. ``issuing`` are the threads in which challenges are
    given out: each kind of work has its own, so that none waits for another. ``bodies`` and ``documents`` bound the
    memory of all requests together: as they arrive, and as values.
    """

    settings: Settings
    policy: Policy
    fetcher: Fetcher
    known: KnownLists
    challenges: Challenges
    engines: Engines
    clock: Callable[[], datetime]
    judging: Threads
    gathering: asyncio.Semaphore
    parsing: Threads
    issuing: Threads
    bodies: Room
    documents: Room

    async def parsed(self, raw: bytes, parse: Callable[[bytes], T]) -> T:
        """Return what ``parse`` makes of a body, in a thread unless it is small. Raises OverloadedError as verify.

        Parsing up to 16 MB is work: on the event loop everybody else would wait for it.
        """
        return parse(raw) if len(raw) <= _SMALL_BYTES else await self.parsing.run(lambda: parse(raw))

    async def verify(
        self,
        document: Document,
        policy: Policy,
        expectation: Expectation | None = None,
        *,
        write: Callable[[Report], T],
    ) -> T:
        """Return what ``write`` makes of the verdict on a credential, or on a presentation where there is an expectation.

        Fetches what is missing, then judges and writes in a thread; a challenge of ours is spent there, whatever the
        verdict. Raises OverloadedError where no place is free in time or no worker had room for the document.
        """
        # A receipt is no credential, so nothing is fetched for one that is sent as such.
        evidence = NOTHING if document.kind is Kind.RECEIPT else await self._gathered(document, NOTHING)

        def judge(known: Evidence, now: datetime, memo: Memo) -> Report:
            if expectation is None:
                return verify_credential(document, known, policy, now, engines=self.engines, memo=memo)
            expected = self.challenges.redeem(expectation, now)
            return verify_presentation(document, known, policy, expected, now, engines=self.engines, memo=memo)

        return await self._judged(document, evidence, policy, judge, write)

    async def verify_receipt(
        self, receipt: Document, given: Evidence, policy: Policy, *, write: Callable[[Report], T]
    ) -> T:
        """Return what ``write`` makes of the verdict on a receipt; ``given`` has its window's credential if that came along. As verify."""
        evidence = await self._gathered(receipt, given)

        def judge(known: Evidence, now: datetime, memo: Memo) -> Report:
            return verify_receipt(receipt, known, policy, now, engines=self.engines, memo=memo)

        return await self._judged(window_of(receipt, evidence) or receipt, evidence, policy, judge, write)

    async def _gathered(self, document: Document, given: Evidence) -> Evidence:
        async with self.place(self.gathering):
            budget, attachments = self.settings.budget(document), self.settings.fetch_evidence
            return await gather(document, given, self.fetcher, budget=budget, with_attachments=attachments)

    async def _judged(
        self,
        signed: Document,
        evidence: Evidence,
        policy: Policy,
        judge: Callable[[Evidence, datetime, Memo], Report],
        write: Callable[[Report], T],
    ) -> T:
        """Return what ``write`` makes of what ``judge`` finds, with what is remembered of the status lists that ``signed`` names."""

        def work() -> T:
            now, memo = self.clock(), Memo()
            until = now + timedelta(seconds=policy.leeway_s)
            report = judge(evidence.joined(recall(signed, self.known, until=until)), now, memo)
            remember(memo, self.known, now=now, leeway_s=policy.leeway_s)
            if report.problem == OverloadedError.name:
                raise OverloadedError(report.detail or "the service is busy")
            return write(report)

        return await self.judging.run(work)

    @asynccontextmanager
    async def place(self, places: asyncio.Semaphore) -> AsyncIterator[None]:
        """Hold one of ``places``. Raises OverloadedError where none is free in time."""
        try:
            async with asyncio.timeout(self.settings.queue_timeout_s):
                await places.acquire()
        except TimeoutError as error:
            raise OverloadedError("the service is busy with other verifications; come back later") from error
        try:
            yield
        finally:
            places.release()
