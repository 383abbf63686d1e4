"""``POST /challenges``: a challenge for a holder to sign, which counts once (W3C VC API, Challenges)."""

from __future__ import annotations

import functools
from typing import Annotated, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from msgspec import Meta

from schemas import strict_json, times
from verifier.body import AnyRequest, read_body, read_json_body
from verifier.challenges import MAX_DOMAIN
from verifier.openapi import ChallengeOperation
from verifier.problems import BadRequestError, UnsupportedMediaTypeError
from verifier.service import Service

_MAX_BYTES: Final = 4096


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked for. A member that is misspelt must not leave a challenge bound to nothing."""

    domain: Annotated[str, Meta(min_length=1, max_length=MAX_DOMAIN)] | None = None


@post("/challenges", status_code=201, operation_class=ChallengeOperation)
async def issue_challenge(request: AnyRequest, service: NamedDependency[Service]) -> Response[dict[str, str]]:
    """Give out a challenge: 201 with the challenge, its domain if one was named, and when it expires."""
    domain = _read(await _body(request, service.settings.body_timeout_s)).domain
    issued = await service.issuing.run(functools.partial(service.challenges.issue, domain, service.clock()))
    content = {"challenge": issued.challenge, "expires": times.render_seconds(issued.expires)}
    if issued.domain is not None:
        content["domain"] = issued.domain
    return Response(content, status_code=201, media_type="application/json")


async def _body(request: AnyRequest, deadline_s: float) -> bytes:
    """Return the JSON that was sent, ``{}`` for none."""
    if "content-type" in request.headers:
        return await read_json_body(request, max_bytes=_MAX_BYTES, deadline_s=deadline_s) or b"{}"
    if await read_body(request, max_bytes=_MAX_BYTES, deadline_s=deadline_s):
        raise UnsupportedMediaTypeError("a body must be declared as application/json")
    return b"{}"


def _read(raw: bytes) -> Request:
    try:
        return msgspec.convert(strict_json.parse_object(raw, max_bytes=_MAX_BYTES), Request)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the body may have the member domain, a string, and no other: {error}") from error
