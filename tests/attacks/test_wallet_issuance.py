"""Credentials fetched by wallets (OpenID for Verifiable Credential Issuance): there is no such route yet."""

from __future__ import annotations

from tests.attacks.catalogue import waits
from tests.issuer.test_authorization_matrix import MATRIX

waits(
    "OpenID4VCI",
    *("IO001", "IO003", "IO004", "IO005", "IO006", "IO007", "IO009", "IO010", "IO011", "IO012", "IO013", "IO014"),
    *("IO015", "IO021", "IO022"),
)


def test_no_route_of_that_protocol_is_served():
    named = ("oid4vci", "openid", "oauth", "token", "offer", "authorize")
    assert not [path for _, path in MATRIX if any(word in path for word in named)]
