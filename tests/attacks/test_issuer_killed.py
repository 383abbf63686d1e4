"""Killed at any point, the issuer comes back to exactly one credential for each record."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from sqlalchemy import func, select

from did.documents import parse_document
from did.signers import open_signer
from issuer.addresses import Addresses
from issuer.issuance import Issuance
from issuer.keyring import Keyring
from issuer.store import Store
from issuer.store.models import STATUS_ENTRY
from schemas import strict_json
from tests.attacks.catalogue import attack
from tests.fakes.fused import Fuse, FusedCanonicalizer, FusedClock, FusedRandomness, FusedSigner
from tests.fakes.issuer import PUBLIC_URL, FixedClock, posted
from tests.issuer import conftest as running
from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess
from verifier.suites import json_web_signature_2020

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url


KILL_POINTS = ("reserve", "reserved", "lint", "sign", "verify", "store", "answer")


async def _issue(url, raw, fuse):
    store = Store.open(url, randomness=FusedRandomness(fuse))
    clock = FusedClock(fuse)
    keyring = Keyring(store, clock, lambda uri: FusedSigner(open_signer(uri), fuse))
    canonicalizer = FusedCanonicalizer(fuse)
    parts = Engines(closed=canonicalizer, general=canonicalizer)
    result = await Issuance(store, keyring, clock, Addresses(PUBLIC_URL), parts).issue_telemetry(raw)
    fuse.reach("answer")
    await store.close()
    return result


def _issue_and_die(url, raw, point):
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_issue(url, raw, Fuse(point)))
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the point was not reached"
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request):
    if request.param == "sqlite":
        return request.getfixturevalue("site_url")
    server = request.getfixturevalue("site_postgres")
    server.restore_rows("site")
    return server.url("site")


@attack(
    "IR003",
    "recover to exactly one VC",
    heavy="seven processes that are killed",
    network="its PostgreSQL",
)
def test_killed_at_any_point_the_issuer_comes_back_to_exactly_one_credential(expected, database_url):
    for point in KILL_POINTS:
        raw = posted(inference_id=f"killed-{point}")
        _issue_and_die(database_url, raw, point)
        if point != "answer":
            # Killed again at another point on the way back.
            _issue_and_die(database_url, raw, "sign")
    asyncio.run(_assert_one_each(database_url))
    expected.held()


async def _assert_one_each(url):
    store = Store.open(url)
    assert len(await store.credentials.pending()) == len(KILL_POINTS) - 1
    left = {row.inference_id: row.id for row in await store.credentials.pending()}
    documents = {}
    for point in KILL_POINTS:
        result = await _issue(url, posted(inference_id=f"killed-{point}"), Fuse(None))
        assert result.created is False
        assert left.get(f"killed-{point}", result.id) == result.id
        documents[point] = result.document
        again = await _issue(url, posted(inference_id=f"killed-{point}"), Fuse(None))
        assert again.document == result.document
    assert await store.credentials.pending() == ()
    rows = (await store.credentials.page("acme", 100)).rows
    assert sorted(row.inference_id for row in rows) == sorted(f"killed-{point}" for point in KILL_POINTS)
    assert len({(row.list_id, row.index) for row in rows}) == len(rows)
    async with store._database.read() as connection:
        # No index was lost or given twice: what the killed transaction took went with it.
        assert (await connection.execute(select(func.count()).select_from(STATUS_ENTRY))).scalar() == len(rows)
    did = await Keyring(store, FixedClock()).document("root")
    for document in documents.values():
        _assert_signed(strict_json.parse_object(document), did)
    await store.close()


def _assert_signed(credential, did_document):
    key = parse_document(did_document, credential["issuer"]).key_for(
        credential["proof"]["verificationMethod"], "assertionMethod"
    )
    json_web_signature_2020.verify_proof(credential, credential["proof"], key.key, InProcess())
