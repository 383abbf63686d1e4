import json
from datetime import UTC, datetime

import pytest

from did.algorithms import Algorithm
from did.errors import AlgorithmRefusedError, SignatureInvalidError, TokenTypeError
from did.jws import parse_compact, sign_compact
from issuer import certificate
from issuer.keyring import SigningKey
from schemas import digests
from schemas.errors import SchemaInvalidError
from tests.fakes.did import public_key, signer
from tests.vectors import FORMATS

DOCUMENT = (FORMATS / "credential-minimal.vc11.json").read_bytes()
ISSUER = json.loads(DOCUMENT)["issuer"]
NOW = datetime(2026, 11, 21, 8, 0, 0, 500_000, tzinfo=UTC)


def key(algorithm: Algorithm = "ES256", did: str = ISSUER) -> SigningKey:
    used: Algorithm = "PS256" if algorithm == "RS256" else algorithm
    return SigningKey(did, f"{did}#key-1", used, signer(algorithm))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "ES384"])
def test_a_certificate_verifies_by_the_issuer_s_key(algorithm: Algorithm) -> None:
    text = certificate.compact(DOCUMENT, key(algorithm), NOW)
    assert parse_compact(text).algorithm == algorithm
    assert certificate.verify(text, public_key(algorithm))["iss"] == ISSUER


def test_the_header_names_the_key_and_the_kind_of_token() -> None:
    header = parse_compact(certificate.compact(DOCUMENT, key(), NOW)).header
    assert header == {"alg": "ES256", "kid": f"{ISSUER}#key-1", "typ": "green-compute-certificate+jwt"}


def test_the_claims_are_those_of_the_credential_s_subject_as_strings() -> None:
    claims = certificate.payload(DOCUMENT, NOW)
    subject = json.loads(DOCUMENT)["credentialSubject"]
    assert claims["sub"] == subject.pop("id")
    assert {name: claims[name] for name in subject} == subject


def test_the_certificate_points_back_to_the_credential_and_its_status() -> None:
    claims = certificate.payload(DOCUMENT, NOW)
    assert claims["credential"] == {
        "id": "https://oracle.example/credentials/019aa2c5-9410-7c00-9a00-0000000000c3",
        "mediaType": "application/ld+json",
        "digestMultibase": digests.digest(DOCUMENT),
        "issuanceDate": "2026-11-20T20:01:05Z",
        "statusListIndex": "94568",
        "statusListCredential": "https://oracle.example/status/revocation/7",
        "suspensionListCredential": "https://oracle.example/status/suspension/7",
    }
    assert claims["iat"] == 1_795_248_000


def test_a_changed_claim_breaks_the_signature() -> None:
    header, payload, signature = certificate.compact(DOCUMENT, key(), NOW).split(".")
    changed = ("A" if payload[20] != "A" else "B").join([payload[:20], payload[21:]])
    with pytest.raises(SignatureInvalidError):
        certificate.verify(f"{header}.{changed}.{signature}", public_key("ES256"))


def test_another_kind_of_token_is_no_certificate() -> None:
    other = sign_compact(b"{}", {"typ": "JWT"}, signer("ES256"), "ES256")
    with pytest.raises(TokenTypeError):
        certificate.verify(other, public_key("ES256"))


@pytest.mark.parametrize("header", ["eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJub25lIn0"])
def test_a_shared_secret_or_no_key_at_all_is_refused(header: str) -> None:
    _, payload, signature = certificate.compact(DOCUMENT, key(), NOW).split(".")
    with pytest.raises(AlgorithmRefusedError):
        certificate.verify(f"{header}.{payload}.{signature}", public_key("ES256"))


def test_another_issuer_s_key_makes_no_certificate() -> None:
    with pytest.raises(SchemaInvalidError, match="issuer"):
        certificate.compact(DOCUMENT, key(did="did:web:other.example"), NOW)


def test_a_document_that_is_no_credential_of_ours_has_no_certificate() -> None:
    with pytest.raises(SchemaInvalidError):
        certificate.compact(b'{"type": ["VerifiableCredential"]}', key(), NOW)
