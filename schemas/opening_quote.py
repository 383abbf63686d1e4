"""The quote that opens a chain of windows, as plain JSON: at enrolment, and after each start of the machine.

It signs the chain's register before the epoch's first window, and names the window before it
(schemas.window_header.opening_qualification). Part of an enrolment record, and a file of its own where an epoch
opens later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import msgspec
from msgspec import Struct

from schemas import base64url, jcs, strict_json
from schemas.lexical import BASE64URL, DIGEST
from schemas.plain_values import BYTES_32, Constant, check_canonical
from schemas.shapes import Shape, Text, Value
from schemas.strict_json import JsonObject
from schemas.telemetry import NODE_ID
from schemas.tpm.pcr import PCR_COUNT

MAX_BYTES: Final = 16 * 1024
_MAX_DEPTH: Final = 4

_BANK: Final = Shape({str(index): Text(BYTES_32) for index in range(PCR_COUNT)}, frozenset())
_PCRS: Final = Shape({"sha256": _BANK}, frozenset({"sha256"}))
_QUOTE_MEMBERS: Final[dict[str, Value]] = {
    "attest": Text(BASE64URL),
    "signature": Text(BASE64URL),
    "pcrs": _PCRS,
    "nonce": Text(BYTES_32),
    "previous": Text(DIGEST),
}
QUOTE_SHAPE: Final = Shape(_QUOTE_MEMBERS, frozenset(_QUOTE_MEMBERS) - {"nonce", "previous"})
"""The closed shape of the quote alone: TPMS_ATTEST, TPMT_SIGNATURE, registers, the issuer's nonce, the window before."""

_EVENT_MEMBERS: Final[dict[str, Value]] = {
    "v": Constant(1),
    "node_id": Text(NODE_ID),
    "ak": Text(DIGEST),
    "opening": QUOTE_SHAPE,
}
SHAPE: Final = Shape(_EVENT_MEMBERS, frozenset(_EVENT_MEMBERS))
"""The closed shape of a boot event: whose opening it is, and the opening."""


class OpeningQuote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A quote as it travels, its bytes in base64url; ``previous`` is None before the first window."""

    attest: str
    signature: str
    pcrs: dict[str, dict[str, str]]
    nonce: str | None = None
    previous: str | None = None

    @property
    def attest_bytes(self) -> bytes:
        """TPMS_ATTEST."""
        return base64url.decode(self.attest)

    @property
    def signature_bytes(self) -> bytes:
        """TPMT_SIGNATURE."""
        return base64url.decode(self.signature)

    @property
    def nonce_bytes(self) -> bytes:
        """The issuer's nonce, 32 bytes; empty where it gave none."""
        return b"" if self.nonce is None else base64url.decode(self.nonce)

    @property
    def values(self) -> Mapping[int, bytes]:
        """The values of the SHA-256 bank by register."""
        return {int(index): base64url.decode(value) for index, value in self.pcrs["sha256"].items()}


class BootEvent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An opening after a start of the machine: the node, the digest of its attestation key, the quote."""

    v: int
    node_id: str
    ak: str
    opening: OpeningQuote


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(BootEvent)


def parse_boot_event(raw: bytes) -> BootEvent:
    """Return the boot event in its JCS bytes (at most 16 KB).

    Raises ParsingError (no JSON, not canonical), ResourceLimitError, SchemaInvalidError or MalformedValueError.
    """
    members = strict_json.parse_object(raw, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "boot event")
    SHAPE.check(members, "")
    return msgspec.convert(members, BootEvent)


def build_boot_event(event: BootEvent) -> bytes:
    """Return the JCS bytes of a boot event, read back by parse_boot_event and so raising as it does."""
    raw = jcs.canonical_bytes(cast("JsonObject", msgspec.to_builtins(event)))
    parse_boot_event(raw)
    return raw


def opening_of(
    attest: bytes, signature: bytes, pcrs: Mapping[int, bytes], *, nonce: bytes = b"", previous: str | None = None
) -> OpeningQuote:
    """Return the quote as it travels: structures without a TPM2B's size, registers' values of 32 bytes."""
    return OpeningQuote(
        attest=base64url.encode(attest),
        signature=base64url.encode(signature),
        pcrs={"sha256": {str(index): base64url.encode(value) for index, value in pcrs.items()}},
        nonce=base64url.encode(nonce) if nonce else None,
        previous=previous,
    )
