"""Tenants, by id."""

import msgspec
import pytest

from issuer.store.errors import ConflictError, NotFoundError
from tests.fakes.stored import NOW_US


async def test_a_tenant_comes_back_as_it_was_added(store):
    added = await store.tenants.add("zeta", "root", "Zeta", "did:web:zeta.example", now_us=NOW_US)
    assert await store.tenants.get("zeta") == added


async def test_a_tenant_changes_only_in_what_is_given(store):
    added = await store.tenants.add("zeta", "root", "Zeta", now_us=NOW_US)
    changed = await store.tenants.change("zeta", subject="did:web:zeta.example")
    assert changed == msgspec.structs.replace(added, subject="did:web:zeta.example")
    assert await store.tenants.change("zeta", name="Zeta AG") == msgspec.structs.replace(changed, name="Zeta AG")
    assert await store.tenants.get("zeta") == msgspec.structs.replace(changed, name="Zeta AG")


async def test_an_unknown_tenant_cannot_change(store):
    with pytest.raises(NotFoundError, match="nobody"):
        await store.tenants.change("nobody", name="x")


async def test_an_unknown_tenant_is_none(store):
    assert await store.tenants.get("nobody") is None


async def test_a_tenant_may_have_no_public_name(store):
    assert (await store.tenants.get("acme")).subject is None


async def test_tenants_are_listed_by_issuer(store):
    await store.issuers.add("lab", "did:web:example.com:issuers:lab", "Lab", now_us=NOW_US)
    await store.tenants.add("zeta", "lab", "Zeta", now_us=NOW_US)
    assert [tenant.id for tenant in await store.tenants.all("lab")] == ["zeta"]
    assert [tenant.id for tenant in await store.tenants.all()] == ["acme", "umbra", "zeta"]


async def test_a_tenant_is_added_once(store):
    with pytest.raises(ConflictError):
        await store.tenants.add("acme", "root", "Another", now_us=NOW_US)


async def test_a_tenant_needs_an_issuer(store):
    with pytest.raises(NotFoundError):
        await store.tenants.add("zeta", "nobody", "Zeta", now_us=NOW_US)
