"""What a route says about itself: its access, what it reads and what it answers. /openapi is made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from issuer.access import Access
from schemas.strict_json import Json
from verifier.http.problems import PROBLEM_JSON

_ALWAYS: Final = (400, 503)
_WITH_KEY: Final = (401, 403, 429)
_WITH_BODY: Final = (408, 413, 415)

KEY_SCHEME: Final = "apiKey"


class Produces(NamedTuple):
    """One answer that a route gives: status, media type, what it is; ``schema`` is a name in SCHEMAS."""

    status: int
    media_type: str
    description: str
    schema: str | None = None
    example: Json = None


class Consumes(NamedTuple):
    """The JSON, or lines of it, that a route reads; ``schema`` is a name in SCHEMAS (openapi.py)."""

    schema: str
    description: str
    example: Json
    media_type: str = "application/json"


def documented(
    tag: str, access: Access, *answers: Produces, problems: Iterable[int] = (), reads: Consumes | None = None
) -> dict[str, Any]:
    """Return the keyword arguments of a route's decorator: its access rule and its documentation."""
    statuses = {*_ALWAYS, *problems}
    if access.needs_key or access is Access.CAPABILITY:
        statuses.update(_WITH_KEY)
    if reads is not None:
        statuses.update(_WITH_BODY)
    return {
        "tags": [tag],
        "opt": {"access": access},
        "operation_class": _operation(_responses(answers, sorted(statuses)), _body(reads)),
        "security": _security(access),
        "status_code": answers[0].status,
        "media_type": answers[0].media_type,
    }


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access is Access.CAPABILITY:
        return [{KEY_SCHEME: []}, {}]
    return [{KEY_SCHEME: []}] if access.needs_key else [{}]


def _operation(responses: dict[str, OpenAPIResponse], body: RequestBody | None) -> type[Operation]:
    @dataclass
    class Documented(Operation):
        """The operation with our answers in place of those that the framework guesses."""

        def __post_init__(self) -> None:
            self.responses = {**responses}
            self.request_body = body

    return Documented


def _responses(answers: Iterable[Produces], problems: Iterable[int]) -> dict[str, OpenAPIResponse]:
    found: dict[str, OpenAPIResponse] = {}
    for answer in answers:
        response = found.setdefault(str(answer.status), OpenAPIResponse(description=answer.description, content={}))
        if response.content is not None and answer.media_type:
            response.content[answer.media_type] = _media_type(answer)
    for status in problems:
        problem = OpenAPIMediaType(schema=Reference(ref="#/components/schemas/Problem"))
        found.setdefault(
            str(status), OpenAPIResponse(description=HTTPStatus(status).phrase, content={PROBLEM_JSON: problem})
        )
    return found


def _media_type(answer: Produces) -> OpenAPIMediaType:
    schema: Schema | Reference
    if answer.schema is not None:
        schema = Reference(ref=f"#/components/schemas/{answer.schema}")
    elif answer.media_type.endswith("json"):
        schema = Schema(type=OpenAPIType.OBJECT)
    else:
        schema = Schema(type=OpenAPIType.STRING)
    return OpenAPIMediaType(schema=schema, example=answer.example)


def _body(reads: Consumes | None) -> RequestBody | None:
    if reads is None:
        return None
    media = OpenAPIMediaType(
        schema=Reference(ref=f"#/components/schemas/{reads.schema}"), examples={"example": Example(value=reads.example)}
    )
    return RequestBody(content={reads.media_type: media}, description=reads.description, required=True)


NOT_MODIFIED: Final = Produces(304, "", "The client has it already (If-None-Match).")
