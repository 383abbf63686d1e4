"""The errors of the HTTP edge: the request is refused for its form, its sender or its rate.

IssuanceError
└── RequestError                    400
    ├── HostRefusedError            400  the Host header names another service
    ├── AmbiguousBodyError          400  where the body ends can be read in two ways
    ├── TargetRefusedError          400  the request target is not a path
    ├── ParameterError              400  a parameter breaks its lexical rule
    ├── DisconnectedError           400  the client went away before its body was whole
    ├── UnauthenticatedError        401  no API key, or none that we know
    ├── ForbiddenError              403  the API key does not allow this
    ├── BodyTimeoutError            408  the body did not arrive in time
    ├── BodyTooLargeError           413  the body has more bytes than the route reads
    ├── TargetTooLongError          414  the path and query are too long
    ├── UnsupportedMediaTypeError   415  another content type or coding than the route reads
    ├── RateLimitedError            429  too many requests of one key, node or address
    └── HeadersTooLargeError        431  too many headers, or too large
"""

from __future__ import annotations

from collections.abc import Mapping

from issuer.errors import IssuanceError


class RequestError(IssuanceError):
    """Root of the errors of the HTTP edge."""

    name = "REQUEST_REFUSED"
    title = "The request is refused"
    status = 400

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer needs besides the problem document."""
        return {}


class HostRefusedError(RequestError):
    """The Host header is missing, doubled, or not the public URL's."""

    name = "HOST_REFUSED"
    title = "The Host header is not this service's"


class AmbiguousBodyError(RequestError):
    """Content-Length and Transfer-Encoding do not say in one way where the body ends (RFC 9112 §6.3)."""

    name = "MALFORMED_REQUEST"
    title = "The request's framing is ambiguous"


class TargetRefusedError(RequestError):
    """The request target is not a path: what a proxy is asked for (RFC 9112 §3.2.3)."""

    name = "MALFORMED_REQUEST"
    title = "The request target is not a path"


class ParameterError(RequestError):
    """A parameter of the path or the query breaks its lexical rule."""

    name = "MALFORMED_VALUE_ERROR"
    title = "A parameter is malformed"


class DisconnectedError(RequestError):
    """The client closed the connection in the middle of its body; nobody reads the answer."""

    name = "DISCONNECTED"
    title = "The client disconnected"


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


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    name = "BODY_TIMEOUT"
    title = "The request body came too slowly"
    status = 408

    @property
    def headers(self) -> Mapping[str, str]:
        """The connection is of no more use: the rest of the body may still come."""
        return {"connection": "close"}


class BodyTooLargeError(RequestError):
    """The body is larger than the route reads."""

    name = "RESOURCE_LIMIT"
    title = "The request body is too large"
    status = 413

    @property
    def headers(self) -> Mapping[str, str]:
        """The connection ends here, and is said to: else the client's next request would go down with it."""
        return {"connection": "close"}


class TargetTooLongError(RequestError):
    """Path and query together are longer than what is read."""

    name = "RESOURCE_LIMIT"
    title = "The request target is too long"
    status = 414


class UnsupportedMediaTypeError(RequestError):
    """The body's content type, character set or content coding is not one that the route reads."""

    name = "UNSUPPORTED_MEDIA_TYPE"
    title = "The content type is not supported"
    status = 415


class RateLimitedError(RequestError):
    """Too many requests. ``retry_after_s`` says after how many whole seconds the next one is taken."""

    name = "RATE_LIMITED"
    title = "Too many requests"
    status = 429

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        """Keep how long to wait, in seconds."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> Mapping[str, str]:
        """Retry-After (RFC 9110 §10.2.3), in seconds."""
        return {"retry-after": str(self.retry_after_s)}


class HeadersTooLargeError(RequestError):
    """The request has too many headers, or too many bytes of them."""

    name = "RESOURCE_LIMIT"
    title = "The request headers are too large"
    status = 431
