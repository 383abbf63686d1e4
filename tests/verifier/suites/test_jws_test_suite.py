"""The JWS Test Suite: 140 documents of five implementations, keys and contexts injected.

Two things stand between these documents and our own profile, and both are parameters that it never uses:
65 documents bring ``@vocab`` inline, and those of one implementation write ``kid`` into the header. The 35
signed with secp256k1 are refused by the name of their curve and algorithm.
"""

from __future__ import annotations

import json

import pytest

from contexts.pinned import load
from did.errors import AlgorithmRefusedError, JwsError, UnsupportedKeyError
from did.jwk import parse_jwk
from did.jws import parse_detached
from tests.vectors import shared
from verifier.errors import ProofVerificationError, UntrustedContextError
from verifier.rdf.canonicalize import InProcess
from verifier.suites import json_web_signature_2020 as suite

FOLDER = shared("vectors/jws-test-suite")
EXPECTED = json.loads((FOLDER / "expected.json").read_bytes())
SUBMISSION = "https://identity.foundation/presentation-exchange/submission/v1"
KEYS = {
    key["id"]: key["publicKeyJwk"] for key in (json.loads(path.read_bytes()) for path in (FOLDER / "keys").iterdir())
}
SECP256K1 = "did:example:123#key-1"


def source(url):
    if url == SUBMISSION:
        return json.loads(shared("vectors/contexts/presentation-submission-v1.jsonld").read_bytes())
    return load(url)


CANONICALIZER = InProcess(source=source, inline_contexts=True)


def read(name):
    return json.loads((FOLDER / "signed" / name).read_bytes())


def verify(document, **options):
    proof = document["proof"]
    key = parse_jwk(KEYS[proof["verificationMethod"]])
    suite.verify_proof(document, proof, key, CANONICALIZER, **options)


def curve(name):
    return read(name)["proof"]["verificationMethod"] == SECP256K1


VERIFIABLE = [name for name in EXPECTED if not curve(name)]
REFUSED = [name for name in EXPECTED if curve(name)]


def test_the_suite_is_the_one_these_tests_were_written_for():
    assert len(EXPECTED) == 140
    assert len(REFUSED) == 35
    assert all(entry == {"expected_proof": "verify", "safe_mode": "verify"} for entry in EXPECTED.values())


@pytest.mark.parametrize("name", VERIFIABLE)
def test_the_proof_verifies_and_nothing_is_lost(name):
    verify(read(name), accept_kid=True)


@pytest.mark.parametrize("name", REFUSED)
def test_secp256k1_is_refused_by_name(name):
    proof = read(name)["proof"]
    with pytest.raises(UnsupportedKeyError, match="secp256k1"):
        parse_jwk(KEYS[proof["verificationMethod"]])
    with pytest.raises(AlgorithmRefusedError, match="ES256K"):
        parse_detached(proof["jws"], extra_members=("kid",))


@pytest.mark.parametrize("name", [name for name in VERIFIABLE if "credential-0" in name or "presentation-1" in name])
def test_one_changed_time_does_not_verify(name):
    document = read(name)
    document["proof"]["created"] = "1999-12-31T23:59:59Z"
    with pytest.raises(ProofVerificationError):
        verify(document, accept_kid=True)


@pytest.mark.parametrize("name", [name for name in VERIFIABLE if name.startswith("tbd")])
def test_a_key_id_in_the_header_is_refused_unless_it_is_asked_for(name):
    with pytest.raises(JwsError, match="kid"):
        verify(read(name))


@pytest.mark.parametrize("name", [name for name in VERIFIABLE if "@vocab" in json.dumps(read(name))][:5])
def test_a_vocabulary_of_last_resort_is_refused_outside_of_these_tests(name):
    document = read(name)
    with pytest.raises(UntrustedContextError):
        suite.hash_data({k: v for k, v in document.items() if k != "proof"}, {"type": suite.TYPE}, InProcess())
