"""In-process: issue and verify the full credential of docs/formats.md, against the bare signature and DIDKit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.clock import Timing, measure
from did import local
from did.jwk import from_cryptography
from did.signers.software import SoftwareSigner
from issuer.prepare import lint
from issuer.sign import issue
from schemas import json_schema, strict_json
from verifier import document
from verifier.evidence import NOTHING
from verifier.policy import Policy
from verifier.rdf.engines import default_engines
from verifier.suites import json_web_signature_2020
from verifier.verify import verify_credential

EXAMPLE = Path(__file__).resolve().parent.parent / "tests/vectors/formats/credential.vc11.json"
NOW = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)


class Bench:
    """One key, one document; each method returns a timing in microseconds a call."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.signer = SoftwareSigner(self.private)
        self.did = local.did_key(self.signer.public_key)
        self.method = local.method_id(self.did)
        self.engines = default_engines()
        self.unsecured = self._unsecured()
        self.secured = self._issue(self_verify=True)

    def _unsecured(self) -> bytes:
        value = strict_json.parse_object(EXAMPLE.read_bytes())
        del value["proof"]
        value["issuer"] = self.did
        schema = value["credentialSchema"]
        schema["digestMultibase"] = json_schema.schema_digest(schema["id"])
        return json.dumps(value, separators=(",", ":")).encode()

    def _issue(self, *, self_verify: bool) -> bytes:
        prepared = lint(self.unsecured, self.engines)
        return issue(prepared, self.signer, "ES256", self.method, NOW, self_verify=self_verify)

    def bare_sign(self) -> Timing:
        algorithm = ec.ECDSA(hashes.SHA256())
        return measure(lambda: self.private.sign(b"x" * 64, algorithm))

    def bare_verify(self) -> Timing:
        algorithm = ec.ECDSA(hashes.SHA256())
        signature, public = self.private.sign(b"x" * 64, algorithm), self.private.public_key()
        return measure(lambda: public.verify(signature, b"x" * 64, algorithm))

    def issue(self) -> Timing:
        return measure(lambda: self._issue(self_verify=False))

    def issue_and_check(self) -> Timing:
        return measure(lambda: self._issue(self_verify=True))

    def verify_proof(self) -> Timing:
        key = self.signer.public_key

        def call() -> None:
            value = strict_json.parse_object(self.secured)
            json_web_signature_2020.verify_proof(value, value["proof"], key, self.engines.closed)

        return measure(call)

    def verdict(self) -> Timing:
        policy = Policy()
        return measure(lambda: verify_credential(document.parse(self.secured), NOTHING, policy, NOW))

    def didkit(self) -> dict[str, Timing]:
        """Issue and verify the same document with DIDKit; empty where it is not installed."""
        try:
            import didkit
        except ImportError:
            return {}
        key = _private_jwk(self.private)
        options = json.dumps({"proofPurpose": "assertionMethod", "verificationMethod": self.method})
        text, secured = self.unsecured.decode(), self.secured.decode()
        _must_verify(didkit, secured)
        return {
            "didkit_issue": measure(_loop(lambda: didkit.issue_credential(text, options, key))),
            "didkit_verify": measure(_loop(lambda: didkit.verify_credential(secured, "{}"))),
        }


def _loop(call: Callable[[], object]) -> Callable[[], object]:
    runner = asyncio.Runner()

    async def once() -> object:
        return await call()  # type: ignore[misc]

    return lambda: runner.run(once())


def _must_verify(didkit: ModuleType, secured: str) -> None:
    answer = json.loads(_loop(lambda: didkit.verify_credential(secured, "{}"))())  # type: ignore[arg-type]
    if answer["errors"]:
        raise SystemExit(f"DIDKit refuses our credential: {answer['errors']}")


def _private_jwk(key: ec.EllipticCurvePrivateKey) -> str:
    from schemas import base64url

    public = from_cryptography(key.public_key()).jwk
    secret = base64url.encode(key.private_numbers().private_value.to_bytes(32, "big"))
    return json.dumps({**public, "d": secret})
