"""Counting what strangers send that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from litestar.connection import ASGIConnection

from issuer.errors import StaleTimestampError
from issuer.service import client_address, service_of
from schemas.errors import GreenError
from verifier.http.limits import address_identity

_READ_IN_VAIN: Final = 20
"""What a window counts of its node's rate that was read whole and then refused: seconds of work, and nothing kept."""


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


def take_repeat(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Count a window that was taken before against the client's address. Raises RateLimitedError."""
    service_of(connection).limits.repeated.take(address_identity(client_address(connection)))


def take_beginning(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Count an enrolment that begins, whatever comes of it, against the client's address. Raises RateLimitedError."""
    service_of(connection).limits.enrolments.take(address_identity(client_address(connection)))


@contextmanager
def weighed(connection: ASGIConnection[Any, Any, Any, Any], node_id: str) -> Iterator[None]:
    """Let a refusal in the block count many times in its node's rate, but for age alone, which costs nothing to see."""
    try:
        yield
    except GreenError as error:
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, StaleTimestampError):
            nodes = service_of(connection).limits.nodes
            for _ in range(_READ_IN_VAIN - 1):
                nodes.has_room(node_id)
        raise
