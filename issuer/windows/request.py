"""The body of ``POST /api/v1/windows``: its first line is the evidence, every other a record. Pure.

The first line is looked at alone before anything else is inflated or parsed: whoever has no node's key costs no more
than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from did import jws
from did.errors import DidError
from issuer.errors import WindowBodyError
from issuer.windows import compression
from issuer.windows.compression import Coding
from schemas import jcs, strict_json
from schemas.cmw import WindowEvidence, parse_evidence
from schemas.errors import ParsingError, SchemaInvalidError
from schemas.opening_quote import BootEvent, parse_boot_event
from schemas.plain_values import check_canonical
from schemas.strict_json import JsonObject
from schemas.window_header import SOFTWARE_TYP, WindowHeader, decode_header
from verifier.attestation.errors import SoftwareSignatureError

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of a body as it is sent."""

MAX_LINE_BYTES: Final = 256 * 1024
"""Of the first line: evidence of at most 128 KB, and a boot event."""

_MAX_DEPTH: Final = 6
_JWS_MEMBERS: Final = frozenset({"alg", "typ", "kid"})


@dataclass(frozen=True, slots=True)
class FirstLine:
    """What a request begins with, nothing of it believed yet.

    ``evidence`` are the bytes that a credential will name: a compact JWS, or a CMW collection, which ``quote`` has
    read; ``quote`` is None where a software key signed. ``length`` is the line's, line feed included.
    """

    evidence: bytes
    header: WindowHeader
    header_bytes: bytes
    quote: WindowEvidence | None
    boot_event: BootEvent | None
    length: int

    @property
    def token(self) -> str:
        """The compact JWS of a software key."""
        return self.evidence.decode("ascii")


def read_first_line(body: bytes, coding: Coding) -> FirstLine:
    """Return what stands in the first line. Raises WindowBodyError, FormatError, SoftwareSignatureError."""
    start = compression.begin(body, coding, MAX_LINE_BYTES + 1)
    end = start.find(b"\n", 0, MAX_LINE_BYTES)
    if end < 0:
        raise WindowBodyError(
            f"the first line holds the evidence, in at most {MAX_LINE_BYTES} bytes, and ends with a line feed"
        )
    line = start[:end]
    members = strict_json.parse_object(line, max_bytes=MAX_LINE_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(line, members, "line 1")
    evidence = members.get("evidence")
    if not isinstance(evidence, dict) or members.keys() - {"evidence", "boot_event"}:
        raise SchemaInvalidError('line 1: {"evidence": …} is expected, with "boot_event" where an epoch opens')
    boot_event = _boot_event(members["boot_event"]) if "boot_event" in members else None
    if "jws" in evidence:
        return _software(evidence, boot_event, end + 1)
    raw = jcs.canonical_bytes(evidence)
    quote = parse_evidence(raw)
    return FirstLine(raw, decode_header(quote.header), quote.header, quote, boot_event, end + 1)


def read_records(body: bytes, coding: Coding, line: FirstLine) -> bytes:
    """Return the lines of the records. Raises WindowBodyError, WindowTooLargeError."""
    return compression.inflate(body, coding)[line.length :]


def _software(evidence: JsonObject, boot_event: BootEvent | None, length: int) -> FirstLine:
    token = evidence["jws"]
    if len(evidence) != 1 or not isinstance(token, str):
        raise SchemaInvalidError('evidence: {"jws": a compact JWS} or a CMW collection is expected')
    if boot_event is not None:
        raise SchemaInvalidError("boot_event: only a TPM's epoch is opened by one")
    try:
        raw = token.encode("ascii")
        signed = jws.parse_compact(token, typ=SOFTWARE_TYP, members=_JWS_MEMBERS)
    except UnicodeEncodeError as error:
        raise ParsingError("evidence.jws: a compact JWS is ASCII") from error
    except DidError as error:
        raise SoftwareSignatureError(f"signature: {error.detail}") from error
    return FirstLine(raw, decode_header(signed.payload), signed.payload, None, None, length)


def _boot_event(value: object) -> BootEvent:
    if not isinstance(value, dict):
        raise SchemaInvalidError("boot_event: an object is expected")
    return parse_boot_event(jcs.canonical_bytes(cast("JsonObject", value)))
