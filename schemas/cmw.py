"""A window's TPM evidence as a RATS Conceptual Message Wrapper (RFC 9999): a JSON collection in its JCS bytes.

Five members, each ``[media type, base64url]``: the header, the quote (TPMS_ATTEST), its signature
(TPMT_SIGNATURE), the attestation key (TPMT_PUBLIC) and the values of the quoted registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from schemas import base64url, jcs, strict_json
from schemas.errors import SchemaInvalidError
from schemas.lexical import BASE64URL, shown
from schemas.plain_values import BYTES_32, check_canonical
from schemas.shapes import Shape, Text, Value
from schemas.strict_json import Json, JsonObject
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.pcr import PCR_COUNT, PcrBanks
from schemas.tpm.wire import MAX_STRUCTURE_BYTES
from schemas.window_header import MAX_HEADER_BYTES

MEDIA_TYPE: Final = "application/cmw+json"
"""``mediaType`` of such evidence in a credential."""

MAX_EVIDENCE_BYTES: Final = 128 * 1024
_OCTETS: Final = "application/octet-stream"
_JSON: Final = "application/json"
_MAX_DEPTH: Final = 2
_MAX_PCRS_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """``[media type, base64url]``, the media type being the one of its place, the content not empty and not too long."""

    media_type: str
    max_bytes: int

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError or MalformedValueError unless ``value`` is such a pair."""
        if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - a pair, without the indicator of RFC 9999
            raise SchemaInvalidError(f'{path}: ["{self.media_type}", base64url] is expected, not {shown(value)}')
        if value[0] != self.media_type:
            raise SchemaInvalidError(f"{path}: the media type is {self.media_type}, not {shown(value[0])}")
        Text(BASE64URL).check(value[1], path)
        if len(cast("str", value[1])) * 3 // 4 > self.max_bytes:
            raise SchemaInvalidError(f"{path}: at most {self.max_bytes} bytes are read")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {
            "type": "array",
            "prefixItems": [{"const": self.media_type}, Text(BASE64URL).schema()],
            "minItems": 2,
            "maxItems": 2,
        }


_MEMBERS: Final[dict[str, Value]] = {
    "ak": _Wrapped(_OCTETS, MAX_STRUCTURE_BYTES),
    "attest": _Wrapped(_OCTETS, MAX_STRUCTURE_BYTES),
    "header": _Wrapped(_JSON, MAX_HEADER_BYTES),
    "pcrs": _Wrapped(_JSON, _MAX_PCRS_BYTES),
    "signature": _Wrapped(_OCTETS, MAX_STRUCTURE_BYTES),
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS))
"""The closed shape of the collection."""

_BANK: Final = Shape({str(index): Text(BYTES_32) for index in range(PCR_COUNT)}, frozenset())
_PCRS: Final = Shape({"sha256": _BANK}, frozenset({"sha256"}))


@dataclass(frozen=True, slots=True)
class WindowEvidence:
    """What a TPM signed over a window, as bytes: nothing in it is to be believed before it was checked.

    ``header`` is JSON (schemas.window_header); ``attest``, ``signature`` and ``ak`` are TPM structures
    (schemas.tpm), without a TPM2B's size; ``pcrs`` are values of the SHA-256 bank by register.
    """

    header: bytes
    attest: bytes
    signature: bytes
    ak: bytes
    pcrs: Mapping[int, bytes]

    @property
    def banks(self) -> PcrBanks:
        """The values by bank and register."""
        return {TpmAlg.SHA256: self.pcrs}


def parse_evidence(raw: bytes) -> WindowEvidence:
    """Return the parts of a collection in its JCS bytes (at most 128 KB).

    Raises ResourceLimitError, ParsingError (no JSON, a member twice, not canonical), SchemaInvalidError (other
    members, media types, banks) or MalformedValueError. The parts themselves are read by their own modules.
    """
    members = strict_json.parse_object(raw, max_bytes=MAX_EVIDENCE_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "evidence")
    SHAPE.check(members, "")
    contents = {name: base64url.decode(cast("list[str]", member)[1]) for name, member in members.items()}
    return WindowEvidence(
        header=contents["header"],
        attest=contents["attest"],
        signature=contents["signature"],
        ak=contents["ak"],
        pcrs=_parse_pcrs(contents["pcrs"]),
    )


def build_evidence(evidence: WindowEvidence) -> bytes:
    """Return the JCS bytes of the collection, read back by parse_evidence and so raising as it does."""
    pcrs: JsonObject = {str(index): base64url.encode(value) for index, value in evidence.pcrs.items()}
    raw = jcs.canonical_bytes(
        {
            "ak": [_OCTETS, base64url.encode(evidence.ak)],
            "attest": [_OCTETS, base64url.encode(evidence.attest)],
            "header": [_JSON, base64url.encode(evidence.header)],
            "pcrs": [_JSON, base64url.encode(jcs.canonical_bytes({"sha256": pcrs}))],
            "signature": [_OCTETS, base64url.encode(evidence.signature)],
        }
    )
    parse_evidence(raw)
    return raw


def _parse_pcrs(raw: bytes) -> dict[int, bytes]:
    members = strict_json.parse_object(raw, max_bytes=_MAX_PCRS_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "pcrs")
    _PCRS.check(members, "pcrs")
    bank = cast("dict[str, str]", members["sha256"])
    return {int(index): base64url.decode(value) for index, value in bank.items()}
