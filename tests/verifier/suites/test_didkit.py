"""An independent implementation, both ways: DIDKit verifies what we sign, and we verify what it signs."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from schemas import base64url
from tests.fakes.did import signer
from tests.fakes.documents import unsecured
from tests.fakes.suite import CANONICALIZER, CREATED, key_of, method_of, signed
from verifier.errors import ProofVerificationError
from verifier.suites import json_web_signature_2020 as suite

didkit = pytest.importorskip("didkit", reason="DIDKit has no build for this interpreter")

ALGORITHMS = ["ES256", "EdDSA"]
CREDENTIALS = ["credential.vc11", "credential-minimal.vc11", "window.vc11", "summary.vc11"]
CHALLENGE = {"challenge": "6d5b1f7e0c9a4d2b8e3f", "domain": "audit.example"}
NO_ERRORS = {"checks": ["proof"], "warnings": [], "errors": []}


async def judged(document):
    """Return DIDKit's verdict on a credential or presentation."""
    if "holder" in document:
        options = {"proofPurpose": "authentication", **CHALLENGE}
        return json.loads(await didkit.verify_presentation(json.dumps(document), json.dumps(options)))
    return json.loads(await didkit.verify_credential(json.dumps(document), '{"proofPurpose":"assertionMethod"}'))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", CREDENTIALS)
async def test_didkit_verifies_the_credentials_we_sign(name, algorithm):
    assert await judged(signed(name, algorithm)) == NO_ERRORS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_didkit_verifies_the_presentations_we_sign(algorithm):
    assert await judged(signed("presentation.vc11", algorithm, **CHALLENGE)) == NO_ERRORS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("credential.vc11", lambda document: document["credentialSubject"].update(energyKwh="1")),
        ("credential.vc11", lambda document: document.update(issuanceDate="2026-11-20T20:00:13Z")),
        ("credential.vc11", lambda document: document["proof"].update(created="2026-11-20T20:00:13Z")),
        ("presentation.vc11", lambda document: document.update(id="urn:uuid:0d9a2f8e-3a5c-4c57-9f2b-2c8f3f0c7a12")),
        ("presentation.vc11", lambda document: document["verifiableCredential"].pop()),
    ],
)
async def test_didkit_and_we_refuse_what_was_changed(name, change, algorithm):
    document = signed(name, algorithm, **(CHALLENGE if name == "presentation.vc11" else {}))
    change(document)
    assert (await judged(document))["errors"]
    with pytest.raises(ProofVerificationError):
        suite.verify_proof(document, document["proof"], signer(algorithm).public_key, CANONICALIZER)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_didkit_refuses_a_signature_with_one_changed_byte(algorithm):
    document = signed("credential.vc11", algorithm)
    header, _, signature = document["proof"]["jws"].partition("..")
    changed = bytearray(base64url.decode(signature))
    changed[40] ^= 1
    document["proof"]["jws"] = f"{header}..{base64url.encode(bytes(changed))}"
    assert (await judged(document))["errors"]
    with pytest.raises(ProofVerificationError):
        suite.verify_proof(document, document["proof"], signer(algorithm).public_key, CANONICALIZER)


def private_jwk(algorithm):
    """Return the test signer's key as the private JWK that DIDKit asks for."""
    key = signer(algorithm)._key
    public = dict(signer(algorithm).public_key.jwk)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        secret = key.private_numbers().private_value.to_bytes(32, "big")
    else:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        secret = key.private_bytes_raw()
    return json.dumps({**public, "d": base64url.encode(secret)})


async def issued_by_didkit(name, algorithm):
    document, options = unsecured(name)
    document["issuer" if "issuer" in document else "holder"] = method_of(algorithm).partition("#")[0]
    asked = {
        "type": "JsonWebSignature2020",
        "verificationMethod": method_of(algorithm),
        "proofPurpose": options["proofPurpose"],
        "created": CREATED,
    }
    sign = didkit.issue_presentation if "holder" in document else didkit.issue_credential
    if "holder" in document:
        asked |= CHALLENGE
    return json.loads(await sign(json.dumps(document), json.dumps(asked), private_jwk(algorithm)))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", [*CREDENTIALS, "presentation.vc11"])
async def test_we_verify_what_didkit_signs(name, algorithm):
    document = await issued_by_didkit(name, algorithm)
    relationship = document["proof"]["proofPurpose"]
    suite.verify_proof(document, document["proof"], key_of(document["proof"], relationship), CANONICALIZER)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_we_refuse_one_changed_byte_of_what_didkit_signs(algorithm):
    document = await issued_by_didkit("credential.vc11", algorithm)
    document["credentialSubject"]["nodeId"] = document["credentialSubject"]["nodeId"][:-1] + "0"
    with pytest.raises(ProofVerificationError):
        suite.verify_proof(document, document["proof"], signer(algorithm).public_key, CANONICALIZER)
