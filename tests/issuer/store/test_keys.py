"""Signing keys: one active, the others stay."""

import asyncio

import pytest

from issuer.store.errors import ConflictError, NotFoundError, UnstorableValueError
from tests.fakes.stored import JWK, NOW_US


async def _add(store, key_id, **settings):
    return await store.keys.add("root", key_id, f"file:{key_id}.pem", JWK, "EdDSA", now_us=NOW_US, **settings)


async def _rotate(store, key_id, now_us=NOW_US + 1):
    return await store.keys.rotate("root", key_id, f"file:{key_id}.pem", JWK, "EdDSA", now_us=now_us)


async def test_a_key_comes_back_as_it_was_added(store):
    added = await _add(store, "key-1")
    assert await store.keys.active("root") == added
    assert added.jwk == JWK


async def test_an_issuer_without_a_key_has_none_active(store):
    assert await store.keys.active("root") is None


async def test_a_second_active_key_is_refused(store):
    await _add(store, "key-1")
    with pytest.raises(ConflictError):
        await _add(store, "key-2")


async def test_a_key_may_be_added_retired_beside_the_active_one(store):
    await _add(store, "key-1")
    older = await _add(store, "key-0", state="retired")
    assert older.retired_us == NOW_US
    assert (await store.keys.active("root")).key_id == "key-1"


async def test_a_rotation_retires_the_old_key_and_keeps_it(store):
    await _add(store, "key-1")
    await _rotate(store, "key-2")
    assert [(key.key_id, key.state, key.retired_us) for key in await store.keys.all("root")] == [
        ("key-1", "retired", NOW_US + 1),
        ("key-2", "active", None),
    ]


async def test_a_rotation_to_a_taken_id_changes_nothing(store):
    await _add(store, "key-1")
    with pytest.raises(ConflictError):
        await _rotate(store, "key-1")
    assert (await store.keys.active("root")).key_id == "key-1"


async def test_rotations_at_once_leave_exactly_one_active_key(store, open_store):
    other = open_store()
    await _add(store, "key-0")
    rotations = [_rotate(one, f"key-{n}") for n, one in enumerate([store, other] * 5, start=1)]
    outcomes = await asyncio.gather(*rotations, return_exceptions=True)
    assert all(not isinstance(one, Exception) or isinstance(one, ConflictError) for one in outcomes)
    assert [key.state for key in await store.keys.all("root")].count("active") == 1


async def test_a_retired_key_no_longer_signs(store):
    await _add(store, "key-1")
    assert await store.keys.retire("root", "key-1", now_us=NOW_US + 5) is True
    assert await store.keys.retire("root", "key-1", now_us=NOW_US + 6) is False
    (key,) = await store.keys.all("root")
    assert (key.state, key.retired_us) == ("retired", NOW_US + 5)


async def test_a_revoked_key_stays_revoked(store):
    await _add(store, "key-1")
    assert await store.keys.revoke("root", "key-1", now_us=NOW_US + 5) is True
    assert await store.keys.revoke("root", "key-1", now_us=NOW_US + 6) is False
    assert await store.keys.retire("root", "key-1", now_us=NOW_US + 7) is False
    (key,) = await store.keys.all("root")
    assert (key.state, key.revoked_us) == ("revoked", NOW_US + 5)


async def test_keys_of_another_issuer_are_not_shown(store):
    await store.issuers.add("lab", "did:web:example.com:issuers:lab", "Lab", now_us=NOW_US)
    await _add(store, "key-1")
    assert await store.keys.all("lab") == ()
    assert await store.keys.active("lab") is None
    with pytest.raises(NotFoundError):
        await store.keys.revoke("lab", "key-1", now_us=NOW_US)


async def test_an_unknown_key_is_not_found(store):
    with pytest.raises(NotFoundError):
        await store.keys.retire("root", "nothing", now_us=NOW_US)


@pytest.mark.parametrize("member", ["d", "p", "k"])
async def test_a_private_key_is_never_stored(store, member):
    with pytest.raises(UnstorableValueError):
        await store.keys.add("root", "key-1", "file:k", JWK | {member: "AQ"}, "EdDSA", now_us=NOW_US)
    assert await store.keys.all("root") == ()
