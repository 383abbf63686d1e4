"""Values of plain JSON that JSON-LD documents have no use for: integers and constants (FORMATS.md "Plain JSON")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import jcs
from schemas.errors import ParsingError, SchemaInvalidError
from schemas.lexical import Lexical, shown
from schemas.strict_json import Json, JsonObject

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that JCS writes as it is (RFC 8785 §3.2.2.3, RFC 7493 §2.2)."""

_B64: Final = "[A-Za-z0-9_-]"

SALT: Final = Lexical("16 random bytes as base64url (22 characters)", f"{_B64}{{21}}[AQgw]")
BYTES_32: Final = Lexical("32 bytes as base64url (43 characters)", f"{_B64}{{42}}[AEIMQUYcgkosw048]")
THUMBPRINT_URI: Final = Lexical(
    "a JWK thumbprint URI (RFC 9278, sha-256)",
    f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{_B64}{{42}}[AEIMQUYcgkosw048]",
)
TENANT_ID: Final = Lexical(
    'a tenant id (1 to 256 ASCII characters, no space, none of < > " { } | \\ ^ `)',
    r"[!#-;=?-\[\]_a-z~]+",
    max_length=256,
)


@dataclass(frozen=True, slots=True)
class Integer:
    """A JSON integer from ``smallest`` to ``largest``. A float is none, not even 1.0."""

    smallest: int = 0
    largest: int = MAX_INTEGER

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError unless ``value`` is an integer in range."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise SchemaInvalidError(f"{path}: an integer is expected, not {shown(value)}")
        if not self.smallest <= value <= self.largest:
            raise SchemaInvalidError(f"{path}: {shown(value)} is not between {self.smallest} and {self.largest}")

    def schema(self) -> JsonObject:
        """Return the schema: type and range."""
        return {"type": "integer", "minimum": self.smallest, "maximum": self.largest}


@dataclass(frozen=True, slots=True)
class Constant:
    """The one value that may stand there, of its own JSON type."""

    value: bool | int | str

    def check(self, value: Json, path: str) -> None:
        """Raise SchemaInvalidError unless ``value`` is it."""
        # By type too, since True == 1 in Python.
        if type(value) is not type(self.value) or value != self.value:
            raise SchemaInvalidError(f"{path}: {shown(value)} is not {shown(self.value)}")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"const": self.value}


def check_canonical(raw: bytes, value: Json, what: str) -> None:
    """Raise ParsingError unless ``raw`` is the JCS form of ``value``, which was parsed from it (RFC 8785).

    What is signed as bytes has one spelling. MalformedValueError where the value has no such form.
    """
    if jcs.canonical_bytes(value) != raw:
        raise ParsingError(f"{what}: the bytes are not the canonical form of their content (RFC 8785, JCS)")
