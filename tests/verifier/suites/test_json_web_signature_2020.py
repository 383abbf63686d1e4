"""JsonWebSignature2020: the examples verify, what we sign verifies, one changed byte does not."""

from __future__ import annotations

import hashlib

import pytest

from did.errors import AlgorithmRefusedError, JwsError, MalformedJwsError, SignerError
from did.jws import parse_detached
from schemas import base64url
from schemas.errors import GreenError
from tests.fakes.did import BrokenSigner, public_key, signer
from tests.fakes.documents import example, unsecured
from tests.fakes.suite import CANONICALIZER, CREATED, key_of, method_of, signed
from tests.vectors import FORMATS
from verifier.errors import (
    CryptographicSecurityError,
    ProofTransformationError,
    ProofVerificationError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.suites import json_web_signature_2020 as suite

EXAMPLES = [
    "credential.vc11",
    "credential-minimal.vc11",
    "window.vc11",
    "summary.vc11",
    "status-list.vc11",
    "presentation.vc11",
]
HEADER = b'{"alg":"ES256","b64":false,"crit":["b64"]}'


def verify(document, key=None, **options):
    proof = document["proof"]
    suite.verify_proof(document, proof, key or key_of(proof), CANONICALIZER, **options)


def create(document, **changes):
    arguments = {
        "signer": signer("ES256"),
        "algorithm": "ES256",
        "verification_method": method_of("ES256"),
        "created": CREATED,
        "purpose": "assertionMethod",
        "canonicalizer": CANONICALIZER,
    }
    return suite.create_proof(document, **(arguments | changes))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_proof_of_each_example_verifies(name):
    verify(example(name))


def test_the_credentials_in_the_example_of_a_presentation_verify():
    for credential in example("presentation.vc11")["verifiableCredential"]:
        verify(credential)


def test_the_hash_data_is_both_hashes_options_first():
    document, options = unsecured("credential.vc11")
    options.pop("@context")
    canonical = FORMATS / "canonical"
    expected = [
        hashlib.sha256((canonical / f"credential.vc11{part}.nq").read_bytes()).digest()
        for part in (".proof-options", "")
    ]
    assert suite.hash_data(document, options, CANONICALIZER) == b"".join(expected)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("name", ["credential.vc11", "status-list.vc11", "presentation.vc11"])
def test_what_we_sign_verifies(name, algorithm):
    verify(signed(name, algorithm))


def test_what_we_sign_with_rsa_verifies():
    document = {**unsecured("status-list.vc11")[0]}
    document["proof"] = create(document, signer=signer("PS256"), algorithm="PS256")
    verify(document, public_key("PS256"))


def test_a_challenge_and_a_domain_are_signed():
    document = signed("presentation.vc11", challenge="6d5b", domain="audit.example")
    assert document["proof"]["challenge"] == "6d5b"
    assert document["proof"]["domain"] == "audit.example"
    verify(document)


def test_the_proof_has_the_members_of_the_format_and_the_header_of_the_suite():
    proof = signed("credential.vc11")["proof"]
    assert list(proof) == ["type", "created", "verificationMethod", "proofPurpose", "jws"]
    assert base64url.decode(proof["jws"].split("..")[0]) == HEADER


def test_the_header_is_honoured_as_it_was_received():
    document, options = unsecured("status-list.vc11")
    options.pop("@context")
    header = base64url.encode(b'{"crit": ["b64"],\n "b64":false, "alg":"ES256"}')
    hash_data = suite.hash_data(document, options, CANONICALIZER)
    signature = signer("ES256").sign(header.encode() + b"." + hash_data, "ES256")
    document["proof"] = {**options, "jws": f"{header}..{base64url.encode(signature)}"}
    verify(document, public_key("ES256"))


def test_the_order_of_members_does_not_matter():
    document = example("credential.vc11")
    verify({key: document[key] for key in reversed(document)})


def test_a_signature_by_another_key_does_not_verify():
    with pytest.raises(ProofVerificationError):
        verify(example("credential.vc11"), public_key("ES256"))


def test_a_key_of_another_kind_does_not_verify():
    with pytest.raises(AlgorithmRefusedError):
        verify(example("credential.vc11"), public_key("ES384"))


@pytest.mark.parametrize("position", [0, 1, 31, 32, 63])
def test_a_signature_with_one_changed_byte_does_not_verify(position):
    document = example("credential.vc11")
    header, _, signature = document["proof"]["jws"].partition("..")
    changed = bytearray(base64url.decode(signature))
    changed[position] ^= 1
    document["proof"]["jws"] = f"{header}..{base64url.encode(bytes(changed))}"
    with pytest.raises(ProofVerificationError):
        verify(document)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("created", "2026-11-20T20:00:13Z"),
        ("proofPurpose", "authentication"),
        ("verificationMethod", "did:key:zOther#zOther"),
        ("challenge", "added"),
        ("domain", "added.example"),
        ("nonce", "added"),
        ("expires", "2036-11-20T20:00:13Z"),
    ],
)
def test_a_changed_or_added_member_of_the_proof_does_not_verify(member, value):
    document = example("credential.vc11")
    key = key_of(document["proof"])
    document["proof"][member] = value
    with pytest.raises((ProofVerificationError, UnsignedClaimError)):
        verify(document, key)


def test_an_undefined_member_of_the_proof_is_refused():
    document = example("credential.vc11")
    document["proof"]["note"] = "not signed"
    with pytest.raises(UnsignedClaimError, match="note"):
        verify(document)


@pytest.mark.parametrize("context", ["https://w3id.org/security/v2", [], None])
def test_a_proof_with_contexts_of_its_own_is_refused(context):
    document = example("credential.vc11")
    document["proof"]["@context"] = context
    with pytest.raises(UntrustedContextError):
        verify(document)


def test_a_document_without_contexts_is_refused():
    document = example("credential.vc11")
    del document["@context"]
    with pytest.raises(UntrustedContextError):
        verify(document)


def test_a_proof_of_another_type_is_refused():
    document = example("credential.vc20")
    with pytest.raises(ProofVerificationError, match="type"):
        verify(document)


@pytest.mark.parametrize("jws", [None, 1, [], {}])
def test_a_proof_without_a_text_as_jws_is_refused(jws):
    document = example("credential.vc11")
    document["proof"]["jws"] = jws
    with pytest.raises(ProofVerificationError):
        verify(document)


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        (b'{"alg":"ES256","b64":false}', JwsError),
        (b'{"alg":"ES256","b64":false,"crit":[]}', JwsError),
        (b'{"alg":"ES256","b64":false,"crit":["b64","b64"]}', JwsError),
        (b'{"alg":"ES256","b64":true,"crit":["b64"]}', JwsError),
        (b'{"alg":"ES256","crit":["b64"]}', JwsError),
        (b'{"alg":"ES256"}', JwsError),
        (b'{"alg":"ES256","b64":false,"crit":["b64"],"kid":"x"}', JwsError),
        (b'{"alg":"ES256","alg":"ES256","b64":false,"crit":["b64"]}', MalformedJwsError),
        (b'{"alg":"none","b64":false,"crit":["b64"]}', AlgorithmRefusedError),
        (b'{"alg":"ES256K","b64":false,"crit":["b64"]}', AlgorithmRefusedError),
        (b'{"alg":"HS256","b64":false,"crit":["b64"]}', AlgorithmRefusedError),
        (b'{"alg":"RS256","b64":false,"crit":["b64"]}', CryptographicSecurityError),
    ],
)
def test_a_header_that_is_not_exactly_the_suites_is_refused(header, refusal):
    document = example("credential.vc11")
    signature = document["proof"]["jws"].partition("..")[2]
    document["proof"]["jws"] = f"{base64url.encode(header)}..{signature}"
    with pytest.raises(refusal):
        verify(document)


def kid_signed(kid):
    document, options = unsecured("status-list.vc11")
    options.pop("@context")
    header = base64url.encode(b'{"alg":"ES256","b64":false,"crit":["b64"],"kid":"' + kid.encode() + b'"}')
    payload = header.encode() + b"." + suite.hash_data(document, options, CANONICALIZER)
    signature = base64url.encode(signer("ES256").sign(payload, "ES256"))
    return {**document, "proof": {**options, "jws": f"{header}..{signature}"}}


def test_a_key_id_that_repeats_the_verification_method_is_tolerated_only_on_request():
    document = kid_signed(example("status-list.vc11")["proof"]["verificationMethod"])
    verify(document, public_key("ES256"), accept_kid=True)
    with pytest.raises(JwsError):
        verify(document, public_key("ES256"))


def test_a_key_id_that_names_another_key_is_refused():
    with pytest.raises(ProofVerificationError, match="another key"):
        verify(kid_signed("did:example:other"), public_key("ES256"), accept_kid=True)


def test_a_document_with_a_proof_is_not_signed_again():
    with pytest.raises(ProofTransformationError):
        create(example("credential.vc11"))


def test_a_document_that_would_lose_a_claim_is_not_signed():
    document, _ = unsecured("credential.vc11")
    document["credentialSubject"]["undefined"] = "x"
    with pytest.raises(UnsignedClaimError):
        create(document)


def test_an_algorithm_outside_the_suite_does_not_sign():
    with pytest.raises(CryptographicSecurityError):
        create(unsecured("status-list.vc11")[0], signer=signer("RS256"), algorithm="RS256")


def test_an_algorithm_of_another_key_does_not_sign():
    with pytest.raises(GreenError, match="ES384"):
        create(unsecured("status-list.vc11")[0], algorithm="ES384")


def test_a_signer_that_fails_is_told():
    with pytest.raises(SignerError):
        create(unsecured("status-list.vc11")[0], signer=BrokenSigner(public_key("ES256")))


def test_the_signature_of_the_example_is_over_the_suites_signing_input():
    document, options = unsecured("credential.vc11")
    options.pop("@context")
    proof = example("credential.vc11")["proof"]
    parsed = parse_detached(proof["jws"])
    message = base64url.encode(HEADER).encode() + b"." + suite.hash_data(document, options, CANONICALIZER)
    key_of(proof).verify(message, parsed.signature, "ES256")
