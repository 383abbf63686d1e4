"""A window signed by a software key: the same header as a compact JWS, of a type of its own.

A file can be copied and a process can be told what to sign, so this proves less than a quote, and never
passes for one: such a header names no attestation key, a JWS is base64url text while an attestation begins
with 0xFF "TCG", and no other token of this house has this ``typ``.
"""

from __future__ import annotations

from typing import Final

from did import jws
from did.algorithms import Algorithm
from did.errors import DidError
from did.keys import PublicKey
from schemas import digests
from schemas.window_header import SOFTWARE_TYP, decode_header, window_digest
from schemas.window_record import WindowRecords
from verifier.attestation.errors import SoftwareSignatureError, WindowSignerError
from verifier.attestation.window import CheckedWindow, check_records

MEDIA_TYPE: Final = "application/jose"
"""``mediaType`` of such evidence in a credential (RFC 7515 §9.2.1)."""

ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "EdDSA", "PS256")
"""How a node's software key signs, as it signs posted records; RSA keys with PSS only."""

_MEMBERS: Final = frozenset({"alg", "typ", "kid"})


def check_software_window(token: str, key: PublicKey, records: WindowRecords | None = None) -> CheckedWindow:
    """Return the window in ``header.payload.signature``, the payload being the window header's JCS bytes.

    ``kid`` and the header's ``key`` are ``key``'s thumbprint URI. Raises SoftwareSignatureError (401) where the
    JWS does not hold, FormatError (400) where the header cannot be read, WindowSignerError (401) where it is a
    TPM's or another key's, RecordsMismatchError (400).
    """
    try:
        signed = jws.parse_compact(token, typ=SOFTWARE_TYP, members=_MEMBERS)
        if signed.algorithm not in ALGORITHMS:
            raise SoftwareSignatureError(f"signature: alg is one of {', '.join(ALGORITHMS)}, not {signed.algorithm}")
        signed.verify(key)
    except DidError as error:
        raise SoftwareSignatureError(f"signature: {error.detail}") from error
    if signed.header.get("kid") != key.thumbprint_uri:
        raise WindowSignerError("signature: kid is not the thumbprint of the node's key")
    header = decode_header(signed.payload)
    if header.ak is not None:
        raise WindowSignerError("header: it names an attestation key (ak), and a software key signed it")
    if header.key != key.thumbprint_uri:
        raise WindowSignerError("header: key is not the thumbprint of the key that signed it")
    if records is not None:
        check_records(header, records)
    return CheckedWindow(header, digests.encode(window_digest(signed.payload)), records)
