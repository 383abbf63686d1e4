import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.store.errors import NotFoundError
from issuer.store.records import StoredCredential
from schemas import status, times
from tests.fakes import issuer as fakes
from tests.fakes.did import signer
from tests.fakes.issuer import Works
from verifier.canonicalize import InProcess
from verifier.suites.json_web_signature_2020 import verify_proof


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


async def issue(works: Works, inference_id: str = "inference-1") -> StoredCredential:
    issued = await works.issuance.issue_telemetry(fakes.posted(inference_id=inference_id))
    stored = await works.store.credentials.by_id(issued.id, tenant_id=None)
    assert stored is not None
    return stored


async def revoke(works: Works, stored: StoredCredential) -> None:
    now_us = times.to_microseconds(works.clock.now())
    await works.store.status.revoke(stored.id, "test", "tester", now_us, tenant_id=None)


def bits(document: bytes) -> bytes:
    return status.decode_list(status.decode(json.loads(document)).credential_subject.encoded_list)


async def test_a_list_verifies_as_a_credential_of_the_issuer(works: Works) -> None:
    stored = await issue(works)
    document = json.loads(await works.status_lists.credential("revocation", stored.list_id))
    verify_proof(document, document["proof"], signer("ES256").public_key, InProcess())
    assert document["issuer"] == fakes.DID
    assert document["id"] == f"https://oracle.example/status/revocation/{stored.list_id}"
    assert document["credentialSubject"]["id"] == f"{document['id']}#list"
    assert document["credentialSubject"]["statusPurpose"] == "revocation"


async def test_a_list_has_at_least_131_072_entries(works: Works) -> None:
    stored = await issue(works)
    assert len(bits(await works.status_lists.credential("revocation", stored.list_id))) * 8 >= 131_072


async def test_revoking_sets_the_credential_s_own_bit_and_no_other(works: Works) -> None:
    stored = await issue(works)
    assert not any(bits(await works.status_lists.credential("revocation", stored.list_id)))
    await revoke(works, stored)
    found = bits(await works.status_lists.credential("revocation", stored.list_id))
    assert status.get(found, stored.index)
    assert sum(byte.bit_count() for byte in found) == 1


async def test_suspending_sets_the_bit_of_the_other_list(works: Works) -> None:
    stored = await issue(works)
    now_us = times.to_microseconds(works.clock.now())
    await works.store.status.suspend(stored.id, "test", "tester", now_us, tenant_id=None)
    assert status.get(bits(await works.status_lists.credential("suspension", stored.list_id)), stored.index)
    assert not any(bits(await works.status_lists.credential("revocation", stored.list_id)))


async def test_an_unchanged_list_is_signed_once(works: Works) -> None:
    stored = await issue(works)
    first = await works.status_lists.credential("revocation", stored.list_id)
    works.clock.advance(timedelta(days=1))
    assert await works.status_lists.credential("revocation", stored.list_id) == first


async def test_many_who_ask_at_once_get_the_same_bytes(works: Works) -> None:
    stored = await issue(works)
    answers = await asyncio.gather(*(works.status_lists.credential("revocation", stored.list_id) for _ in range(5)))
    assert len(set(answers)) == 1


async def test_a_rotated_key_signs_the_list_anew(works: Works) -> None:
    stored = await issue(works)
    await works.status_lists.credential("revocation", stored.list_id)
    works.keyholder.signers["memory:2"] = signer("ES256", 2)
    await works.keyring.rotate("root", "key-2", "memory:2")
    document = json.loads(await works.status_lists.credential("revocation", stored.list_id))
    assert document["proof"]["verificationMethod"] == f"{fakes.DID}#key-2"


async def test_a_list_signed_while_the_clock_ran_ahead_is_not_kept(works: Works) -> None:
    stored = await issue(works)
    works.clock.advance(timedelta(days=400))
    await works.status_lists.credential("revocation", stored.list_id)
    works.clock.advance(timedelta(days=-400))
    document = json.loads(await works.status_lists.credential("revocation", stored.list_id))
    assert document["issuanceDate"] == times.render_seconds(works.clock.now())


async def test_an_unknown_list_is_not_found(works: Works) -> None:
    with pytest.raises(NotFoundError):
        await works.status_lists.credential("revocation", "7")
