"""Names in certificates (X.501): read, compared, and put into words for a person."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from verifier.endorsement import der

# What a string type's bytes are. T61String is taken as Latin-1, as everybody does.
_ENCODINGS: Final = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
}
_MAX_VALUE_BYTES: Final = 512
_MAX_TEXT_CHARACTERS: Final = 240


class Name(Struct, frozen=True):
    """A distinguished name: for each of its parts, the attributes (object identifier, text) in their order."""

    parts: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def key(self) -> tuple[frozenset[tuple[str, str]], ...]:
        """What two spellings of one name have in common, for comparison.

        One CA writes its name as PrintableString and has it written as UTF8String by its issuer; case and runs of
        spaces do not count either (RFC 5280 §7.1). The signature decides, so a broad comparison costs nothing.
        """
        return tuple(frozenset((kind, " ".join(text.casefold().split())) for kind, text in part) for part in self.parts)

    @property
    def text(self) -> str:
        """The name in words, at most 240 characters, all of them visible; ``(empty)`` without any part."""
        words = ", ".join("+".join(f"{_SHORT.get(kind, kind)}={text}" for kind, text in part) for part in self.parts)
        seen = "".join(character if character.isprintable() else "\ufffd" for character in words)
        return (seen or "(empty)")[:_MAX_TEXT_CHARACTERS]

    def find(self, kind: str) -> tuple[str, ...]:
        """Return the values of an attribute by its object identifier."""
        return tuple(text for part in self.parts for found, text in part if found == kind)


def read_name(element: der.Element, what: str) -> Name:
    """Return the name in a SEQUENCE OF SET OF attributes. Raises EkCertificateMalformedError."""
    parts: list[tuple[tuple[str, str], ...]] = []
    for relative in der.members(element.content, what):
        if relative.tag != der.SET:
            raise der.malformed(what, f"tag 0x{relative.tag:02x} where a SET of attributes is expected")
        parts.append(tuple(_attribute(attribute, what) for attribute in der.members(relative.content, what)))
    return Name(tuple(parts))


def _attribute(element: der.Element, what: str) -> tuple[str, str]:
    if element.tag != der.SEQUENCE:
        raise der.malformed(what, f"tag 0x{element.tag:02x} where an attribute is expected")
    fields = der.Members(element.content, what)
    kind = der.oid(fields.take(der.OID, "the attribute's type"), what)
    value = fields.any("the attribute's value")
    fields.end()
    return kind, _text(value, what)


def _text(value: der.Element, what: str) -> str:
    if len(value.content) > _MAX_VALUE_BYTES:
        raise der.malformed(what, f"a value of {len(value.content)} bytes; at most {_MAX_VALUE_BYTES} are read")
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        # Not a string: its bytes, so that two of them compare as they should.
        return "#" + value.encoded.hex()
    try:
        return value.content.decode(encoding)
    except UnicodeDecodeError:
        raise der.malformed(what, f"a value that is not {encoding}") from None
