"""From a prepared credential to its signed bytes (VC 1.1 JSON-LD, JsonWebSignature2020)."""

from __future__ import annotations

from datetime import datetime

from did.algorithms import Algorithm
from did.keys import PublicKey
from did.signing import Signer
from issuer.credential import with_proof
from issuer.errors import SignatureFaultError
from issuer.keyring import SigningKey
from issuer.prepare import Prepared, PreparedCredential, lint
from schemas import strict_json, times
from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from verifier.case import Engines
from verifier.document import objects
from verifier.rdf.canonicalize import Canonicalizer
from verifier.suites import json_web_signature_2020


class _Remembered:
    """Canonicalizes; for the one document that lint has canonicalized already, gives that form again."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared

    def canonicalize(self, document: JsonObject) -> bytes:
        """Return the canonical N-Quads; raises as Canonicalizer.canonicalize."""
        if document == self._prepared.value:
            return self._prepared.canonical
        return self._prepared.canonicalizer.canonicalize(document)


def secure(unsecured: bytes, key: SigningKey, engines: Engines, now: datetime, *, self_verify: bool) -> bytes:
    """Return a document linted and signed by an issuer's key. Raises as issuer.prepare.lint and ``issue``."""
    return issue(
        lint(unsecured, engines), key.signer, key.algorithm, key.verification_method, now, self_verify=self_verify
    )


def issue(
    prepared: PreparedCredential,
    signer: Signer,
    algorithm: Algorithm,
    verification_method: str,
    created: datetime,
    *,
    self_verify: bool = True,
) -> bytes:
    """Return the secured document's bytes: those that were linted, and the proof as their last member.

    ``created`` is written in whole seconds, rounded down. With ``self_verify`` the signature just made is
    verified from the final bytes, all anew, before they are returned: a signer that errs (a fault in a
    token, a flipped bit) must not leave the house. Raises PreparationSpentError, SignerError,
    SignatureFaultError.
    """
    content = prepared.redeem()
    proof = json_web_signature_2020.create_proof(
        content.value,
        signer=signer,
        algorithm=algorithm,
        verification_method=verification_method,
        created=times.render_seconds(created),
        purpose="assertionMethod",
        canonicalizer=_Remembered(content),
    )
    secured = with_proof(content.unsecured, proof)
    if self_verify:
        _verify(secured, signer.public_key, content.canonicalizer)
    return secured


def _verify(secured: bytes, key: PublicKey, canonicalizer: Canonicalizer) -> None:
    try:
        document = strict_json.parse_object(secured)
        (proof,) = objects(document.get("proof"))
        json_web_signature_2020.verify_proof(document, proof, key, canonicalizer)
    except (GreenError, ValueError) as error:
        raise SignatureFaultError(f"the signature just made does not verify; nothing was issued: {error}") from error
