"""What the proxy answers by itself, in the form of OpenAI's errors.

AgentError
└── RefusalError
    ├── BadRequestError       400  the request is no HTTP/1.1, or may be read in two ways
    ├── BodyTooLargeError     413
    ├── TargetTooLongError    414
    ├── HeadTooLargeError     431
    ├── FailedError           500  the proxy's own fault
    ├── BackendError          502  the backend cannot be reached
    ├── BackendBrokeOffError  502  it took the request and gave no answer
    ├── BusyError             503  too much is held for others
    ├── BackendTimeoutError   504
    └── LoopError             508  the backend leads back here
"""

from __future__ import annotations

import msgspec

from agent.errors import AgentError


class RefusalError(AgentError):
    """Root of what is answered without the backend, or instead of it. ``status`` is that of the answer."""

    name = "REFUSED"
    title = "The request was not passed on"
    status = 500


class BadRequestError(RefusalError):
    """The request is no HTTP/1.1, or two readers may understand it in two ways."""

    name = "bad_request"
    status = 400


class BodyTooLargeError(RefusalError):
    """The body has more bytes than are taken."""

    name = "body_too_large"
    status = 413


class TargetTooLongError(RefusalError):
    """Path and query are too long."""

    name = "target_too_long"
    status = 414


class HeadTooLargeError(RefusalError):
    """Too many headers, or too large."""

    name = "head_too_large"
    status = 431


class FailedError(RefusalError):
    """The proxy's own fault."""

    name = "proxy_failed"
    status = 500


class BackendError(RefusalError):
    """The backend cannot be reached: it did no work."""

    name = "backend_unavailable"
    status = 502


class BackendBrokeOffError(RefusalError):
    """The backend took the request and broke off before its answer began: it may have worked."""

    name = "backend_broke_off"
    status = 502


class BusyError(RefusalError):
    """So many bodies are held for others that there is no room for this one."""

    name = "proxy_busy"
    status = 503


class BackendTimeoutError(RefusalError):
    """The backend said nothing for too long."""

    name = "backend_timeout"
    status = 504


class LoopError(RefusalError):
    """The backend leads back to this proxy."""

    name = "proxy_loop"
    status = 508


def refusal_body(error: RefusalError) -> bytes:
    """Return the body of the answer: ``{"error": {"message", "type", "param", "code"}}``."""
    said = {"message": f"green-agent proxy: {error.detail}", "type": error.name, "param": None, "code": error.status}
    return msgspec.json.encode({"error": said})
