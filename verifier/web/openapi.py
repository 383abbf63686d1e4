"""What the OpenAPI document says of requests that the routes read as raw bytes, and of what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from verifier.http.problems import PROBLEM_JSON
from verifier.web.challenges import MAX_DOMAIN

_JSON: Final = "application/json"
_OBJECT: Final = OpenAPIType.OBJECT
_STRING: Final = Schema(type=OpenAPIType.STRING)
# What a client leaves out, many of them write as null.
_MAYBE_TEXT: Final = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], min_length=1)
_NOTHING: Final = Schema(type=OpenAPIType.NULL)
_ALLOW: Final = Schema(type=OpenAPIType.BOOLEAN, description="Accept figures that nobody measured.")

_SIGNED: Final = "The document, as a JSON-LD object with its proof."

_REFUSALS: Final = (400, 408, 413, 415, 429, 503)
"""What every route that reads a body may answer with a problem document."""


def _closed(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return Schema(
        type=_OBJECT,
        required=[name for name in properties if name not in optional],
        properties={**properties},
        additional_properties=False,
    )


def _list(items: Schema) -> Schema:
    return Schema(type=OpenAPIType.ARRAY, items=items)


_PROBLEM: Final = _closed(
    {
        "type": _STRING,
        "title": _STRING,
        "status": Schema(type=OpenAPIType.INTEGER),
        "detail": _STRING,
        "instance": _STRING,
    }
)
_FINDING: Final = _closed({"type": _STRING, "title": _STRING, "detail": _STRING})
_VERDICT: Final = _closed(
    {
        "verified": Schema(type=OpenAPIType.BOOLEAN),
        "outcome": Schema(enum=["verified", "refused", "inconclusive"]),
        "problemDetails": _list(_FINDING),
        "checks": _list(_STRING),
        "warnings": _list(_FINDING),
        "errors": _list(_STRING),
        "report": Schema(type=_OBJECT, description="Every step of the verdict, with what it rests on."),
    }
)
_CHALLENGE: Final = _closed({"challenge": _STRING, "expires": _STRING, "domain": _STRING}, optional=("domain",))


def _responses(status: int, description: str, schema: Schema) -> dict[str, OpenAPIResponse]:
    found = {
        str(refusal): OpenAPIResponse(
            description=HTTPStatus(refusal).phrase, content={PROBLEM_JSON: OpenAPIMediaType(schema=_PROBLEM)}
        )
        for refusal in _REFUSALS
    }
    return found | {
        str(status): OpenAPIResponse(description=description, content={_JSON: OpenAPIMediaType(schema=schema)})
    }


def _verdicts() -> dict[str, OpenAPIResponse | Reference]:
    found: dict[str, OpenAPIResponse | Reference] = {**_responses(200, "The document verifies.", _VERDICT)}
    found["400"] = OpenAPIResponse(
        description="The document does not verify (JSON), or the request is malformed (a problem document).",
        content={
            _JSON: OpenAPIMediaType(schema=_VERDICT),
            PROBLEM_JSON: OpenAPIMediaType(schema=_PROBLEM),
        },
    )
    return found


def _options(asked: Schema) -> Schema:
    """Describe the options; ``asked`` is what a challenge and a domain may be."""
    checks = Schema(
        type=OpenAPIType.ARRAY, items=_STRING, description="Taken for other software's sake: everything is checked."
    )
    members = {"allowSimulated": _ALLOW, "challenge": asked, "checks": checks, "domain": asked}
    return _closed(members, optional=tuple(members))


def _body(member: str, description: str, *, asked: Schema = _NOTHING, **more: Schema) -> RequestBody:
    document = Schema(type=_OBJECT, description=description)
    schema = _closed({member: document, **more, "options": _options(asked)}, optional=(*more, "options"))
    return RequestBody(content={_JSON: OpenAPIMediaType(schema=schema)}, required=True)


@dataclass
class CredentialOperation(Operation):
    """POST /credentials/verify."""

    def __post_init__(self) -> None:
        """Describe the body and the answers."""
        self.request_body = _body("verifiableCredential", _SIGNED)
        self.responses = {**_verdicts()}


@dataclass
class ChallengeOperation(Operation):
    """POST /challenges."""

    def __post_init__(self) -> None:
        """Describe the body, which may be left out, and the answers."""
        domain = Schema(
            type=[OpenAPIType.STRING, OpenAPIType.NULL],
            min_length=1,
            max_length=MAX_DOMAIN,
            description="The domain that the holder must sign for.",
        )
        schema = _closed({"domain": domain}, optional=("domain",))
        self.request_body = RequestBody(content={_JSON: OpenAPIMediaType(schema=schema)})
        self.responses = {**_responses(201, "A challenge that counts once.", _CHALLENGE)}


@dataclass
class PresentationOperation(Operation):
    """POST /presentations/verify."""

    def __post_init__(self) -> None:
        """Describe the body and the answers."""
        self.request_body = _body("verifiablePresentation", _SIGNED, asked=_MAYBE_TEXT)
        self.responses = {**_verdicts()}


@dataclass
class ReceiptOperation(Operation):
    """POST /receipts/verify."""

    def __post_init__(self) -> None:
        """Describe the body and the answers."""
        fetched = "The window's credential; without it, it is fetched from where it is named."
        window = Schema(type=_OBJECT, description=fetched)
        self.request_body = _body("receipt", "A record of a window, with its inclusion proof.", windowCredential=window)
        self.responses = _verdicts()
