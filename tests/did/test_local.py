import json

import pytest
from hypothesis import given, settings

from did import base58, local, multikey
from did.algorithms import ALGORITHMS
from did.errors import InvalidDidError, UnsupportedDidMethodError, UnsupportedKeyError, VerificationMethodError
from schemas import base64url, jcs
from tests.fakes.did import CURVES, fresh_signers, public_key
from tests.vectors import FORMATS


def did_jwk_of(jwk) -> str:
    return "did:jwk:" + base64url.encode(json.dumps(jwk).encode())


@settings(max_examples=20, deadline=None)
@given(fresh_signers())
def test_jwk_multikey_did_key_and_did_jwk_carry_the_same_key(fresh) -> None:
    key = fresh.public_key
    for did in (local.did_key(key), local.did_jwk(key)):
        document = local.resolve(did)
        assert document.key_for(local.method_id(did), "assertionMethod").key == key


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_did_jwk_carries_a_key_of_every_kind(algorithm) -> None:
    did = local.did_jwk(public_key(algorithm))
    assert local.resolve(did).key_for(f"{did}#0", "authentication").key == public_key(algorithm)


@pytest.mark.parametrize("algorithm", CURVES)
def test_the_method_of_a_did_key_is_its_own_multikey(algorithm) -> None:
    did = local.did_key(public_key(algorithm))
    method = local.resolve(did).key_for(f"{did}#{did.removeprefix('did:key:')}", "assertionMethod")
    assert (method.type, method.controller) == ("Multikey", did)


@pytest.mark.parametrize(
    "relationship", ["assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation"]
)
def test_every_relationship_holds_the_one_key(relationship) -> None:
    did = local.did_key(public_key("ES256"))
    assert local.resolve(did).key_for(local.method_id(did), relationship).key == public_key("ES256")


def test_another_fragment_names_nothing() -> None:
    did = local.did_key(public_key("ES256"))
    with pytest.raises(VerificationMethodError):
        local.resolve(did).key_for(f"{did}#0", "assertionMethod")


def test_the_issuer_of_the_format_examples_resolves() -> None:
    proof = json.loads((FORMATS / "credential.vc11.json").read_bytes())["proof"]
    did = proof["verificationMethod"].partition("#")[0]
    assert local.resolve(did).key_for(proof["verificationMethod"], "assertionMethod").key.algorithms == ("ES256",)


def test_a_did_key_of_secp256k1_is_refused_by_name() -> None:
    did = "did:key:z" + base58.encode(b"\xe7\x01" + b"\x02" + bytes(32))
    with pytest.raises(UnsupportedDidMethodError, match="secp256k1") as caught:
        local.resolve(did)
    assert caught.value.name == "UNSUPPORTED_DID_METHOD"


@pytest.mark.parametrize("did", ["did:key:u7QEabc", "did:key:z0OIl", "did:key:1.1:z6Mk", "did:key:z" + "1" * 300])
def test_a_did_key_that_is_no_multikey_is_refused(did) -> None:
    with pytest.raises(InvalidDidError):
        local.resolve(did)


def test_a_did_key_of_a_small_order_point_is_refused() -> None:
    with pytest.raises(UnsupportedDidMethodError, match="small order"):
        local.resolve("did:key:z" + base58.encode(b"\xed\x01\x01" + bytes(31)))


def test_a_did_jwk_with_a_private_member_is_refused() -> None:
    with pytest.raises(UnsupportedDidMethodError, match="secret"):
        local.resolve(did_jwk_of({**public_key("ES256").jwk, "d": "AA"}))


def test_a_did_jwk_of_an_rsa_key_that_is_too_large_is_refused_quickly() -> None:
    jwk = {"kty": "RSA", "n": base64url.encode(b"\xff" * 1000), "e": "AQAB"}
    with pytest.raises(UnsupportedDidMethodError, match="4096"):
        local.resolve(did_jwk_of(jwk))


@pytest.mark.parametrize(
    "identifier",
    [
        "e30=",
        "_",
        "AAAA",
        base64url.encode(b"[]"),
        base64url.encode(b'{"kty":"EC","kty":"OKP"}'),
        base64url.encode(b" " * 3000),
    ],
)
def test_a_did_jwk_that_is_no_jwk_is_refused(identifier) -> None:
    with pytest.raises(InvalidDidError):
        local.resolve(f"did:jwk:{identifier}")


def test_a_did_web_is_not_resolved_here() -> None:
    with pytest.raises(UnsupportedDidMethodError, match="fetched"):
        local.resolve("did:web:issuer.example")


def test_a_did_web_has_no_single_method() -> None:
    with pytest.raises(UnsupportedDidMethodError):
        local.method_id("did:web:issuer.example")


def test_an_rsa_key_has_no_did_key() -> None:
    with pytest.raises(UnsupportedKeyError):
        local.did_key(public_key("PS256"))


def test_a_did_jwk_is_the_canonical_jwk() -> None:
    key = public_key("EdDSA")
    assert local.did_jwk(key) == "did:jwk:" + base64url.encode(jcs.canonical_bytes({**key.jwk}))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_didkit_names_the_same_did_key(algorithm) -> None:
    didkit = pytest.importorskip("didkit", reason="DIDKit has no build for this interpreter")
    from cryptography.hazmat.primitives.asymmetric import ec

    from did.signers.software import SoftwareSigner

    if algorithm == "EdDSA":
        jwk = json.loads(didkit.generate_ed25519_key())
    else:
        private = ec.generate_private_key(ec.SECP256R1())
        scalar = private.private_numbers().private_value.to_bytes(32, "big")
        jwk = {**SoftwareSigner(private).public_key.jwk, "d": base64url.encode(scalar)}
    did = didkit.key_to_did("key", json.dumps(jwk))
    expected = {name: value for name, value in jwk.items() if name != "d"}
    assert multikey.decode(did.removeprefix("did:key:")).jwk == expected
