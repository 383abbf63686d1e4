"""The issuer service: routes, guards, the parts behind them, and what happens at start and stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from litestar import Litestar, Request, Response
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException

from issuer import problems
from issuer.access import Access
from issuer.addresses import Addresses
from issuer.auth import authorize
from issuer.carbon.known import KnownGrid
from issuer.carbon.sources import open_all
from issuer.carbon.worker import GridWorker
from issuer.clock import Clock, SystemClock
from issuer.errors import LintError, SignatureFaultError
from issuer.http.edge import Edge
from issuer.http.openapi import openapi_document
from issuer.issuance import Issuance
from issuer.keyring import Keyring
from issuer.routes import HANDLERS
from issuer.service import Service, limits_of
from issuer.settings import Settings, SettingsError
from issuer.status_list import StatusPublisher
from issuer.store import Store
from issuer.store.errors import StorageFailedError
from issuer.store.migrate import head_revision
from verifier.case import Engines
from verifier.http.client_address import ClientAddresses
from verifier.http.problems import answer as answered
from verifier.http.problems import instance_of
from verifier.http.query import check_query
from verifier.rdf.canonicalize import InProcess
from verifier.rdf.worker import WorkerPool

_LOG = structlog.get_logger("issuer")

_CORS_METHODS: Final = ["GET", "POST"]
_CORS_HEADERS: Final = ["authorization", "content-type", "if-none-match"]
_CORS_EXPOSED: Final = ["etag", "link", "location", "retry-after", "x-request-id"]

Stop = Callable[[], None]
"""Ends the process in good order."""


def create_service(settings: Settings, *, clock: Clock | None = None, stop: Stop | None = None) -> Edge:
    """Return the whole service as an ASGI application; its ``app`` is the framework's, with the routes.

    ``stop`` is called when the storage has failed: nothing may be acknowledged any more. By default it sends
    this process SIGTERM.
    """
    return Edge(create_app(settings, clock=clock or SystemClock(), stop=stop or _terminate), settings)


def create_app(settings: Settings, *, clock: Clock, stop: Stop) -> Litestar:
    """Return the framework's application: routes behind the guard, errors as problem documents."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with running(settings, clock) as service:
            app.state["service"] = service
            yield

    app = Litestar(
        [*HANDLERS],
        guards=[authorize],
        before_request=check_query,
        exception_handlers={Exception: _answer_with(stop), HTTPException: _answer_with(stop)},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        cors_config=_cors(settings),
        debug=False,
    )
    app.state["openapi"] = openapi_document(HANDLERS, settings.public_url)
    _require_access(app)
    return app


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    """Give the parts of the service, the database up to date, keys tested, unfinished credentials completed.

    Raises StoreError, SignerError, KeyMismatchError: a service that could not issue does not start.
    """
    store = Store.open(settings.store_url, list_size=settings.status_list_size)
    general = WorkerPool(size=1)
    try:
        for notice in store.notices:
            _LOG.warning("database notice", notice=notice)
        await bring_up_to_date(store, migrate=settings.migrate_on_start)
        sources = None if settings.grid_path is None else open_all(settings.grid_path)
        grid = KnownGrid(store.grid, sources)
        service = _assemble(settings, store, clock, Engines(closed=InProcess(), general=general), grid)
        await service.keyring.check_all()
        _LOG.info("issuer started", public_url=settings.public_url)
        # Beside the service: a record that ends ahead of our clock would hold up the start for as long.
        beside = [asyncio.create_task(_resume(service.issuance))]
        if sources is not None:
            beside.append(asyncio.create_task(GridWorker(store, sources, clock, on_change=grid.forget).run()))
            beside.append(asyncio.create_task(service.issuance.reissue.run()))
        try:
            yield service
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if sources is not None:
                await sources.aclose()
    finally:
        general.close()
        await store.close()
        _LOG.info("issuer stopped")


async def _resume(issuance: Issuance) -> None:
    try:
        resumed = await issuance.resume_pending()
    except Exception:  # noqa: BLE001 - see below
        # Whatever it was, what is reserved stays so, for its node's next try or the next start.
        _LOG.exception("unfinished credentials could not be looked for")
        return
    if resumed.rejected:
        _LOG.error("unfinished credentials were rejected; the audit log says why", rejected=resumed.rejected)
    _LOG.info("unfinished credentials resumed", resumed=resumed.issued, unfinished=resumed.failed)


async def bring_up_to_date(store: Store, *, migrate: bool) -> None:
    """Migrate the database, or see that it needs no migration. Raises SettingsError where it does, StoreError."""
    await store.check_version()
    if migrate:
        await store.migrate()
    elif await store.revision() != head_revision():
        raise SettingsError(
            "the database's schema is not this version's; run green-issuer db upgrade, then start again"
        )


def _assemble(settings: Settings, store: Store, clock: Clock, engines: Engines, grid: KnownGrid) -> Service:
    addresses = Addresses(settings.public_url)
    keyring = Keyring(store, clock)
    self_verify = settings.self_verify == "always"
    return Service(
        settings=settings,
        store=store,
        clock=clock,
        keyring=keyring,
        issuance=Issuance(
            store,
            keyring,
            clock,
            addresses,
            engines,
            context_form=settings.context_form,
            self_verify=self_verify,
            completeness=settings.completeness,
            grid=grid,
        ),
        status_lists=StatusPublisher(store, keyring, clock, addresses, engines, self_verify=self_verify),
        addresses=addresses,
        limits=limits_of(settings),
        clients=ClientAddresses(settings.trusted_proxies),
    )


def _answer_with(stop: Stop) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        if problems.is_fault(error):
            _LOG.error("request failed", exc_info=error, route=request.scope.get("path_template", ""))
        if problems.is_key_fault(error):
            _LOG.critical("a signing key cannot be used; nothing is issued until it can, or keys are rotated")
        if isinstance(error, LintError | SignatureFaultError):
            _LOG.critical("a credential failed the issuer's own check and was not issued", reason=error.detail)
        if isinstance(error, StorageFailedError):
            _LOG.critical("the storage failed; stopping, since nothing can be acknowledged")
            stop()
        problem = problems.problem_of(error, instance_of(request.scope))
        return answered(problem, problems.headers_of(error))

    return answer


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=_CORS_METHODS,  # type: ignore[arg-type]
        allow_headers=_CORS_HEADERS,
        expose_headers=_CORS_EXPOSED,
        allow_credentials=False,
    )


def _require_access(app: Litestar) -> None:
    """Refuse to start with a route that does not say who may use it."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "OPTIONS" not in handler.http_methods and not isinstance(handler.opt.get("access"), Access):
                raise TypeError(f"the route {route.path} states no access rule")
