"""Revocation, suspension, and the bits that are published."""

import pytest

from issuer.store.errors import AlreadyRevokedError, NotFoundError
from tests.fakes.stored import NOW_US, issued


async def _do(store, action, credential, tenant_id="acme", now_us=NOW_US):
    change = getattr(store.status, action)
    return await change(credential.id, "a reason", "auditor", now_us, tenant_id=tenant_id)


def _is_set(bits, index):
    return bool(bits[index // 8] & (1 << (7 - index % 8)))


async def test_a_fresh_list_has_no_bit_set(store):
    credential = await issued(store)
    for purpose in ("revocation", "suspension"):
        assert await store.status.bits(credential.list_id, purpose) == bytearray(1024 // 8)


async def test_revoking_sets_the_one_bit_most_significant_first(store):
    credential = await issued(store)
    assert await _do(store, "revoke", credential) is True
    bits = await store.status.bits(credential.list_id, "revocation")
    assert [index for index in range(1024) if _is_set(bits, index)] == [credential.index]
    assert not any(await store.status.bits(credential.list_id, "suspension"))


async def test_revoking_twice_changes_nothing_more(store):
    credential = await issued(store)
    await _do(store, "revoke", credential)
    assert await _do(store, "revoke", credential, now_us=NOW_US + 9) is False
    assert (await store.status.entry(credential.id, tenant_id="acme")).revoked_us == NOW_US
    assert await store.status.version(credential.list_id) == 1


async def test_suspending_and_reinstating_sets_and_clears_the_bit(store):
    credential = await issued(store)
    assert await _do(store, "suspend", credential) is True
    assert await _do(store, "suspend", credential) is False
    assert _is_set(await store.status.bits(credential.list_id, "suspension"), credential.index)
    assert await _do(store, "reinstate", credential) is True
    assert await _do(store, "reinstate", credential) is False
    assert not any(await store.status.bits(credential.list_id, "suspension"))


async def test_a_suspended_credential_can_be_revoked_and_stays_suspended(store):
    credential = await issued(store)
    await _do(store, "suspend", credential)
    assert await _do(store, "revoke", credential) is True
    for purpose in ("revocation", "suspension"):
        assert _is_set(await store.status.bits(credential.list_id, purpose), credential.index)


@pytest.mark.parametrize("action", ["suspend", "reinstate"])
async def test_a_revoked_credential_is_neither_suspended_nor_reinstated(store, action):
    credential = await issued(store)
    await _do(store, "revoke", credential)
    with pytest.raises(AlreadyRevokedError):
        await _do(store, action, credential)
    assert (await store.status.entry(credential.id, tenant_id=None)).revoked_us == NOW_US


@pytest.mark.parametrize("action", ["revoke", "suspend", "reinstate"])
async def test_another_tenants_credential_is_not_found(store, action):
    credential = await issued(store)
    with pytest.raises(NotFoundError):
        await _do(store, action, credential, tenant_id="umbra")
    with pytest.raises(NotFoundError):
        await store.status.entry(credential.id, tenant_id="umbra")
    assert await store.status.version(credential.list_id) == 0


async def test_an_administrator_may_revoke_for_any_tenant(store):
    assert await _do(store, "revoke", await issued(store), tenant_id=None) is True


async def test_each_change_raises_the_version_once(store):
    credential = await issued(store)
    for action in ("suspend", "reinstate", "suspend", "revoke"):
        await _do(store, action, credential, now_us=NOW_US + 7)
    (status_list,) = await store.status.lists("root")
    assert (status_list.version, status_list.changed_us) == (4, NOW_US + 7)


async def test_each_change_is_in_the_audit_log(store):
    credential = await issued(store)
    for action in ("suspend", "suspend", "reinstate", "revoke"):
        await _do(store, action, credential)
    entries = await store.log.page(target=credential.id)
    assert [entry.action for entry in entries] == ["revoke", "reinstate", "suspend"]
    assert {(entry.actor, entry.detail) for entry in entries} == {("auditor", "a reason")}


async def test_a_snapshot_names_the_version_of_its_bits(store):
    credential = await issued(store)
    await _do(store, "revoke", credential)
    snapshot = await store.status.snapshot(credential.list_id, "revocation")
    assert (snapshot.status_list.version, snapshot.purpose) == (1, "revocation")
    assert _is_set(snapshot.bits, credential.index)


async def test_a_list_is_found_by_its_id(store):
    credential = await issued(store)
    assert (await store.status.get(credential.list_id)).issuer_slug == "root"
    assert await store.status.get("nothing") is None


async def test_bits_and_version_of_an_unknown_list_are_not_found(store):
    with pytest.raises(NotFoundError):
        await store.status.bits("nothing", "revocation")
    with pytest.raises(NotFoundError):
        await store.status.version("nothing")


async def test_lists_of_another_issuer_are_not_shown(store):
    await issued(store)
    assert await store.status.lists("lab") == ()


async def test_after_a_restored_backup_indexes_come_from_a_new_list(store):
    before = await issued(store, inference_id="before")
    assert await store.status.close_lists("root", now_us=NOW_US) == 1
    assert await store.status.close_lists("root", now_us=NOW_US) == 0
    after = await issued(store, inference_id="after")
    assert after.list_id != before.list_id
    assert len(await store.status.lists("root")) == 2
