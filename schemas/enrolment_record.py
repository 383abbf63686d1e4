"""The enrolment record: the issuer's word on which TPM a node's attestation key lives in (docs/formats.md "Plain JSON").

Activation proves that to the issuer alone. It writes down what it checked, once, in JCS bytes; their digest is
``enrolmentDigest`` of every piece of evidence by that key, so the issuer signs it with each credential.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, cast

import msgspec
from msgspec import Struct

from schemas import base64url, digests, jcs, strict_json
from schemas.errors import MalformedValueError, SchemaInvalidError
from schemas.lexical import BASE64URL, DIGEST, STRING
from schemas.opening_quote import QUOTE_SHAPE, OpeningQuote
from schemas.plain_values import THUMBPRINT_URI, Constant, Integer, check_canonical
from schemas.shapes import Choice, Shape, Text, Value
from schemas.strict_json import Json, JsonObject
from schemas.telemetry import NODE_ID
from schemas.tpm import pcr
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.wire import MAX_STRUCTURE_BYTES

MEDIA_TYPE: Final = "application/json"
MAX_BYTES: Final = 32 * 1024
MAX_CERTIFICATES: Final = 8
_MAX_DEPTH: Final = 4

EnrolmentClass: TypeAlias = Literal["tpm-emulated", "tpm-virtual", "tpm-hardware"]
CLASSES: Final[tuple[EnrolmentClass, ...]] = ("tpm-emulated", "tpm-virtual", "tpm-hardware")
"""What the root of the endorsement key's certificate makes of the key: also the highest assurance of its evidence."""


class _Chain:
    """Digests of certificates from the endorsement key's to the root: an array, in order, that may be empty."""

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError or MalformedValueError unless ``value`` is such an array, none twice."""
        if not isinstance(value, list) or len(value) > MAX_CERTIFICATES:
            raise SchemaInvalidError(f"{path}: an array of at most {MAX_CERTIFICATES} digests is expected")
        for index, item in enumerate(value):
            Text(DIGEST).check(item, f"{path}[{index}]")
        if len(set(cast("list[str]", value))) != len(value):
            raise SchemaInvalidError(f"{path}: a certificate stands twice")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "array", "maxItems": MAX_CERTIFICATES, "uniqueItems": True, "items": Text(DIGEST).schema()}


class _PublicArea:
    """A TPMT_PUBLIC in base64url; what it holds is read by schemas.tpm.public."""

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError or MalformedValueError unless ``value`` is base64url of no more than a structure."""
        Text(BASE64URL).check(value, path)
        if len(cast("str", value)) * 3 // 4 > MAX_STRUCTURE_BYTES:
            raise SchemaInvalidError(f"{path}: at most {MAX_STRUCTURE_BYTES} bytes are read")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return Text(BASE64URL).schema()


_MEMBERS: Final[dict[str, Value]] = {
    "v": Constant(1),
    "node_id": Text(NODE_ID),
    "class": Choice(CLASSES),
    "enrolled_us": Integer(),
    "manufacturer": Text(STRING),
    "ek": Text(DIGEST),
    "ek_public": _PublicArea(),
    "ek_certificates": _Chain(),
    "ak": Text(DIGEST),
    "ak_public": _PublicArea(),
    "key": Text(THUMBPRINT_URI),
    "chain_pcr": Integer(largest=pcr.PCR_COUNT - 1),
    "opening": QUOTE_SHAPE,
    "supersedes": Text(DIGEST),
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS) - {"supersedes"})
"""The closed shape; ``supersedes`` stands where the same TPM was enrolled before with another attestation key."""


class EnrolmentRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the issuer checked when it enrolled a TPM.

    ``enrolled_us``: µs since 1970. ``manufacturer``: as the EK certificate or the TPM names it, such as "IFX".
    ``ek``: digest of the endorsement key's public area (``hardwareId``); ``ek_certificates``: digests of the DER
    certificates from its own to the root, empty where a cloud vouches otherwise. ``ak``: digest of the attestation
    key's public area, ``key`` its thumbprint URI. ``chain_pcr``: the register that chains the windows.
    ``opening``: the quote that opened the first epoch. ``supersedes``: digest of the record before this one.
    """

    v: int
    node_id: str
    enrolment_class: EnrolmentClass = msgspec.field(name="class")
    enrolled_us: int
    manufacturer: str
    ek: str
    ek_public: str
    ek_certificates: tuple[str, ...]
    ak: str
    ak_public: str
    key: str
    chain_pcr: int
    opening: OpeningQuote
    supersedes: str | None = None

    @property
    def ak_bytes(self) -> bytes:
        """TPMT_PUBLIC of the attestation key."""
        return base64url.decode(self.ak_public)

    @property
    def ek_bytes(self) -> bytes:
        """TPMT_PUBLIC of the endorsement key."""
        return base64url.decode(self.ek_public)


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(EnrolmentRecord)


def parse_enrolment(raw: bytes) -> EnrolmentRecord:
    """Return the enrolment record in its JCS bytes (at most 32 KB).

    Raises ParsingError (no JSON, not canonical), ResourceLimitError, SchemaInvalidError or MalformedValueError, the
    last also where a digest is not that of the public area beside it. Whether the quote holds is
    verifier.enrolment's.
    """
    members = strict_json.parse_object(raw, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "enrolment record")
    SHAPE.check(members, "")
    record = msgspec.convert(members, EnrolmentRecord)
    for name, public, digest in (("ek", record.ek_bytes, record.ek), ("ak", record.ak_bytes, record.ak)):
        if digests.digest(public) != digest:
            raise MalformedValueError(f"{name}: it is not the digest of {name}_public")
    if record.enrolment_class == "tpm-hardware" and not record.ek_certificates:
        raise SchemaInvalidError("ek_certificates: without a maker's certificate no TPM counts as hardware")
    try:
        pcr.window_selection(record.chain_pcr)
    except TpmStructureError as error:
        raise SchemaInvalidError(f"chain_pcr: {error.detail}") from error
    return record


def build_enrolment(record: EnrolmentRecord) -> bytes:
    """Return the JCS bytes of an enrolment record, read back by parse_enrolment and so raising as it does."""
    raw = jcs.canonical_bytes(cast("JsonObject", msgspec.to_builtins(record)))
    parse_enrolment(raw)
    return raw


def enrolment_digest(raw: bytes) -> str:
    """Return the digest of a record's bytes: ``enrolmentDigest`` of the evidence."""
    return digests.digest(raw)
