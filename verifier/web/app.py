"""The verifier as a web application: ``create_app()`` is what the server loads."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin

from verifier.caching import CachingFetcher
from verifier.case import Engines
from verifier.document import MAX_PRESENTATION_BYTES
from verifier.errors import UsageError
from verifier.fetch import EgressClient, Fetcher
from verifier.http.edge import refuse_options
from verifier.http.limits import Room
from verifier.http.query import check_query
from verifier.http.threads import Threads
from verifier.policy import Policy, read_policy
from verifier.rdf.engines import default_engines
from verifier.settings import SETTINGS_FILE, Settings, challenge_file, read_settings
from verifier.status_lists.known import InMemoryKnownLists, KnownLists, lists_folder
from verifier.status_lists.known_folder import FolderKnownLists
from verifier.web.allocator import give_back_large_blocks
from verifier.web.challenges import IN_MEMORY, Challenges
from verifier.web.edge import Edge, to_response
from verifier.web.routes import challenges, pages, verification
from verifier.web.service import Service

_ROUTES = (
    verification.verify_credential,
    verification.verify_presentation,
    verification.verify_receipt,
    challenges.issue_challenge,
    pages.page,
    pages.style,
    pages.script,
    pages.healthz,
)

_CONCURRENT_PARSINGS = 1
_CONCURRENT_CHALLENGES = 2
_SMALL_BODY_BYTES = 1024 * 1024


def create_app(
    settings: Settings | None = None,
    *,
    fetcher: Fetcher | None = None,
    engines: Engines | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Edge:
    """Return the application, its edge around it. Without ``settings``, those of the environment and the file that it names.

    ``fetcher``, ``engines`` and ``clock`` take the place of the network, the workers and the time.
    Raises UsageError where settings or policy cannot be read.
    """
    if settings is None:
        settings = _settings()
        _log_as_json()
        give_back_large_blocks()
    threads = functools.partial(Threads, queue_timeout_s=settings.queue_timeout_s)
    service = Service(
        settings=settings,
        policy=_policy(settings),
        fetcher=CachingFetcher(fetcher or _client(settings), keep_s=settings.fetch_cache_s),
        known=_known_lists(settings),
        challenges=Challenges(challenge_file(settings) or IN_MEMORY, life_s=settings.challenge_s),
        engines=engines or default_engines(),
        clock=clock,
        judging=threads(settings.concurrent_verifications, name="judging"),
        gathering=asyncio.Semaphore(settings.concurrent_gatherings),
        parsing=threads(_CONCURRENT_PARSINGS, name="parsing"),
        issuing=threads(_CONCURRENT_CHALLENGES, name="issuing"),
        bodies=Room(settings.bodies_max_bytes, small_bytes=_SMALL_BODY_BYTES),
        documents=Room(settings.documents_max_bytes),
    )
    app = Litestar(
        route_handlers=_ROUTES,
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        exception_handlers={Exception: to_response, HTTPException: to_response},
        guards=[refuse_options],
        before_request=check_query,
        cors_config=_cors(settings),
        openapi_config=_openapi(),
        request_max_body_size=MAX_PRESENTATION_BYTES + 1,
        debug=False,
        logging_config=None,
    )
    return Edge(app, settings)


def _log_as_json() -> None:
    """Write the log as one JSON object a line to standard error, where the server's own goes."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _client(settings: Settings) -> EgressClient:
    return EgressClient(
        development=settings.development, timeout_s=settings.fetch_timeout_s, max_bytes=settings.fetch_max_bytes
    )


def _known_lists(settings: Settings) -> KnownLists:
    if settings.state_dir is None:
        return InMemoryKnownLists()
    return FolderKnownLists(lists_folder(Path(settings.state_dir)), note=_note)


def _note(text: str) -> None:
    structlog.get_logger("verifier").warning("memory", note=text)


def _settings() -> Settings:
    file = os.environ.get(SETTINGS_FILE)
    return read_settings(os.environ, _read(file) if file else None)


def _policy(settings: Settings) -> Policy:
    policy = read_policy(_read(settings.policy)) if settings.policy else Policy()
    return msgspec.structs.replace(policy, allow_simulated=policy.allow_simulated or settings.allow_simulated)


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(allow_origins=list(settings.cors_origins), allow_methods=["POST"], allow_headers=["Content-Type"])


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Green Compute Verifier",
        version="1",
        description="Verifies credentials and presentations (W3C VC API) and explains every step of the verdict.",
        path="/openapi",
        # Only the document: the framework's own viewers load scripts from elsewhere.
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"]), YamlRenderPlugin()],
    )
