"""What customers have signed keeps nobody else waiting, however long it takes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contexts import pinned
from issuer.errors import OverloadedError
from issuer.strangers import Strangers, is_strangers
from schemas.strict_json import JsonObject
from tests.fakes import issuer as fakes
from tests.fakes.issuer import Works
from verifier import errors
from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess

ASKED: JsonObject = {
    "@context": [pinned.CREDENTIALS_V1],
    "type": ["VerifiableCredential"],
    "credentialSubject": {"id": "did:web:auditor.example"},
}
_MANY = 64
"""More than the event loop has threads, on any machine (at most 32)."""


class Held:
    """A canonicalizer that holds every document until it is let go."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        self.entered, self.go = threading.Event(), threading.Event()

    def canonicalize(self, document: JsonObject) -> bytes:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.entered.set()
        self.go.wait(30)
        with self._lock:
            self._now -= 1
        return InProcess().canonicalize(document)


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


async def test_records_are_certified_while_a_tenants_own_documents_are_stuck(works: Works) -> None:
    engine = Held()
    works.engines = Engines(closed=InProcess(), general=engine)
    issuance = works.replica()
    stuck = [asyncio.create_task(issuance.issue_generic("acme", ASKED)) for _ in range(_MANY)]
    try:
        while not engine.entered.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)
        async with asyncio.timeout(20):
            issued = await issuance.issue_telemetry(fakes.posted())
        assert issued.created
        # One of the tenant is in work, so that another tenant's turn comes next.
        assert engine.most == 1
    finally:
        engine.go.set()
        for task in stuck[1:]:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_full_pool_of_workers_is_the_issuers_own_overload() -> None:
    def full() -> None:
        raise errors.OverloadedError("too many documents are waiting to be processed; try again")

    with pytest.raises(OverloadedError) as caught:
        await Strangers().run(full)
    assert caught.value.status == 503


async def test_only_what_a_customer_wrote_goes_to_these_threads() -> None:
    assert is_strangers(ASKED)
    for kind in ("GreenComputeCredential", "GreenComputeWindowCredential", "StatusList2021Credential"):
        assert not is_strangers({"type": ["VerifiableCredential", kind]})
