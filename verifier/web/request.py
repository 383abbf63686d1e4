"""What a request may hold: the document, and options. Every member that is not known is refused by its name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from schemas import strict_json
from schemas.strict_json import Json, JsonObject
from verifier import document
from verifier.evidence import NOTHING, Evidence, Fetched
from verifier.http.errors import BadRequestError, quoted

# The request wraps the document once.
_CREDENTIAL_DEPTH: Final = strict_json.MAX_DEPTH + 1
_PRESENTATION_DEPTH: Final = document.MAX_PRESENTATION_DEPTH + 1


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may ask for. ``challenge`` and ``domain`` are a presentation's."""

    challenge: str | None = None
    domain: str | None = None
    allow_simulated: bool = False


OPTIONS: Final = ("allowSimulated", "challenge", "checks", "domain")
"""The members of ``options``. ``checks`` is what other verifiers are asked to check: here it is always everything."""


def read_credential(raw: bytes) -> tuple[document.Document, Options]:
    """Return the credential in a body, and its options. Raises FormatError and BadRequestError, as the others here."""
    body = strict_json.parse_object(raw, max_bytes=strict_json.MAX_BYTES, max_depth=_CREDENTIAL_DEPTH)
    check_members(body, ("verifiableCredential", "options"))
    options = _of_no_presentation(body)
    return document.embedded(_member(body, "verifiableCredential")), options


def read_presentation(raw: bytes) -> tuple[document.Document, Options]:
    """Return the presentation in a body, and its options."""
    limit = document.MAX_PRESENTATION_BYTES
    body = strict_json.parse_object(raw, max_bytes=limit, max_depth=_PRESENTATION_DEPTH)
    check_members(body, ("verifiablePresentation", "options"))
    options = _options(body)
    return document.embedded_presentation(_member(body, "verifiablePresentation")), options


def read_receipt(raw: bytes) -> tuple[document.Document, Evidence, Options]:
    """Return the receipt in a body, its window's credential if that came along, and the options."""
    body = strict_json.parse_object(raw, max_bytes=strict_json.MAX_BYTES, max_depth=_CREDENTIAL_DEPTH)
    check_members(body, ("receipt", "windowCredential", "options"))
    options, parsed = _of_no_presentation(body), document.embedded(_member(body, "receipt"))
    if parsed.kind is not document.Kind.RECEIPT:
        raise BadRequestError("receipt: it has a type, or no record with its inclusion proof, so it is no receipt")
    return parsed, _window(parsed, body), options


def check_members(body: JsonObject, known: Collection[str], place: str = "the body") -> None:
    """Return if every member of ``body`` is known. Raises BadRequestError: a misspelt wish must not go unheard.

    ``place`` is what stands before the name of a member. In the body, a document that is sent bare is told how to be wrapped.
    """
    wanted = next(iter(known), "")
    if place != "options" and wanted not in body and ("@context" in body or "proof" in body or "record" in body):
        raise BadRequestError(f'the body is the document itself: wrap it, {{"{wanted}": …}}')
    for name in body:
        if name not in known:
            raise BadRequestError(f"{place}: {quoted(name)} is not known here; known are: {', '.join(known)}")


def text_or_none(value: Json, name: str) -> str | None:
    """Return a text that is not empty, or None for null. Raises BadRequestError."""
    if value is None or (isinstance(value, str) and value):
        return value
    if value == "":
        raise BadRequestError(f"{name}: an empty one protects from nothing; leave it out, or give one")
    raise BadRequestError(f"{name}: a text is required")


def _options(body: JsonObject) -> Options:
    given = body.get("options", {})
    if not isinstance(given, dict):
        raise BadRequestError("options: an object is required")
    check_members(given, OPTIONS, "options")
    allow, checks = given.get("allowSimulated", False), given.get("checks", [])
    if not isinstance(allow, bool):
        raise BadRequestError("options.allowSimulated: true or false is required")
    if not isinstance(checks, list) or not all(isinstance(check, str) for check in checks):
        raise BadRequestError("options.checks: a list of texts is required; whatever it names, everything is checked")
    challenge = text_or_none(given.get("challenge"), "options.challenge")
    domain = text_or_none(given.get("domain"), "options.domain")
    return Options(challenge=challenge, domain=domain, allow_simulated=allow)


def _of_no_presentation(body: JsonObject) -> Options:
    options = _options(body)
    if options.challenge is not None or options.domain is not None:
        raise BadRequestError("options: a challenge or domain is answered by a presentation; leave it out here")
    return options


def _member(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name)
    if not isinstance(value, dict):
        raise BadRequestError(f"{name}: a JSON object is required{_of_token(value)}")
    return value


def _of_token(value: Json) -> str:
    return ", and this is a text: compact tokens are not read" if isinstance(value, str) else ""


def _window(receipt: document.Document, body: JsonObject) -> Evidence:
    """Return the window's credential that came along, under the name that the receipt gives it."""
    if "windowCredential" not in body:
        return NOTHING
    window = document.embedded(_member(body, "windowCredential"))
    name = str(receipt.value.get("window_credential"))
    return Evidence(credentials={name: Fetched(url=name, origin="folder", body=window.raw)})
