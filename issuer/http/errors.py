"""The errors of the HTTP edge that only the issuer has; the others are verifier.http.errors.

RequestError (verifier.http.errors)   400
├── HostRefusedError                  400  the Host header names another service
├── UnauthenticatedError              401  no API key, or none that we know
└── ForbiddenError                    403  the API key does not allow this
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.http.errors import RequestError


class HostRefusedError(RequestError):
    """The Host header is missing, doubled, or not the public URL's."""

    name = "HOST_REFUSED"
    title = "The Host header is not this service's"


class UnauthenticatedError(RequestError):
    """There is no API key, or it is unknown or revoked: the three are told apart to nobody."""

    name = "UNAUTHENTICATED"
    title = "A valid API key is required"
    status = 401

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge that RFC 9110 §11.6.1 requires with a 401."""
        return {"www-authenticate": 'Bearer realm="green-issuer"'}


class ForbiddenError(RequestError):
    """The API key is valid, and lacks the scope or belongs to another tenant."""

    name = "FORBIDDEN"
    title = "The API key does not allow this"
    status = 403
