"""What the routes share: settings, fetcher, engines, memory, and how a verification is run beside others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.case import Engines
from verifier.challenges import Challenges
from verifier.document import Document
from verifier.errors import OverloadedError
from verifier.evidence import NOTHING, Evidence
from verifier.fetch import Fetcher
from verifier.gather import gather
from verifier.known_lists import KnownLists, recall, remember
from verifier.limits import Room
from verifier.memo import Memo
from verifier.policy import Policy
from verifier.report import Report
from verifier.settings import Settings
from verifier.verify import Expectation, verify_credential, verify_presentation


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of a running verifier.

    ``judging`` bounds how many documents are judged at once, ``gathering`` for how many evidence is fetched: two
    bounds, so that slow hosts keep nobody from being judged. ``parsing`` bounds how many large documents are
    read at once: as values, 16 MB of JSON are many times that. ``bodies`` and ``documents`` bound the memory of all
    requests together: as they arrive, and as values.
    """

    settings: Settings
    policy: Policy
    fetcher: Fetcher
    known: KnownLists
    challenges: Challenges
    engines: Engines
    clock: Callable[[], datetime]
    judging: asyncio.Semaphore
    gathering: asyncio.Semaphore
    parsing: asyncio.Semaphore
    bodies: Room
    documents: Room

    async def verify(self, document: Document, policy: Policy, expectation: Expectation | None = None) -> Report:
        """Return the verdict on a credential, or on a presentation where there is an expectation.

        Fetches what is missing, then judges in a thread; a challenge of ours is spent there, whatever the verdict.
        Raises OverloadedError where no place is free in time or no worker had room for the document.
        """
        async with self.place(self.gathering):
            budget, attachments = self.settings.budget(document), self.settings.fetch_evidence
            evidence = await gather(document, NOTHING, self.fetcher, budget=budget, with_attachments=attachments)
        async with self.place(self.judging):
            report = await asyncio.to_thread(self._judge, document, evidence, policy, expectation)
        if report.problem == OverloadedError.name:
            raise OverloadedError(report.detail or "the service is busy")
        return report

    def _judge(self, document: Document, evidence: Evidence, policy: Policy, expectation: Expectation | None) -> Report:
        now, memo = self.clock(), Memo()
        evidence = evidence.joined(recall(document, self.known, until=now + timedelta(seconds=policy.leeway_s)))
        if expectation is None:
            report = verify_credential(document, evidence, policy, now, engines=self.engines, memo=memo)
        else:
            expected = self.challenges.redeem(expectation, now)
            report = verify_presentation(document, evidence, policy, expected, now, engines=self.engines, memo=memo)
        remember(memo, self.known, now=now, leeway_s=policy.leeway_s)
        return report

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
