import json
from datetime import UTC, datetime

import pytest

from did import local
from did.algorithms import Algorithm
from did.errors import SignerError
from did.signing import Signer
from issuer import credential, prepare, sign
from issuer.errors import PreparationSpentError, SignatureFaultError
from issuer.prepare import PreparedCredential
from tests.fakes import issuer as fakes
from tests.fakes.did import BrokenSigner, signer
from verifier.rdf.canonicalize import InProcess
from verifier.suites.json_web_signature_2020 import verify_proof

CREATED = datetime(2026, 11, 20, 20, 1, 6, 999_999, tzinfo=UTC)
MINIMAL = "credential-minimal.vc11.json"
METHOD = "did:web:oracle.example#key-1"


def prepared() -> PreparedCredential:
    return prepare.lint(credential.encode(fakes.format_document(MINIMAL)), fakes.engines())


def issue(key: Signer, algorithm: Algorithm = "ES256", *, self_verify: bool = True) -> bytes:
    return sign.issue(prepared(), key, algorithm, METHOD, CREATED, self_verify=self_verify)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "PS256"])
def test_what_is_issued_verifies(algorithm: Algorithm) -> None:
    document = json.loads(issue(signer(algorithm), algorithm))
    verify_proof(document, document["proof"], signer(algorithm).public_key, InProcess())


def test_the_bytes_that_were_linted_stand_before_the_proof() -> None:
    assert issue(signer("ES256")).startswith(credential.encode(fakes.format_document(MINIMAL))[:-1])


def test_the_proof_has_the_format_s_members_and_whole_seconds_rounded_down() -> None:
    proof = json.loads(issue(signer("ES256")))["proof"]
    assert list(proof) == ["type", "created", "verificationMethod", "proofPurpose", "jws"]
    assert proof["created"] == "2026-11-20T20:01:06Z"
    assert proof["verificationMethod"] == METHOD
    assert proof["jws"].startswith("eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..")


def test_a_prepared_credential_is_signed_once() -> None:
    once = prepared()
    sign.issue(once, signer("ES256"), "ES256", METHOD, CREATED)
    with pytest.raises(PreparationSpentError):
        sign.issue(once, signer("ES256"), "ES256", METHOD, CREATED)


def test_a_signature_that_does_not_verify_never_leaves() -> None:
    key = fakes.FaultySigner(signer("ES256"))
    key.broken = True
    with pytest.raises(SignatureFaultError, match="nothing was issued"):
        issue(key)


def test_verifying_one_s_own_signature_can_be_switched_off() -> None:
    key = fakes.FaultySigner(signer("ES256"))
    key.broken = True
    assert b'"jws"' in issue(key, self_verify=False)


def test_a_key_that_cannot_be_used_says_so() -> None:
    with pytest.raises(SignerError):
        issue(BrokenSigner(signer("ES256").public_key))


def test_didkit_verifies_what_is_issued() -> None:
    didkit = pytest.importorskip("didkit")
    for algorithm in ("ES256", "EdDSA"):
        key = signer(algorithm)
        did = local.did_key(key.public_key)
        unsigned = prepare.lint(credential.encode(fakes.format_document(MINIMAL) | {"issuer": did}), fakes.engines())
        document = sign.issue(unsigned, key, algorithm, local.method_id(did), CREATED)
        assert json.loads(didkit_answer(didkit, document.decode()))["errors"] == []


def didkit_answer(didkit: object, document: str) -> str:
    import asyncio

    async def ask() -> str:
        # DIDKit would fetch the status list: only the proof is asked for.
        return await didkit.verify_credential(document, json.dumps({"checks": ["proof"]}))  # type: ignore[attr-defined,no-any-return]

    return asyncio.run(ask())
