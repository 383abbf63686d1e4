"""API keys are found by their hash."""

import hashlib

import pytest

from issuer.store.errors import ConflictError, NotFoundError
from tests.fakes.stored import NOW_US

HASH = hashlib.sha256(b"key").digest()


async def _add(store, key_id="key-1", key_sha256=HASH, tenant_id="acme", scopes=("read", "status")):
    return await store.api_keys.add(key_id, key_sha256, tenant_id, scopes, "laptop", now_us=NOW_US)


async def test_a_key_is_found_by_its_hash(store):
    added = await _add(store)
    assert await store.api_keys.find(HASH) == added
    assert added.scopes == ("read", "status")


async def test_another_hash_finds_nothing(store):
    await _add(store)
    assert await store.api_keys.find(hashlib.sha256(b"other").digest()) is None


async def test_a_record_does_not_show_the_hash(store):
    assert HASH.hex() not in repr(await _add(store))
    assert repr(HASH) not in repr(await _add(store, "key-2", hashlib.sha256(b"2").digest()))


async def test_a_key_without_a_tenant_is_for_all(store):
    await _add(store, tenant_id=None, scopes=["admin"])
    assert (await store.api_keys.find(HASH)).tenant_id is None


async def test_a_revoked_key_is_not_found_but_listed(store):
    await _add(store)
    assert await store.api_keys.revoke("key-1", now_us=NOW_US + 1) is True
    assert await store.api_keys.revoke("key-1", now_us=NOW_US + 2) is False
    assert await store.api_keys.find(HASH) is None
    assert [key.revoked_us for key in await store.api_keys.all()] == [NOW_US + 1]


async def test_revoking_an_unknown_key_is_not_found(store):
    with pytest.raises(NotFoundError):
        await store.api_keys.revoke("key-1", now_us=NOW_US)


@pytest.mark.parametrize(("key_id", "key_sha256"), [("key-1", b"2" * 32), ("key-2", HASH)])
async def test_an_id_and_a_hash_are_used_once(store, key_id, key_sha256):
    await _add(store)
    with pytest.raises(ConflictError):
        await _add(store, key_id, key_sha256)


async def test_a_key_needs_a_known_tenant(store):
    with pytest.raises(NotFoundError):
        await _add(store, tenant_id="nobody")


async def test_keys_are_listed_by_tenant(store):
    await _add(store)
    await _add(store, "key-2", b"2" * 32, tenant_id="umbra")
    assert [key.id for key in await store.api_keys.all("umbra")] == ["key-2"]
    assert [key.id for key in await store.api_keys.all()] == ["key-1", "key-2"]
