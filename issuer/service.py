"""What the routes work with: one object, made when the service starts and closed when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from litestar.connection import ASGIConnection

from issuer.addresses import Addresses
from issuer.clock import Clock
from issuer.issuance import Issuance
from issuer.keyring import Keyring
from issuer.settings import Settings
from issuer.status_list import StatusPublisher
from issuer.store import Store
from issuer.turns import Turns
from verifier.http.client_address import ClientAddresses
from verifier.http.limits import RateLimit

_EXPORTS: Final = 64
"""Exports of all tenants at once. Many: one takes a thread for moments only, and its reader may be slow."""
_EXPORT_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of this worker: rates by API key, by node, and by client address of what is refused, repeated or enrols.

    ``exports``: one at a time of a tenant, from its first row to its last.
    """

    keys: RateLimit
    nodes: RateLimit
    refused: RateLimit
    repeated: RateLimit
    enrolments: RateLimit
    exports: Turns


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running issuer."""

    settings: Settings
    store: Store
    clock: Clock
    keyring: Keyring
    issuance: Issuance
    status_lists: StatusPublisher
    addresses: Addresses
    limits: Limits
    clients: ClientAddresses


def limits_of(settings: Settings) -> Limits:
    """Return fresh rate limits at the rates of the settings."""
    return Limits(
        keys=RateLimit(settings.key_rate_per_minute, subject="API key"),
        nodes=RateLimit(settings.node_rate_per_minute, subject="node"),
        refused=RateLimit(settings.refused_rate_per_minute, subject="address"),
        repeated=RateLimit(settings.node_rate_per_minute, subject="address"),
        enrolments=RateLimit(settings.refused_rate_per_minute, subject="address"),
        exports=Turns("exports of this tenant", each=1, most=_EXPORTS, wait_s=_EXPORT_WAIT_S),
    )


def service_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Service:
    """Return the running issuer that a request came to."""
    service: Service = connection.app.state["service"]
    return service


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the client's address, as far as it can be known (see ClientAddresses)."""
    peer = connection.client.host if connection.client else ""
    return service_of(connection).clients.of(peer, connection.headers.getall("x-forwarded-for", []))
