"""Reserve, then issue or reject: each once, whatever is repeated."""

import uuid

import pytest

from issuer.store.errors import ConflictError, NotFoundError
from tests.fakes.stored import NOW_US, build, issued, reservation


async def _reserve(store, **changes):
    return await store.credentials.reserve(reservation(**changes), build)


def _unbuildable(reserved):
    raise ZeroDivisionError


async def test_a_reservation_freezes_what_was_built_from_its_id_and_index(store):
    reserved = await _reserve(store)
    assert uuid.UUID(reserved.id).version == 7
    assert reserved.unsecured == build(reserved)
    assert (reserved.fresh, reserved.document) == (True, None)


async def test_the_same_body_again_gives_the_same_reservation(store):
    first = await _reserve(store)
    again = await _reserve(store, now_us=NOW_US + 10**12)
    assert (again.id, again.list_id, again.index) == (first.id, first.list_id, first.index)
    assert (again.unsecured, again.fresh) == (first.unsecured, False)


async def test_a_found_reservation_builds_nothing(store):
    await _reserve(store)
    assert (await store.credentials.reserve(reservation(), _unbuildable)).fresh is False


async def test_the_same_inference_with_another_body_is_a_conflict(store):
    await _reserve(store)
    with pytest.raises(ConflictError) as caught:
        await _reserve(store, body_digest="body-2")
    assert (caught.value.name, caught.value.status) == ("CONFLICT", 409)


async def test_another_tenant_may_use_the_same_inference_id(store):
    first = await _reserve(store)
    second = await _reserve(store, tenant_id="umbra", node_id="umbra-node", body_digest="body-2")
    assert second.id != first.id


async def test_without_an_inference_id_each_reservation_is_a_new_one(store):
    first = await _reserve(store, inference_id=None)
    assert (await _reserve(store, inference_id=None)).id != first.id


async def test_what_cannot_be_built_leaves_nothing_behind(store):
    with pytest.raises(ZeroDivisionError):
        await store.credentials.reserve(reservation(), _unbuildable)
    assert await store.credentials.pending() == ()
    assert [one.allocated for one in await store.status.lists("root")] == []


@pytest.mark.parametrize("changes", [{"tenant_id": "nobody"}, {"node_id": "nothing"}, {"issuer_slug": "nobody"}])
async def test_unknown_issuers_tenants_and_nodes_are_not_found(store, changes):
    with pytest.raises(NotFoundError):
        await _reserve(store, **changes)
    assert await store.credentials.pending() == ()


async def test_completing_stores_the_document_and_drops_the_unsecured_bytes(store):
    reserved = await _reserve(store)
    stored = await store.credentials.complete(reserved.id, b"document", NOW_US + 5)
    assert (stored.state, stored.document, stored.issued_us) == ("issued", b"document", NOW_US + 5)
    assert stored.unsecured == b""
    assert await store.credentials.by_id(reserved.id, tenant_id="acme") == stored


async def test_the_first_document_stands_and_both_callers_get_it(store):
    reserved = await _reserve(store)
    await store.credentials.complete(reserved.id, b"first", NOW_US)
    second = await store.credentials.complete(reserved.id, b"second", NOW_US + 5)
    assert (second.document, second.issued_us) == (b"first", NOW_US)


async def test_reserving_an_issued_inference_gives_its_document(store):
    credential = await issued(store)
    again = await _reserve(store)
    assert (again.id, again.document, again.issued_us) == (credential.id, credential.document, NOW_US)


async def test_completing_an_unknown_credential_is_not_found(store):
    with pytest.raises(NotFoundError):
        await store.credentials.complete("nothing", b"document", NOW_US)


async def test_the_facts_of_the_reservation_are_kept(store):
    stored = await issued(store, period_start_us=NOW_US - 7, assurance="software", simulated=True)
    request = reservation(period_start_us=NOW_US - 7, assurance="software", simulated=True)
    for name in request.__struct_fields__:
        if name not in {
            "now_us",
            "record",
            "record_index",
            "receipt",
            "attachments",
            "provisional",
            "window_credential",
        }:
            assert getattr(stored, name) == getattr(request, name), name


async def test_a_rejected_inference_may_be_reserved_anew_with_another_index(store):
    first = await _reserve(store)
    await store.credentials.reject(first.id, "the signature made did not verify", NOW_US)
    second = await _reserve(store, body_digest="body-2")
    assert second.fresh
    assert second.id != first.id
    assert (second.list_id, second.index) != (first.list_id, first.index)


async def test_a_rejection_is_recorded(store):
    reserved = await _reserve(store)
    await store.credentials.reject(reserved.id, "no", NOW_US)
    await store.credentials.reject(reserved.id, "a second time changes nothing", NOW_US + 1)
    stored = await store.credentials.by_id(reserved.id, tenant_id=None)
    assert (stored.state, stored.rejection) == ("rejected", "no")
    assert [(entry.action, entry.target) for entry in await store.log.page()] == [("reject", reserved.id)]


async def test_the_index_of_a_rejection_is_revoked(store):
    reserved = await _reserve(store)
    await store.credentials.reject(reserved.id, "no", NOW_US)
    bits = await store.status.bits(reserved.list_id, "revocation")
    assert bits[reserved.index >> 3] == 0x80 >> (reserved.index & 7)
    assert await store.status.version(reserved.list_id) == 1


async def test_a_rejected_reservation_cannot_be_completed(store):
    reserved = await _reserve(store)
    await store.credentials.reject(reserved.id, "no", NOW_US)
    with pytest.raises(ConflictError):
        await store.credentials.complete(reserved.id, b"document", NOW_US)


async def test_an_issued_credential_cannot_be_rejected(store):
    credential = await issued(store)
    with pytest.raises(ConflictError):
        await store.credentials.reject(credential.id, "no", NOW_US)


async def test_rejecting_an_unknown_credential_is_not_found(store):
    with pytest.raises(NotFoundError):
        await store.credentials.reject("nothing", "no", NOW_US)


async def test_the_record_is_kept_byte_for_byte(store):
    record = b'{"energy_kwh":"0.25","signature":"..."}'
    await issued(store, record=record, record_digest="uDigest")
    assert await store.credentials.evidence("uDigest") == record
    assert await store.credentials.evidence("uOther") is None


async def test_a_record_stays_when_its_inference_is_reserved_anew(store):
    first = await _reserve(store, record=b"record", record_digest="uDigest")
    await store.credentials.reject(first.id, "no", NOW_US)
    await _reserve(store, record=b"record", record_digest="uDigest")
    assert await store.credentials.evidence("uDigest") == b"record"


async def test_an_inference_is_found_until_it_is_rejected(store):
    reserved = await _reserve(store)
    assert (await store.credentials.by_inference("acme", "inference-1")).id == reserved.id
    await store.credentials.reject(reserved.id, "no", NOW_US)
    assert await store.credentials.by_inference("acme", "inference-1") is None


async def test_pending_are_those_reserved_and_nothing_else(store):
    await issued(store, inference_id="done")
    rejected = await _reserve(store, inference_id="rejected")
    await store.credentials.reject(rejected.id, "no", NOW_US)
    late = await _reserve(store, inference_id="late", now_us=NOW_US + 10)
    early = await _reserve(store, inference_id="early", now_us=NOW_US + 5)
    assert [row.id for row in await store.credentials.pending()] == [early.id, late.id]
    assert [row.id for row in await store.credentials.pending(before_us=NOW_US + 10)] == [early.id]
    assert (await store.credentials.pending(limit=1))[0].unsecured == early.unsecured
