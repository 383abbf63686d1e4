"""``POST /challenges``: a challenge for a holder to sign, which counts once (W3C VC API, Challenges)."""

from __future__ import annotations

import functools
from typing import Final

from litestar import Response, post
from litestar.di import NamedDependency

from schemas import strict_json, times
from verifier.http.body import AnyRequest, read_body, read_json_body
from verifier.http.errors import BadRequestError, UnsupportedMediaTypeError
from verifier.web.challenges import MAX_DOMAIN
from verifier.web.openapi import ChallengeOperation
from verifier.web.request import check_members, text_or_none
from verifier.web.service import Service

_MAX_BYTES: Final = 4096


@post("/challenges", status_code=201, operation_class=ChallengeOperation)
async def issue_challenge(request: AnyRequest, service: NamedDependency[Service]) -> Response[dict[str, str]]:
    """Give out a challenge: 201 with the challenge, its domain if one was named, and when it expires."""
    domain = _domain(await _body(request, service.settings.body_timeout_s))
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


def _domain(raw: bytes) -> str | None:
    """Return the domain that is named. A member that is misspelt must not leave a challenge bound to nothing."""
    body = strict_json.parse_object(raw, max_bytes=_MAX_BYTES)
    check_members(body, ("domain",))
    domain = text_or_none(body.get("domain"), "domain")
    if domain is not None and len(domain) > MAX_DOMAIN:
        raise BadRequestError(f"domain: it has {len(domain)} characters; at most {MAX_DOMAIN} are read")
    return domain
