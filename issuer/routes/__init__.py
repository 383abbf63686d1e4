"""The routes of the issuer service. ``HANDLERS`` is all of them, in the order of the documentation."""

from __future__ import annotations

from typing import Final

from litestar.handlers import HTTPRouteHandler

from issuer.routes import (
    attestation,
    audit,
    certificates,
    compliance,
    credentials,
    emissions,
    evidence,
    health,
    home,
    identity,
    nodes,
    status,
    telemetry,
    vocabulary,
    windows,
)

HANDLERS: Final[tuple[HTTPRouteHandler, ...]] = (
    *home.HANDLERS,
    *identity.HANDLERS,
    *telemetry.HANDLERS,
    *windows.HANDLERS,
    *audit.HANDLERS,
    *certificates.HANDLERS,
    *emissions.HANDLERS,
    *compliance.HANDLERS,
    *credentials.HANDLERS,
    *status.HANDLERS,
    *evidence.HANDLERS,
    *vocabulary.HANDLERS,
    *nodes.HANDLERS,
    *attestation.HANDLERS,
    *health.HANDLERS,
)
