"""Issuers, by slug."""

import pytest

from issuer.store.errors import ConflictError
from tests.fakes.stored import NOW_US


async def test_an_issuer_comes_back_as_it_was_added(store):
    added = await store.issuers.add("lab", "did:web:example.com:issuers:lab", "Lab", now_us=NOW_US)
    assert await store.issuers.get("lab") == added


async def test_an_unknown_issuer_is_none(store):
    assert await store.issuers.get("nobody") is None


async def test_all_issuers_are_listed_by_slug(store):
    await store.issuers.add("lab", "did:web:example.com:issuers:lab", "Lab", now_us=NOW_US)
    assert [issuer.slug for issuer in await store.issuers.all()] == ["lab", "root"]


@pytest.mark.parametrize(("slug", "did"), [("root", "did:web:other.com"), ("other", "did:web:example.com")])
async def test_a_slug_and_a_did_belong_to_one_issuer(store, slug, did):
    with pytest.raises(ConflictError):
        await store.issuers.add(slug, did, "Second", now_us=NOW_US)
