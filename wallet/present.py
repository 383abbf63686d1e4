"""Make a verifiable presentation of held credentials, signed by the holder (VC Data Model 1.1 §4.10)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from did.keys import Algorithm
from did.signers import Signer
from schemas import times
from schemas.strict_json import JsonObject
from verifier.rdf.canonicalize import Canonicalizer
from verifier.suites import json_web_signature_2020
from wallet.archive import HeldCredential
from wallet.errors import WalletError

CONTEXT: Final = ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/suites/jws-2020/v1"]
MAX_CREDENTIALS: Final = 1_000


class Holder(msgspec.Struct, frozen=True):
    """Who presents: a DID, the verification method that its document lists, and the signer behind it."""

    did: str
    verification_method: str
    algorithm: Algorithm
    signer: Signer


def present(
    credentials: Sequence[HeldCredential],
    holder: Holder,
    canonicalizer: Canonicalizer,
    *,
    presentation_id: str,
    created: datetime,
    challenge: str | None = None,
    domain: str | None = None,
) -> bytes:
    """Return the presentation's JSON bytes; the credentials stand in it byte for byte as they were received.

    ``challenge`` and ``domain`` are the auditor's: they bind the presentation to his request, so that
    nobody can replay it elsewhere. Raises WalletError for no credential or more than 1,000.
    """
    if not 1 <= len(credentials) <= MAX_CREDENTIALS:
        raise WalletError(f"a presentation holds 1 to {MAX_CREDENTIALS} credentials, not {len(credentials)}")
    envelope: JsonObject = {
        "@context": list(CONTEXT),
        "id": presentation_id,
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
    }
    proof = json_web_signature_2020.create_proof(
        envelope | {"verifiableCredential": [held.document for held in credentials]},
        signer=holder.signer,
        algorithm=holder.algorithm,
        verification_method=holder.verification_method,
        created=times.render_seconds(created),
        purpose="authentication",
        challenge=challenge,
        domain=domain,
        canonicalizer=canonicalizer,
    )
    return _splice(envelope, [held.raw for held in credentials], proof)


def _splice(envelope: JsonObject, credentials: Sequence[bytes], proof: JsonObject) -> bytes:
    # Signed JSON stays as it was received: parsing and writing it again could change its bytes.
    head = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    tail = json.dumps(proof, ensure_ascii=False, separators=(",", ":")).encode()
    return head + b',"verifiableCredential":[' + b",".join(credentials) + b'],"proof":' + tail + b"}"
