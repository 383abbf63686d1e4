"""Two stores on one database, as two replicas have it: nothing is lost, nothing happens twice."""

import asyncio
import itertools

import pytest

from issuer.store.errors import AlreadyRevokedError, ConflictError
from tests.fakes.stored import NOW_US, build, issued, reservation


@pytest.fixture
def replicas(open_store):
    return [open_store(list_size=2048, fill_limit=0.5), open_store(list_size=2048, fill_limit=0.5)]


def _bits_set(bits):
    return int.from_bytes(bits, "big").bit_count()


async def _reserve_many(replicas, count, **changes):
    return await asyncio.gather(
        *(
            store.credentials.reserve(reservation(inference_id=f"i{number}", **changes), build)
            for number, store in zip(range(count), itertools.cycle(replicas), strict=False)
        )
    )


async def test_of_concurrent_revocations_none_is_lost(replicas):
    reserved = await _reserve_many(replicas, 400)
    assert len({one.list_id for one in reserved}) == 1
    changed = await asyncio.gather(
        *(
            store.status.revoke(one.id, "r", "a", NOW_US, tenant_id=None)
            for one, store in zip(reserved, itertools.cycle(replicas), strict=False)
        )
    )
    list_id = reserved[0].list_id
    assert all(changed)
    assert _bits_set(await replicas[0].status.bits(list_id, "revocation")) == 400
    assert await replicas[1].status.version(list_id) == 400


async def test_of_concurrent_reservations_no_index_and_no_id_comes_twice(replicas):
    reserved = await _reserve_many(replicas, 200)
    assert len({one.id for one in reserved}) == 200
    assert len({(one.list_id, one.index) for one in reserved}) == 200


async def test_lists_roll_over_together(open_store):
    replicas = [open_store(list_size=32, fill_limit=0.25), open_store(list_size=32, fill_limit=0.25)]
    await _reserve_many(replicas, 60)
    lists = await replicas[0].status.lists("root")
    assert [one.allocated for one in lists] == [8] * 7 + [4]
    assert sum(one.closed_us is None for one in lists) == 1


async def test_concurrent_reservations_of_one_inference_are_one(replicas):
    reserved = await asyncio.gather(*(store.credentials.reserve(reservation(), build) for store in replicas * 20))
    assert len({(one.id, one.index, one.unsecured) for one in reserved}) == 1
    assert [one.fresh for one in reserved].count(True) == 1
    assert len(await replicas[0].credentials.pending()) == 1
    (status_list,) = await replicas[0].status.lists("root")
    assert status_list.allocated == 1


async def test_of_two_bodies_for_one_inference_one_is_refused(replicas):
    outcomes = await asyncio.gather(
        *(
            store.credentials.reserve(reservation(body_digest=f"body-{number % 2}"), build)
            for number, store in enumerate(replicas * 8)
        ),
        return_exceptions=True,
    )
    refused = [one for one in outcomes if isinstance(one, ConflictError)]
    reserved = [one for one in outcomes if not isinstance(one, Exception)]
    assert (len(refused), len(reserved)) == (8, 8)
    assert len({one.id for one in reserved}) == 1


async def test_of_concurrent_documents_one_stands_for_all(replicas):
    reserved = await replicas[0].credentials.reserve(reservation(), build)
    stored = await asyncio.gather(
        *(
            store.credentials.complete(reserved.id, f"signed by {number}".encode(), NOW_US)
            for number, store in enumerate(replicas * 10)
        )
    )
    assert len({one.document for one in stored}) == 1


async def test_a_revocation_wins_over_every_concurrent_reinstatement(replicas):
    credentials = [await issued(replicas[0], inference_id=f"i{number}") for number in range(20)]
    for credential in credentials:
        await replicas[0].status.suspend(credential.id, "r", "a", NOW_US, tenant_id=None)
    outcomes = await asyncio.gather(
        *(
            change(credential.id, "r", "a", NOW_US, tenant_id=None)
            for credential in credentials
            for change in (replicas[0].status.revoke, replicas[1].status.reinstate, replicas[1].status.revoke)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(one, bool | AlreadyRevokedError) for one in outcomes)
    bits = await replicas[1].status.bits(credentials[0].list_id, "revocation")
    assert _bits_set(bits) == 20


async def test_a_rejection_and_a_completion_exclude_each_other(replicas):
    for number in range(10):
        reserved = await replicas[0].credentials.reserve(reservation(inference_id=f"i{number}"), build)
        outcomes = await asyncio.gather(
            replicas[0].credentials.complete(reserved.id, b"document", NOW_US),
            replicas[1].credentials.reject(reserved.id, "no", NOW_US),
            return_exceptions=True,
        )
        assert sum(isinstance(one, ConflictError) for one in outcomes) == 1


async def test_everything_at_once_ends_without_a_deadlock(replicas):
    credentials = [await issued(replicas[0], inference_id=f"old{number}") for number in range(20)]
    work = [
        change(credential.id, "r", "a", NOW_US, tenant_id=None)
        for credential in credentials
        for change in (replicas[0].status.revoke, replicas[1].status.revoke)
    ]
    reservations = _reserve_many(replicas, 60)
    revoked, reserved = await asyncio.gather(asyncio.gather(*work), reservations)
    assert revoked.count(True) == 20
    assert len({one.index for one in reserved}) == 60
