"""The lexical rules of FORMATS.md "Values": one spelling for each value, and the words to say so.

Each rule is one regular expression that Python, Rust and ECMA-262 read alike, so that decoding and
the published JSON Schemas hold the same rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from schemas.errors import MalformedValueError, SchemaInvalidError

# C0 controls, DEL, surrogates, U+FFFE and U+FFFF: JSON-LD engines disagree on each of them.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Apart, since the patterns are read by engines that know no lone surrogates.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# Prefixes that the contexts of our securings define: "gc:x" is signed as the IRI that it abbreviates,
# so the JSON would say another thing than the signature. "//" after the colon switches that off
# (JSON-LD 1.1 API §5.2.2).
_COMPACT_IRI: Final = "(?:gc|xsd|cred|sec|dc):(?!//)"


@dataclass(frozen=True, slots=True)
class Lexical:
    """One rule: the pattern of the whole text, its longest length, and its name in an error.

    ``date_format`` is the JSON Schema format of a date, whose calendar no pattern can hold.
    ``grave`` marks what breaks the rule so badly that the value is malformed rather than unexpected.
    """

    expected: str
    pattern: str
    max_length: int | None = None
    date_format: str | None = None
    grave: re.Pattern[str] = _FORBIDDEN
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the pattern once."""
        object.__setattr__(self, "_compiled", re.compile(self.pattern, re.ASCII))

    def fits(self, text: str) -> bool:
        """Return whether the whole of ``text`` follows the rule."""
        if self.max_length is not None and len(text) > self.max_length:
            return False
        if self._compiled.fullmatch(text) is None or _SURROGATE.search(text):
            return False
        return self.date_format is None or _is_of_the_calendar(text)

    def check(self, text: str, path: str) -> None:
        """Raise SchemaInvalidError, or MalformedValueError where a character is forbidden, naming ``path``."""
        if self.fits(text):
            return
        message = f"{path}: {shown(text)} is not {self.expected}"
        if self.grave.search(text):
            raise MalformedValueError(message)
        raise SchemaInvalidError(message)


def shown(value: object) -> str:
    """Return at most 40 characters of ``value`` for an error's text, in ASCII, so that nothing hides in it."""
    text = ascii(value) if not isinstance(value, str) else '"' + ascii(value)[1:-1] + '"'
    return text if len(text) <= 42 else text[:40] + "…"  # noqa: PLR2004 - 40 and the quotes


def _is_of_the_calendar(text: str) -> bool:
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


_DATE: Final = "[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_B64: Final = "[A-Za-z0-9_-]"
_NOT_IN_IRI: Final = re.compile('[^!-~]|[<>"{}|\\\\^`]')

DECIMAL: Final = Lexical('a canonical decimal such as "0.25"', r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,17}[1-9])?")
INTEGER: Final = Lexical('a canonical non-negative integer such as "42"', "0|[1-9][0-9]{0,17}")
CLAIM_TIME: Final = Lexical(
    'a UTC time such as "2026-11-20T20:00:03.9125Z" (at most 6 decimals, no trailing zero)',
    rf"{_DATE}T{_CLOCK}(?:\.[0-9]{{0,5}}[1-9])?Z",
    date_format="date-time",
)
POSTED_TIME: Final = Lexical(
    'a UTC time with Z and at most 6 decimals, such as "2026-11-20T20:00:03.9125Z"',
    rf"{_DATE}T{_CLOCK}(?:\.[0-9]{{1,6}})?Z",
    date_format="date-time",
)
ENVELOPE_TIME: Final = Lexical(
    'a UTC time in whole seconds such as "2026-11-20T20:00:11Z"', f"{_DATE}T{_CLOCK}Z", date_format="date-time"
)
YEAR: Final = Lexical('a year such as "2023"', "[1-9][0-9]{3}")
# 0x12 0x20 and 32 bytes: "EiA" to "EiD" first, and the last character's four low bits are zero.
DIGEST: Final = Lexical("a SHA-256 multihash in multibase base64url", f"uEi[A-D]{_B64}{{42}}[AQgw]")
BASE64URL: Final = Lexical(
    "base64url without padding", f"(?:{_B64}{{4}})*(?:{_B64}[AQgw]|{_B64}{{2}}[AEIMQUYcgkosw048]|{_B64}{{4}})"
)
STRING: Final = Lexical(
    "a string of 1 to 256 characters without control characters",
    "[^\\u0000-\\u001f\\u007f\\ufffe\\uffff]+",
    max_length=256,
)
IRI: Final = Lexical(
    'an absolute IRI such as "https://oracle.example/x"',
    rf"(?!{_COMPACT_IRI})[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+",
    grave=_NOT_IN_IRI,
)
DID: Final = Lexical(
    'a DID such as "did:web:oracle.example"',
    "did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*[A-Za-z0-9._-]",
    grave=_NOT_IN_IRI,
)
DETACHED_JWS: Final = Lexical(
    # Padding and the letters of plain base64 spell the same bytes in another way: malformed, and no other shape.
    "a detached JWS (header..signature)",
    rf"{_B64}+\.\.{_B64}+",
    grave=re.compile(r"[^A-Za-z0-9_.-]"),
)
BOOT_EPOCH: Final = Lexical(
    'a boot epoch such as "12.0" (TPM) or "12" (software key)',
    r"(?:0|[1-9][0-9]{0,17})(?:\.(?:0|[1-9][0-9]{0,17}))?",
)
