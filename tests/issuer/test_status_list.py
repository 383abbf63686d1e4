import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from issuer import prepare, sign, status_list
from issuer.settings import load
from issuer.store.errors import NotFoundError
from issuer.store.records import StatusListRecord, StatusSnapshot, StoredCredential
from schemas import status, times
from tests.fakes import issuer as fakes
from tests.fakes.did import signer
from tests.fakes.issuer import Works
from verifier.case import Case
from verifier.document import parse
from verifier.evidence import Evidence
from verifier.policy import Policy
from verifier.rdf.canonicalize import InProcess
from verifier.settings import Settings as FetchSettings
from verifier.status_lists.status_list import read_bit
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
    works.clock.advance(timedelta(minutes=59))
    assert await works.status_lists.credential("revocation", stored.list_id) == first


async def test_a_list_is_signed_anew_after_an_hour_so_that_its_date_says_something(works: Works) -> None:
    stored = await issue(works)
    first = json.loads(await works.status_lists.credential("revocation", stored.list_id))
    works.clock.advance(timedelta(minutes=61))
    later = json.loads(await works.status_lists.credential("revocation", stored.list_id))
    assert later["issuanceDate"] > first["issuanceDate"]
    assert later["credentialSubject"] == first["credentialSubject"]


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


def full(size: int) -> StatusSnapshot:
    """Return a list of random bits, which do not compress at all."""
    listed = StatusListRecord(
        id="1", issuer_slug="root", size=size, capacity=1, allocated=0, version=1, created_us=0, changed_us=0
    )
    return StatusSnapshot(status_list=listed, purpose="revocation", bits=random.Random(1).randbytes(size // 8))


async def test_the_largest_list_is_signed_and_read_whatever_its_bits_are(works: Works) -> None:
    largest = {"GREEN_ISSUER_PUBLIC_URL": fakes.PUBLIC_URL, "GREEN_ISSUER_STATUS_LIST_SIZE": "2097152"}
    snapshot = full(load(environment=largest).status_list_size)
    key, now = await works.keyring.active("root"), works.clock.now()
    unsecured = msgspec.json.encode(status_list.build(snapshot, fakes.DID, works.addresses, now))
    prepared = prepare.lint(unsecured, works.engines)
    signed = sign.issue(prepared, key.signer, key.algorithm, key.verification_method, now)
    assert len(signed) < FetchSettings().fetch_max_bytes

    url = works.addresses.status_list("revocation", "1")
    did_document = json.dumps(await works.keyring.document("root")).encode()
    case = Case(
        document=parse(b"{}"),
        evidence=Evidence(
            did_documents={fakes.DID: fakes.fetched(fakes.DID, did_document)},
            status_lists={url: fakes.fetched(url, signed)},
        ),
        policy=Policy(),
        now=now + timedelta(seconds=1),
        engines=works.engines,
    )
    for index in (*range(16), snapshot.status_list.size - 1):
        bit = read_bit(case, url=url, index=index, purpose="revocation", issuer=fakes.DID)
        assert bit.is_set == status.get(snapshot.bits, index)


async def test_an_unknown_list_is_not_found(works: Works) -> None:
    with pytest.raises(NotFoundError):
        await works.status_lists.credential("revocation", "7")
