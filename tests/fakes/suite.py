"""What the tests of proof suites share: the keys of the examples, and signed documents."""

from __future__ import annotations

from typing import Any

from did.algorithms import Algorithm
from did.keys import PublicKey
from did.local import did_key, resolve
from tests.fakes.did import signer
from tests.fakes.documents import unsecured
from verifier.rdf.canonicalize import InProcess
from verifier.suites import json_web_signature_2020 as suite

CREATED = "2026-11-20T20:00:12Z"
CANONICALIZER = InProcess()


def key_of(proof: dict[str, Any], relationship: str = "assertionMethod") -> PublicKey:
    """Return the key that a proof by a did:key names."""
    method = proof["verificationMethod"]
    return resolve(method.partition("#")[0]).key_for(method, relationship).key


def method_of(algorithm: Algorithm) -> str:
    """Return the verification method of the test signer's did:key."""
    did = did_key(signer(algorithm).public_key)
    return f"{did}#{did.removeprefix('did:key:')}"


def signed(name: str, algorithm: Algorithm = "ES256", **challenge: str) -> dict[str, Any]:
    """Return an example, issued or presented anew by the test signer's did:key."""
    document, options = unsecured(name)
    method = method_of(algorithm)
    document["issuer" if "issuer" in document else "holder"] = method.partition("#")[0]
    document["proof"] = suite.create_proof(
        document,
        signer=signer(algorithm),
        algorithm=algorithm,
        verification_method=method,
        created=CREATED,
        purpose=options["proofPurpose"],
        canonicalizer=CANONICALIZER,
        **challenge,
    )
    return document
