"""The part of ASN.1 DER that certificates are written in (X.690), read as tolerantly as real ones need, and bounded.

Lengths are definite, tags have one byte, and nothing is read beyond the bytes at hand. What a value means is not
canonical here: makers of TPMs write sets out of order and defaults that DER leaves out. That is safe because nothing is
encoded again: signatures are checked over the bytes as they came. Nothing recurses, so no nesting is too deep.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from verifier.endorsement.errors import EkCertificateMalformedError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OID: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_MEMBERS: Final = 64
"""More parts than any structure of a real certificate has."""

_HIGH_TAG: Final = 0x1F
_LONG: Final = 0x80
_MAX_LENGTH_BYTES: Final = 3
_HEADER_BYTES: Final = 2
_MAX_OID_BYTES: Final = 32
_MAX_UNUSED_BITS: Final = 7
_BOOLEANS: Final = {b"\x00": False, b"\xff": True}


class Element(NamedTuple):
    """One tag, length and value: its tag, its content, and all its bytes as they came."""

    tag: int
    content: bytes
    encoded: bytes


class Members:
    """The parts of one structure, taken in their order. ``what`` names the structure, for the errors.

    Every method raises EkCertificateMalformedError where the next part is not the one expected.
    """

    __slots__ = ("_elements", "_next", "_what")

    def __init__(self, content: bytes, what: str) -> None:
        """Take the content of a SEQUENCE or SET, or of a tag around one."""
        self._elements = members(content, what)
        self._next = 0
        self._what = what

    def peek(self) -> int | None:
        """Return the tag of the next part, None behind the last one."""
        return self._elements[self._next].tag if self._next < len(self._elements) else None

    def take(self, tag: int, part: str) -> Element:
        """Return the next part, which has to have this tag."""
        found = self.peek()
        if found != tag:
            there = "nothing" if found is None else f"tag 0x{found:02x}"
            raise malformed(self._what, f"{part} (tag 0x{tag:02x}) is expected, and there is {there}")
        self._next += 1
        return self._elements[self._next - 1]

    def optional(self, tag: int) -> Element | None:
        """Return the next part if it has this tag, None otherwise."""
        return self.take(tag, "") if self.peek() == tag else None

    def any(self, part: str) -> Element:
        """Return the next part, whatever its tag."""
        tag = self.peek()
        if tag is None:
            raise malformed(self._what, f"{part} is missing")
        return self.take(tag, part)

    def end(self) -> None:
        """Return if every part was taken."""
        if (tag := self.peek()) is not None:
            raise malformed(self._what, f"a part too many, of tag 0x{tag:02x}")


def malformed(what: str, detail: str) -> EkCertificateMalformedError:
    """Return the error for the caller to raise, with the structure that it is about."""
    return EkCertificateMalformedError(f"{what}: {detail}")


def leading(raw: bytes, what: str) -> tuple[Element, bytes]:
    """Return the first element and what follows it. Raises EkCertificateMalformedError."""
    if len(raw) < _HEADER_BYTES:
        raise malformed(what, "it ends before a tag and a length")
    tag, length, start = raw[0], raw[1], _HEADER_BYTES
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise malformed(what, "a tag of more than one byte")
    if length & _LONG:
        count = length & ~_LONG
        start += count
        if not 1 <= count <= _MAX_LENGTH_BYTES or len(raw) < start:
            raise malformed(what, "a length that is indefinite, too long, or cut off")
        length = int.from_bytes(raw[_HEADER_BYTES:start], "big")
        if length < _LONG or raw[_HEADER_BYTES] == 0:
            raise malformed(what, "a length that is not written in its shortest form")
    end = start + length
    if end > len(raw):
        raise malformed(what, f"it says that it has {length} bytes; {len(raw) - start} are there")
    return Element(tag, raw[start:end], raw[:end]), raw[end:]


def one(raw: bytes, tag: int, what: str) -> Element:
    """Return the only element of ``raw``, which has this tag. Raises EkCertificateMalformedError."""
    element, rest = leading(raw, what)
    if element.tag != tag:
        raise malformed(what, f"tag 0x{element.tag:02x} where 0x{tag:02x} is expected")
    if rest:
        raise malformed(what, f"{len(rest)} bytes too many at its end")
    return element


def members(content: bytes, what: str) -> list[Element]:
    """Return the elements that stand one after another, at most 64. Raises EkCertificateMalformedError."""
    found: list[Element] = []
    rest = content
    while rest:
        if len(found) == MAX_MEMBERS:
            raise malformed(what, f"more than {MAX_MEMBERS} parts")
        element, rest = leading(rest, what)
        found.append(element)
    return found


def integer(element: Element, what: str) -> int:
    """Return an INTEGER, signed. Raises EkCertificateMalformedError without a byte."""
    if not element.content:
        raise malformed(what, "an integer without a byte")
    return int.from_bytes(element.content, "big", signed=True)


def boolean(element: Element, what: str) -> bool:
    """Return a BOOLEAN in its only two spellings. Raises EkCertificateMalformedError for any other."""
    try:
        return _BOOLEANS[element.content]
    except KeyError:
        raise malformed(what, "a BOOLEAN that is neither 0x00 nor 0xff") from None


def bit_string(element: Element, what: str) -> bytes:
    """Return the bytes of a BIT STRING, its unused bits (at the end) as they are. Raises EkCertificateMalformedError.

    Bits that are zero and named may follow: DER leaves them out, one of STMicroelectronics' CAs does not.
    """
    if not element.content or element.content[0] > _MAX_UNUSED_BITS:
        raise malformed(what, "a BIT STRING without a count of unused bits from 0 to 7")
    return element.content[1:]


def octets(element: Element, what: str) -> bytes:
    """Return the bytes of a BIT STRING that is made of whole ones. Raises EkCertificateMalformedError."""
    value = bit_string(element, what)
    if element.content[0] != 0:
        raise malformed(what, "a BIT STRING that is not made of whole bytes")
    return value


def oid(element: Element, what: str) -> str:
    """Return an OBJECT IDENTIFIER as dotted numbers. Raises EkCertificateMalformedError."""
    raw = element.content
    if not 0 < len(raw) <= _MAX_OID_BYTES or raw[-1] & _LONG:
        raise malformed(what, f"an object identifier that is empty, cut off, or longer than {_MAX_OID_BYTES} bytes")
    arcs: list[int] = []
    arc = 0
    for byte in raw:
        if arc == 0 and byte == _LONG:
            raise malformed(what, "an object identifier with a leading zero")
        arc = arc << 7 | byte & ~_LONG
        if not byte & _LONG:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
