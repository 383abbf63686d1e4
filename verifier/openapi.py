"""What the OpenAPI document says of requests that the routes read as raw bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

_OBJECT: Final = OpenAPIType.OBJECT
_TEXT: Final = Schema(type=OpenAPIType.STRING, min_length=1)


def _body(member: str, options: dict[str, Schema]) -> RequestBody:
    schema = Schema(
        type=_OBJECT,
        required=[member],
        properties={
            member: Schema(type=_OBJECT, description="The document, as a JSON-LD object with its proof."),
            "options": Schema(type=_OBJECT, properties={**options}),
        },
    )
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=True)


_ALLOW: Final = Schema(type=OpenAPIType.BOOLEAN, description="Accept figures that nobody measured.")


@dataclass
class CredentialOperation(Operation):
    """POST /credentials/verify."""

    def __post_init__(self) -> None:
        """Describe the body."""
        self.request_body = _body("verifiableCredential", {"allowSimulated": _ALLOW})


@dataclass
class PresentationOperation(Operation):
    """POST /presentations/verify."""

    def __post_init__(self) -> None:
        """Describe the body."""
        options = {"challenge": _TEXT, "domain": _TEXT, "allowSimulated": _ALLOW}
        self.request_body = _body("verifiablePresentation", options)
