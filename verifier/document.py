"""A document as it was received: its bytes, the JSON in them, and what it says it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from did.errors import InvalidDidError
from schemas import credential, digests, jcs, strict_json
from schemas.errors import GreenError, ParsingError, ResourceLimitError
from schemas.strict_json import Json, JsonObject

MAX_IDENTIFIER: Final = 2048
"""Characters of an issuer's, a holder's or a document's own identifier: a longer one is refused, and not repeated."""
MAX_STATUS_ENTRIES: Final = 4
"""Status entries of a credential that are followed; one with more is refused."""
_ZIP: Final = b"PK\x03\x04"
# A header in base64url begins with {" and so with eyJ, or with a space or line break after the brace.
_COMPACT: Final = re.compile(rb"\s*e[wy][A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+(?:[\s.~]|\Z)", re.ASCII)
MAX_PRESENTATION_BYTES: Final = 16 * 1024 * 1024
# A presentation adds two levels around a credential, which has at most strict_json.MAX_DEPTH of its own.
MAX_PRESENTATION_DEPTH: Final = strict_json.MAX_DEPTH + 2


class Kind(StrEnum):
    """What a document says it is, from its ``type`` (a receipt has none); nothing is believed yet."""

    INFERENCE = "GreenComputeCredential"
    WINDOW = "GreenComputeWindowCredential"
    SUMMARY = "GreenComputeSummaryCredential"
    STATUS_LIST = "StatusList2021Credential"
    FOREIGN = "VerifiableCredential"
    PRESENTATION = "VerifiablePresentation"
    RECEIPT = "receipt"
    UNKNOWN = "unknown"


OURS: Final = frozenset({Kind.INFERENCE, Kind.WINDOW, Kind.SUMMARY})
"""The kinds whose claims this verifier understands."""


@dataclass(frozen=True)
class Document:
    """A parsed document. ``digest`` is that of ``raw``, the bytes as received (digestMultibase)."""

    raw: bytes
    value: JsonObject
    digest: str
    kind: Kind


def parse(raw: bytes, *, max_bytes: int = strict_json.MAX_BYTES, max_depth: int = strict_json.MAX_DEPTH) -> Document:
    """Return the document in ``raw`` after the cheap gate.

    Raises ParsingError, ResourceLimitError or MalformedValueError as schemas.strict_json.
    """
    value = strict_json.parse_object(raw, max_bytes=max_bytes, max_depth=max_depth)
    return Document(raw, value, digests.digest(raw), kind_of(value))


def parse_presentation(raw: bytes) -> Document:
    """Return the presentation in ``raw``: at most 16 MB, two levels deeper than a credential. Raises as parse.

    No single string in it is larger than a whole credential may be: only the number of credentials makes
    presentations large.
    """
    found = parse(raw, max_bytes=MAX_PRESENTATION_BYTES, max_depth=MAX_PRESENTATION_DEPTH)
    if len(raw) > strict_json.MAX_BYTES:
        _check_strings(found.value)
    return found


def _check_strings(value: Json) -> None:
    pending: list[Json] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if len(item) > strict_json.MAX_BYTES:
                raise ResourceLimitError(
                    f"a string has {len(item)} characters; at most {strict_json.MAX_BYTES} are read"
                )
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def parse_any(raw: bytes) -> Document:
    """Return the credential or presentation in ``raw``, each within its own limits. Raises as parse.

    What else people hand to a verifier is named: an audit bundle, a compact token.
    """
    if raw.startswith(_ZIP):
        raise ParsingError(
            "this is a ZIP archive; an audit bundle is checked by green-verifier audit-bundle verify FILE"
        )
    if _COMPACT.match(raw):
        raise ParsingError(
            "this is a compact token (JWS or JWT), which is not read here; "
            "verify the JSON-LD credential: the issuer's certificate of an inference has it at the same path with /vc"
        )
    try:
        return parse(raw)
    except ResourceLimitError:
        document = parse_presentation(raw)
        if document.kind is not Kind.PRESENTATION:
            raise
        return document


def embedded(value: JsonObject) -> Document:
    """Return a credential that stands inside another document, put through the same gate as one alone.

    Its own bytes are not known apart, so ``raw`` is its canonical JSON (RFC 8785) and ``digest`` that
    form's. Raises ResourceLimitError where it is larger or deeper than a credential may be.
    """
    return parse(jcs.canonical_bytes(value))


def embedded_presentation(value: JsonObject) -> Document:
    """Return a presentation that stands inside a request which passed the gate with one level more.

    As embedded, but not parsed a second time, since it may be half a million values. Raises ResourceLimitError
    where its canonical JSON is larger than a presentation may be.
    """
    raw = jcs.canonical_bytes(value)
    if len(raw) > MAX_PRESENTATION_BYTES:
        raise ResourceLimitError(f"the presentation has {len(raw)} bytes; at most {MAX_PRESENTATION_BYTES} are read")
    if len(raw) > strict_json.MAX_BYTES:
        _check_strings(value)
    return Document(raw, value, digests.digest(raw), kind_of(value))


def kind_of(value: JsonObject) -> Kind:
    """Return what the ``type`` member says; UNKNOWN if it names neither or both of credential and presentation.

    What has no type, and a record with its inclusion proof, is a receipt.

    Whatever spells one of our types in any way is taken for ours: the closed shape then refuses it.
    """
    types = strings(value.get("type"))
    ours = credential.kind_of(value)
    is_credential, is_presentation = Kind.FOREIGN in types or ours is not None, Kind.PRESENTATION in types
    if not types and ours is None and "record" in value and "inclusion" in value:
        return Kind.RECEIPT
    if is_credential == is_presentation:
        return Kind.UNKNOWN
    if is_presentation:
        return Kind.PRESENTATION
    if ours is not None:
        return Kind(ours.__name__)
    return Kind.STATUS_LIST if Kind.STATUS_LIST in types else Kind.FOREIGN


def strings(value: Json) -> tuple[str, ...]:
    """Return the strings of a member that may be one string or a list of them."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def objects(value: Json) -> tuple[JsonObject, ...]:
    """Return the objects of a member that may be one object or a list of them."""
    if isinstance(value, dict):
        return (value,)
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def proofs_of(value: JsonObject) -> tuple[JsonObject, ...]:
    """Return the proofs of a document; none if it has no proof, an empty one, or something else in their place."""
    member = value.get("proof")
    found = objects(member)
    complete = not isinstance(member, list) or len(found) == len(member)
    return found if complete and all(found) else ()


def check_identifiers(value: JsonObject) -> None:
    """Return if issuer, holder and id are of a sane length. Raises InvalidDidError, ResourceLimitError for the id."""
    limits: tuple[tuple[str, type[GreenError]], ...] = (
        ("issuer", InvalidDidError),
        ("holder", InvalidDidError),
        ("id", ResourceLimitError),
    )
    for name, error in limits:
        length = len(identifier(value.get(name)) or "")
        if length > MAX_IDENTIFIER:
            raise error(f"{name}: it has {length} characters; at most {MAX_IDENTIFIER} are read")


def stated_identifier(value: Json) -> str | None:
    """Return ``identifier`` for a report to repeat, None where it is longer than one may be."""
    found = identifier(value)
    return None if found is None or len(found) > MAX_IDENTIFIER else found


def identifier(value: Json) -> str | None:
    """Return the identifier in a member that is a string or an object with an ``id``, such as ``issuer``."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None
