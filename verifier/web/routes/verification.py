"""``POST /credentials/verify``, ``POST /presentations/verify`` (W3C VC API, Verifying) and ``POST /receipts/verify``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog
from litestar import Response, post
from litestar.di import NamedDependency

from schemas import strict_json
from verifier import document
from verifier.http.body import AnyRequest, read_json_body
from verifier.http.limits import parsed_bytes
from verifier.policy import Policy
from verifier.report import Report
from verifier.verify import Expectation
from verifier.web import verdict
from verifier.web.openapi import CredentialOperation, PresentationOperation, ReceiptOperation
from verifier.web.request import Options, read_credential, read_presentation, read_receipt
from verifier.web.service import Service

_log = structlog.get_logger("verifier")


@post("/credentials/verify", status_code=200, operation_class=CredentialOperation)
async def verify_credential(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify one credential: 200 where it verifies, 400 with the problems where it does not."""
    async with _received(request, service, strict_json.MAX_BYTES) as raw:
        parsed, options = await service.parsed(raw, read_credential)
        return await service.verify(parsed, _policy(service, options), write=_answer)


@post("/presentations/verify", status_code=200, operation_class=PresentationOperation)
async def verify_presentation(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify a presentation and every credential in it: 200 where all verify, 400 with the problems otherwise."""
    async with _received(request, service, document.MAX_PRESENTATION_BYTES) as raw:
        parsed, options = await service.parsed(raw, read_presentation)
        expectation = Expectation(options.challenge, options.domain)
        return await service.verify(parsed, _policy(service, options), expectation, write=_answer)


@post("/receipts/verify", status_code=200, operation_class=ReceiptOperation)
async def verify_receipt(request: AnyRequest, service: NamedDependency[Service]) -> Response[bytes]:
    """Verify a receipt with its window's credential, which is fetched where it does not come along."""
    async with _received(request, service, strict_json.MAX_BYTES) as raw:
        parsed, window, options = await service.parsed(raw, read_receipt)
        return await service.verify_receipt(parsed, window, _policy(service, options), write=_answer)


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


def _policy(service: Service, options: Options) -> Policy:
    allow = service.policy.allow_simulated or options.allow_simulated
    return msgspec.structs.replace(service.policy, allow_simulated=allow)


def _answer(report: Report) -> Response[bytes]:
    _log.info("verified", outcome=report.outcome.value, problem=report.problem, kind=report.kind)
    return verdict.answer(report)
