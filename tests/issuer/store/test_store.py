"""Opening, health, closing."""

import pytest
from sqlalchemy.exc import DBAPIError

from issuer.store import Store
from tests.fakes.stored import issued


async def test_a_migrated_store_is_healthy(store):
    assert await store.health() is None


async def test_a_store_without_tables_is_not_healthy(empty_url):
    store = Store.open(empty_url)
    with pytest.raises(DBAPIError):
        await store.health()
    await store.close()


async def test_what_was_stored_is_there_after_reopening(open_store):
    first = open_store()
    credential = await issued(first)
    await first.close()
    assert await open_store().credentials.by_id(credential.id, tenant_id="acme") == credential


async def test_two_stores_on_one_database_see_each_other(open_store):
    first, second = open_store(), open_store()
    credential = await issued(first)
    assert await second.credentials.by_inference("acme", "inference-1") == credential
