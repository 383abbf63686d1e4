"""Counting what strangers send that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from litestar.connection import ASGIConnection

from issuer.service import client_address, service_of
from schemas.errors import GreenError
from verifier.http.limits import address_identity


@contextmanager
def counted(connection: ASGIConnection[Any, Any, Any, Any]) -> Iterator[None]:
    """Count a refusal in the block against the client's address.

    Raises RateLimitedError in its place once the address has had too many. What is in order passes, whatever
    else comes from the same address: nodes behind one router must not suffer for one of them.
    """
    try:
        yield
    except GreenError as error:
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            service_of(connection).limits.refused.take(address_identity(client_address(connection)))
        raise
