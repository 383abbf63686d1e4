from datetime import UTC, datetime

import pytest

from did import base58, key_material, multikey
from did.errors import (
    InvalidKeyError,
    KeyEncodingError,
    PrivateKeyPublishedError,
    UnsupportedKeyError,
    VerificationMethodError,
)
from tests.fakes.did import public_key


def jwk(algorithm="ES256") -> dict:
    return {**public_key(algorithm).jwk}


def raw_ed25519() -> bytes:
    return public_key("EdDSA").encoded_point()


@pytest.mark.parametrize("kind", ["JsonWebKey2020", "JsonWebKey"])
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "PS256"])
def test_a_json_web_key_is_read(kind, algorithm) -> None:
    assert key_material.key_of({"type": kind, "publicKeyJwk": jwk(algorithm)}) == public_key(algorithm)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
def test_a_multikey_is_read(algorithm) -> None:
    method = {"type": "Multikey", "publicKeyMultibase": multikey.encode(public_key(algorithm))}
    assert key_material.key_of(method) == public_key(algorithm)


def test_an_ed25519_key_of_2020_is_read() -> None:
    method = {"type": "Ed25519VerificationKey2020", "publicKeyMultibase": multikey.encode(public_key("EdDSA"))}
    assert key_material.key_of(method) == public_key("EdDSA")


def test_an_ed25519_key_of_2018_is_read() -> None:
    method = {"type": "Ed25519VerificationKey2018", "publicKeyBase58": base58.encode(raw_ed25519())}
    assert key_material.key_of(method) == public_key("EdDSA")


def test_p_256_bytes_in_an_ed25519_key_of_2018_are_refused() -> None:
    method = {
        "type": "Ed25519VerificationKey2018",
        "publicKeyBase58": base58.encode(public_key("ES256").encoded_point()),
    }
    with pytest.raises(VerificationMethodError) as caught:
        key_material.key_of(method)
    assert caught.value.name == "INVALID_VERIFICATION_METHOD"


def test_a_p_256_multikey_in_an_ed25519_key_of_2020_is_refused() -> None:
    method = {"type": "Ed25519VerificationKey2020", "publicKeyMultibase": multikey.encode(public_key("ES256"))}
    with pytest.raises(VerificationMethodError, match="P-256"):
        key_material.key_of(method)


def test_a_small_order_point_in_an_ed25519_key_of_2018_is_refused() -> None:
    method = {"type": "Ed25519VerificationKey2018", "publicKeyBase58": base58.encode(b"\x01" + bytes(31))}
    with pytest.raises(InvalidKeyError, match="small order"):
        key_material.key_of(method)


@pytest.mark.parametrize("kind", ["JsonWebKey2020", "Multikey"])
def test_two_members_with_key_material_are_ambiguous(kind) -> None:
    method = {"type": kind, "publicKeyJwk": jwk(), "publicKeyMultibase": multikey.encode(public_key("ES256"))}
    with pytest.raises(VerificationMethodError, match="alone"):
        key_material.key_of(method)


@pytest.mark.parametrize(
    "method",
    [
        {"type": "JsonWebKey2020"},
        {"type": "JsonWebKey2020", "publicKeyMultibase": "zDn"},
        {"type": "Multikey", "publicKeyBase58": "abc"},
        {"type": "Ed25519VerificationKey2018", "publicKeyMultibase": "z6Mk"},
        {"type": "Ed25519VerificationKey2020", "publicKeyBase58": "abc"},
    ],
    ids=str,
)
def test_the_key_stands_in_the_member_of_its_type(method) -> None:
    with pytest.raises(VerificationMethodError):
        key_material.key_of(method)


@pytest.mark.parametrize(
    "method",
    [
        {"type": "JsonWebKey2020", "publicKeyJwk": "text"},
        {"type": "JsonWebKey2020", "publicKeyJwk": None},
        {"type": "Multikey", "publicKeyMultibase": 1},
        {"type": "Ed25519VerificationKey2018", "publicKeyBase58": ["a"]},
    ],
    ids=str,
)
def test_key_material_of_another_json_type_is_refused(method) -> None:
    with pytest.raises(KeyEncodingError):
        key_material.key_of(method)


@pytest.mark.parametrize(
    "kind", ["EcdsaSecp256k1VerificationKey2019", "X25519KeyAgreementKey2020", "RsaVerificationKey2018", ""]
)
def test_a_type_that_is_not_used_is_named(kind) -> None:
    with pytest.raises(UnsupportedKeyError):
        key_material.key_of({"type": kind, "publicKeyHex": "00"})


@pytest.mark.parametrize("kind", [None, 1, ["JsonWebKey2020"], {}])
def test_a_type_that_is_no_text_is_refused(kind) -> None:
    with pytest.raises(VerificationMethodError):
        key_material.method_type({"type": kind})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T20:00:00Z", datetime(2026, 11, 20, 20, tzinfo=UTC)),
        ("2026-11-20T20:00:00.5Z", datetime(2026, 11, 20, 20, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T21:00:00+01:00", datetime(2026, 11, 20, 20, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc(text, expected) -> None:
    assert key_material.moment({"revoked": text}, "revoked") == expected


def test_a_time_that_is_not_stated_is_none() -> None:
    assert key_material.moment({}, "expires") is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "never",
        "2026-11-20T20:00:00",
        "2026-11-20",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "20261120T200000Z",
        "2026-W47-5T20:00:00Z",
        "2026-11-20T20:00:00+24:00",
        0,
        None,
        True,
        [],
    ],
)
def test_a_time_that_cannot_be_read_is_not_ignored(value) -> None:
    with pytest.raises(VerificationMethodError, match="revoked"):
        key_material.moment({"revoked": value}, "revoked")


@pytest.mark.parametrize(
    "document",
    [
        {"verificationMethod": [{"privateKeyJwk": {}}]},
        {"a": {"b": [{"secretKeyMultibase": "z"}]}},
        {"publicKeyJwk": {"kty": "EC", "d": "AA"}},
        {"publicKeyJwk": {"kty": "RSA", "p": "AA"}},
        {"publicKeyJwk": {"kty": "oct"}},
        {"service": [{"serviceEndpoint": {"kty": "oct", "k": "AA"}}]},
    ],
    ids=str,
)
def test_a_private_key_anywhere_is_found(document) -> None:
    with pytest.raises(PrivateKeyPublishedError) as caught:
        key_material.refuse_private_members(document)
    assert caught.value.name == "CRYPTOGRAPHIC_SECURITY_ERROR"


def test_a_member_named_d_outside_a_key_is_no_private_key() -> None:
    key_material.refuse_private_members({"service": [{"d": "x", "k": [1, "p", None, True]}]})
