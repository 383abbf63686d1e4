"""What a node with a TPM and the issuer send each other when the node enrols (docs/protocol.md)."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from schemas.errors import SchemaInvalidError
from schemas.strict_json import JsonObject
from schemas.tpm.pcr import CHAIN_PCR

T = TypeVar("T", bound=msgspec.Struct)


class AttestRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node sends first. Public areas (TPMT_PUBLIC) and certificates (DER) in base64url."""

    token: str
    ek_public: str
    ek_certificate: str
    ak_public: str
    intermediates: list[str] = []


class ActivationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it sends then: the secret (base64url), the opening quote, and the register that chains its windows."""

    secret: str
    opening: dict[str, Any]
    chain_pcr: int = CHAIN_PCR


class Challenged(msgspec.Struct, frozen=True, kw_only=True):
    """What the node gets: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, and what its opening quote has to be over."""

    enrolment_id: str
    credential_blob: str
    encrypted_secret: str
    nonce: str
    previous: str | None
    expires: str


def read(body: JsonObject, wanted: type[T]) -> T:
    """Return a request's body as its Struct. Raises SchemaInvalidError."""
    try:
        return msgspec.convert(body, wanted)
    except msgspec.ValidationError as error:
        raise SchemaInvalidError(f"the body does not have the required shape: {error}") from error
