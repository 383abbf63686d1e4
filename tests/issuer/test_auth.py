"""API keys and callers."""

from __future__ import annotations

import hashlib
import re

import pytest

from issuer.access import SCOPES, Access
from issuer.api_key import key_hash, render_key
from issuer.auth import Caller
from issuer.http.errors import ForbiddenError


def _caller(*scopes, tenant="acme"):
    return Caller(key_id="k", tenant_id=tenant, scopes=frozenset(scopes))


def test_a_key_is_a_prefix_and_32_bytes_in_base64url():
    assert render_key(bytes(32)) == "gck_" + "A" * 43
    assert re.fullmatch(r"gck_[A-Za-z0-9_-]{43}", render_key(bytes(range(32))))


def test_the_store_gets_the_sha_256_of_the_key_as_it_is_shown():
    key = render_key(bytes(32))
    assert key_hash(key) == hashlib.sha256(key.encode()).digest()


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_itself_and_admin_opens_all(scope):
    assert _caller(scope).has(Access(scope))
    assert _caller("admin").has(Access(scope))
    for other in set(SCOPES) - {scope, "admin"}:
        assert not _caller(other).has(Access(scope))


def test_no_scope_opens_nothing():
    assert not any(_caller().has(Access(scope)) for scope in SCOPES)


def test_a_tenants_key_is_limited_to_its_tenant():
    assert _caller("admin").tenant_filter() == "acme"
    assert _caller("admin").tenant_filter("acme") == "acme"
    with pytest.raises(ForbiddenError):
        _caller("admin").tenant_filter("umbra")


def test_a_key_of_every_tenant_may_name_one():
    assert _caller("read", tenant=None).tenant_filter() is None
    assert _caller("read", tenant=None).tenant_filter("umbra") == "umbra"


def test_only_scopes_need_a_key():
    assert {access for access in Access if access.needs_key} == {Access(scope) for scope in SCOPES}
