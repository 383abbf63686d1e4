"""Who may do what: the guard in front of every route.

Each route states its access in ``opt``; a route that states none cannot be started (app.py), and is refused
should it exist. API keys are found by their hash, so nothing compares secrets character by character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from issuer.access import Access
from issuer.api_key import key_hash
from issuer.http.errors import ForbiddenError, UnauthenticatedError
from issuer.service import Service, client_address, service_of
from issuer.store.records import ApiKeyRecord, Scope
from verifier.http.edge import refuse_options
from verifier.http.limits import address_identity

_BEARER: Final = re.compile(r"bearer +(gck_[A-Za-z0-9_-]{43})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose API key the request bears. ``tenant_id`` None: a key of every tenant."""

    key_id: str
    tenant_id: str | None
    scopes: frozenset[Scope]

    def has(self, access: Access) -> bool:
        """Return whether the key opens ``access``; ``admin`` opens everything, within the key's tenant."""
        needed = Access.READ if access is Access.CAPABILITY else access
        return "admin" in self.scopes or needed.value in self.scopes

    @property
    def actor(self) -> str:
        """The name under which the audit log has this caller."""
        return f"api-key:{self.key_id}"

    def tenant_filter(self, requested: str | None = None) -> str | None:
        """Return the tenant to which every query has to be limited; None means all.

        A tenant's key sees its own tenant, whatever is asked for: asking for another one raises ForbiddenError.
        """
        if self.tenant_id is None:
            return requested
        if requested is not None and requested != self.tenant_id:
            raise ForbiddenError("the API key belongs to another tenant")
        return self.tenant_id


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of every route: let the request pass, with its Caller in ``scope["auth"]`` where a key is needed.

    Raises UnauthenticatedError, ForbiddenError, RateLimitedError.
    """
    access = handler.opt.get("access")
    if not isinstance(access, Access):
        refuse_options(connection, handler)
        raise ForbiddenError("nobody may use this path")
    if access is Access.CAPABILITY and not connection.headers.getall("authorization", []):
        # The route itself asks for the key (refused) unless its URL is enough.
        return
    if not access.needs_key and access is not Access.CAPABILITY:
        return
    service = service_of(connection)
    record = await _find(connection, service)
    caller = Caller(key_id=record.id, tenant_id=record.tenant_id, scopes=frozenset(record.scopes))
    service.limits.keys.take(caller.key_id)
    if not caller.has(access):
        raise ForbiddenError(f"the API key lacks the scope {access.value!r}")
    connection.scope["auth"] = caller


async def _find(connection: ASGIConnection[Any, Any, Any, Any], service: Service) -> ApiKeyRecord:
    headers = connection.headers.getall("authorization", [])
    match = _BEARER.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    record = await service.store.api_keys.find(key_hash(match[1])) if match else None
    if record is None:
        raise refused(connection)
    return record


def refused(connection: ASGIConnection[Any, Any, Any, Any]) -> UnauthenticatedError:
    """Return the refusal of a request without a valid key, counted. Raises RateLimitedError after too many."""
    service_of(connection).limits.refused.take(address_identity(client_address(connection)))
    return UnauthenticatedError("send Authorization: Bearer gck_… with a key made by green-issuer api-keys add")


def caller_or_none(request: Request[Any, Any, Any]) -> Caller | None:
    """Return whose API key the request bears, None where it bears none: on routes of Access.CAPABILITY alone."""
    caller = request.scope.get("auth")
    return caller if isinstance(caller, Caller) else None


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Return whose API key the request bears. Raises UnauthenticatedError on a route that asks for none."""
    caller = request.scope.get("auth")
    if not isinstance(caller, Caller):
        raise UnauthenticatedError("this path needs an API key")
    return caller
