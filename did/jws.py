"""A strict front end for JSON Web Signatures (RFC 7515, RFC 7797): one form each, nothing optional.

Libraries read more than the RFCs allow: b64=false without crit, an empty crit, duplicate members,
padding (security.md measured it on ours). So the text is taken apart here, and only bytes reach a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from did import jose_header
from did.algorithms import Algorithm
from did.errors import AlgorithmRefusedError, JwsError, JwsLimitError, MalformedJwsError
from did.keys import PublicKey
from did.signing import Signer
from schemas import base64url, jcs
from schemas.errors import MalformedValueError
from schemas.strict_json import JsonObject

MAX_SIGNATURE_BYTES: Final = 512
MAX_PAYLOAD_CHARACTERS: Final = 1024 * 1024
COMPACT_MEMBERS: Final = frozenset({"alg", "typ", "cty", "kid", "iss"})
_DETACHED_MEMBERS: Final = frozenset({"alg", "b64", "crit"})
_PARTS: Final = 3
_JWE_PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class DetachedJws:
    """``header..signature``: header bytes as received (base64url), its members, the signature's bytes."""

    header_b64: bytes
    header: JsonObject
    algorithm: Algorithm
    signature: bytes

    def signing_input(self, payload: bytes) -> bytes:
        """Return ``header_b64 . payload``, the payload unencoded (RFC 7797 §3). The received header is honoured."""
        return self.header_b64 + b"." + payload

    def verify(self, payload: bytes, key: PublicKey) -> None:
        """Return if the signature holds over ``payload``; raises as PublicKey.verify."""
        key.verify(self.signing_input(payload), self.signature, self.algorithm)


@dataclass(frozen=True, slots=True)
class CompactJws:
    """``header.payload.signature``, taken apart. Nothing in it is to be believed before ``verify``."""

    header: JsonObject
    payload: bytes
    signature: bytes
    signing_input: bytes
    algorithm: Algorithm

    def verify(self, key: PublicKey) -> None:
        """Return if the signature holds; raises as PublicKey.verify."""
        key.verify(self.signing_input, self.signature, self.algorithm)


def parse_detached(jws: str, *, extra_members: Collection[str] = ()) -> DetachedJws:
    """Return the parts of a detached JWS with an unencoded payload: alg, b64 false, crit ["b64"], nothing else.

    ``extra_members`` may allow further header members of foreign suites (some write ``kid``); the
    caller then checks their values. Raises MalformedJwsError, AlgorithmRefusedError (none, HS256, …),
    HeaderKeyError, JwsLimitError, and JwsError for wrong crit and b64 and a payload that is not detached.
    """
    header_b64, payload, signature = _split(jws)
    header = jose_header.parse(header_b64)
    algorithm = jose_header.check(header, _DETACHED_MEMBERS | frozenset(extra_members), unencoded=True)
    if payload:
        raise JwsError("the payload is not detached: header..signature is required")
    return DetachedJws(header_b64.encode("ascii"), header, algorithm, _signature(signature))


def parse_compact(text: str, *, typ: str | None = None, members: Collection[str] = COMPACT_MEMBERS) -> CompactJws:
    """Return the parts of a compact JWS, header members from ``members`` only.

    With ``typ``, that type is required exactly, so that no token passes for another kind (RFC 8725
    §3.11). Raises as parse_detached; TokenTypeError for another type; crit and b64 are refused.
    """
    header_b64, payload, signature = _split(text)
    header = jose_header.parse(header_b64)
    algorithm = jose_header.check(header, frozenset(members), unencoded=False)
    if typ is not None:
        jose_header.check_type(header, typ)
    if len(payload) > MAX_PAYLOAD_CHARACTERS:
        raise JwsLimitError(f"a payload has at most {MAX_PAYLOAD_CHARACTERS} characters; this one has {len(payload)}")
    return CompactJws(
        header=header,
        payload=_decode(payload, "payload"),
        signature=_signature(signature),
        signing_input=f"{header_b64}.{payload}".encode("ascii"),
        algorithm=algorithm,
    )


def sign_compact(payload: bytes, header: Mapping[str, str], signer: Signer, algorithm: Algorithm) -> str:
    """Return ``header.payload.signature`` over ``payload``; ``alg`` is set from ``algorithm``.

    Raises MalformedJwsError for a header that parse_compact would refuse, SignerError,
    AlgorithmRefusedError.
    """
    members: JsonObject = {**header, "alg": algorithm}
    jose_header.check(members, COMPACT_MEMBERS, unencoded=False)
    signing_input = f"{base64url.encode(jcs.canonical_bytes(members))}.{base64url.encode(payload)}"
    signature = signer.sign(signing_input.encode("ascii"), algorithm)
    return f"{signing_input}.{base64url.encode(signature)}"


def sign_detached(payload: bytes, signer: Signer, algorithm: Algorithm) -> str:
    """Return ``header..signature`` over the unencoded ``payload`` (RFC 7797). Raises SignerError, AlgorithmRefusedError."""
    header_b64 = detached_header(algorithm)
    signature = signer.sign(header_b64 + b"." + payload, algorithm)
    return f"{header_b64.decode('ascii')}..{base64url.encode(signature)}"


def detached_header(algorithm: Algorithm) -> bytes:
    """Return the base64url of ``{"alg":…,"b64":false,"crit":["b64"]}``, its members in JCS order."""
    return base64url.encode(jcs.canonical_bytes({"alg": algorithm, "b64": False, "crit": ["b64"]})).encode("ascii")


def _split(text: str) -> tuple[str, str, str]:
    parts = text.split(".", _JWE_PARTS)
    if len(parts) == _JWE_PARTS:
        raise AlgorithmRefusedError("this is an encrypted token (JWE); only signatures are read")
    if len(parts) != _PARTS:
        raise MalformedJwsError("a JWS has the form header.payload.signature; JSON serializations are not read")
    return parts[0], parts[1], parts[2]


def _signature(text: str) -> bytes:
    if len(text) > MAX_SIGNATURE_BYTES * 2:
        raise JwsError(f"a signature has at most {MAX_SIGNATURE_BYTES} bytes")
    return _decode(text, "signature")


def _decode(text: str, part: str) -> bytes:
    try:
        return base64url.decode(text)
    except MalformedValueError as error:
        raise MalformedJwsError(f"{part} of the JWS: {error.detail}") from error
