"""``POST /credentials/verify``, ``POST /presentations/verify`` (W3C VC API, Verifying) and ``POST /receipts/verify``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from litestar import Response, post
from litestar.di import NamedDependency

from schemas import strict_json
from schemas.strict_json import JsonObject
from verifier import document
from verifier.body import AnyRequest, read_json_body
from verifier.evidence import NOTHING, Evidence, Fetched
from verifier.limits import parsed_bytes
from verifier.openapi import CredentialOperation, PresentationOperation, ReceiptOperation
from verifier.policy import Policy
from verifier.problems import BadRequestError
from verifier.report import Outcome, Report, Result, problem_document
from verifier.service import Service
from verifier.verify import Expectation

_log = structlog.get_logger("verifier")

# The request wraps the document once.
_CREDENTIAL_DEPTH: Final = strict_json.MAX_DEPTH + 1
_PRESENTATION_DEPTH: Final = document.MAX_PRESENTATION_DEPTH + 1


class Options(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a request may ask for. Members that are not listed are other software's, and mean nothing here."""

    challenge: str | None = None
    domain: str | None = None
    allow_simulated: bool = False


@post("/credentials/verify", status_code=200, operation_class=CredentialOperation)
async def verify_credential(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify one credential: 200 where it verifies, 400 with the problems where it does not."""
    async with _received(request, service, strict_json.MAX_BYTES) as raw:
        parsed, options = await service.parsed(raw, _credential)
        return await service.verify(parsed, _policy(service, options), write=_answer)


@post("/presentations/verify", status_code=200, operation_class=PresentationOperation)
async def verify_presentation(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify a presentation and every credential in it: 200 where all verify, 400 with the problems otherwise."""
    async with _received(request, service, document.MAX_PRESENTATION_BYTES) as raw:
        parsed, options = await service.parsed(raw, _presentation)
        expectation = Expectation(options.challenge, options.domain)
        return await service.verify(parsed, _policy(service, options), expectation, write=_answer)


@post("/receipts/verify", status_code=200, operation_class=ReceiptOperation)
async def verify_receipt(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify a receipt with its window's credential, which is fetched where it does not come along."""
    async with _received(request, service, strict_json.MAX_BYTES) as raw:
        parsed, window, options = await service.parsed(raw, _receipt)
        return await service.verify_receipt(parsed, window, _policy(service, options), write=_answer)


def _credential(raw: bytes) -> tuple[document.Document, Options]:
    body = strict_json.parse_object(raw, max_bytes=strict_json.MAX_BYTES, max_depth=_CREDENTIAL_DEPTH)
    options = _options(body)
    return document.embedded(_member(body, "verifiableCredential")), options


def _presentation(raw: bytes) -> tuple[document.Document, Options]:
    limit = document.MAX_PRESENTATION_BYTES
    body = strict_json.parse_object(raw, max_bytes=limit, max_depth=_PRESENTATION_DEPTH)
    options = _options(body)
    return document.embedded_presentation(_member(body, "verifiablePresentation")), options


def _receipt(raw: bytes) -> tuple[document.Document, Evidence, Options]:
    body = strict_json.parse_object(raw, max_bytes=strict_json.MAX_BYTES, max_depth=_CREDENTIAL_DEPTH)
    options, parsed = _options(body), document.embedded(_member(body, "receipt"))
    if parsed.kind is not document.Kind.RECEIPT:
        raise BadRequestError("receipt: it has a type, or no record with its inclusion proof, so it is no receipt")
    return parsed, _window(parsed, body), options


def _window(receipt: document.Document, body: JsonObject) -> Evidence:
    """Return the window's credential that came along, under the name that the receipt gives it."""
    if "windowCredential" not in body:
        return NOTHING
    window = document.embedded(_member(body, "windowCredential"))
    name = str(receipt.value.get("window_credential"))
    return Evidence(credentials={name: Fetched(url=name, origin="folder", body=window.raw)})


@asynccontextmanager
async def _received(request: AnyRequest, service: Service, max_bytes: int) -> AsyncIterator[bytes]:
    """Give the body, once there is memory for what will be made of it, which is taken to the end of the block.

    Raises as read_json_body, and OverloadedError where there is no room in time.
    """
    settings = service.settings
    with service.bodies.share() as body, service.documents.share() as values:
        raw = await read_json_body(
            request,
            max_bytes=max_bytes,
            deadline_s=settings.body_timeout_s,
            stall_s=settings.body_stall_timeout_s,
            share=body,
        )
        await values.wait_for(parsed_bytes(raw), timeout_s=settings.queue_timeout_s)
        yield raw


def _member(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name)
    if not isinstance(value, dict):
        raise BadRequestError(f"{name}: a JSON-LD object is required")
    return value


def _options(body: JsonObject) -> Options:
    try:
        options = msgspec.convert(body.get("options", {}), Options)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"options: {error}") from error
    if options.challenge == "" or options.domain == "":
        raise BadRequestError("options: an empty challenge or domain protects from nothing; leave it out, or give one")
    return options


def _policy(service: Service, options: Options) -> Policy:
    allow = service.policy.allow_simulated or options.allow_simulated
    return msgspec.structs.replace(service.policy, allow_simulated=allow)


def _answer(report: Report) -> Response[bytes]:
    """Return the verdict for readers of either habit: status code, ``verified``, ``problemDetails``, ``errors``."""
    verified, problems = report.outcome is Outcome.VERIFIED, report.first_problems
    _log.info("verified", outcome=report.outcome.value, problem=report.problem, kind=report.kind)
    content = {
        "verified": verified,
        "outcome": report.outcome.value,
        "problemDetails": [problem_document(finding) for finding in problems],
        "checks": [check.step for check in report.checks if check.result in {Result.PASSED, Result.WARNING}],
        "warnings": [problem_document(finding) for finding in report.warnings],
        "errors": [finding.detail for finding in problems],
        "report": msgspec.Raw(report.to_json()),
    }
    return Response(msgspec.json.encode(content), status_code=200 if verified else 400, media_type="application/json")
