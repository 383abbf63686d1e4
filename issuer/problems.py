"""The issuer's words in problem documents (RFC 9457), and which errors are ours to mend.

The ``instance`` of a document is the request id under which the log has the details of a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from litestar.exceptions import HTTPException

from did.errors import SignerError
from issuer.errors import KeyMismatchError, OverloadedError
from issuer.store.errors import UnwritableError
from schemas.errors import GreenError, problem_type
from verifier.http import problems
from verifier.http.problems import Problem, Words

_WORDS: Final = Words(
    malformed="MALFORMED_REQUEST",
    refused="REQUEST_REFUSED",
    nothing_here="there is nothing at this path; /openapi lists what there is",
    failed_title="The issuer failed",
    failed_detail=(
        "the fault is the issuer's; nothing was lost: send the same request again, or tell the operator the instance"
    ),
    names={"BAD_REQUEST": "MALFORMED_REQUEST", "REQUEST_TIMEOUT": "BODY_TIMEOUT"},
)
_RETRY_AFTER_S: Final = 2
# Somebody has to mend a key, or a disk, first.
_RETRY_AFTER_MENDED_S: Final = 30


def problem_of(error: Exception, instance: str) -> Problem:
    """Return the problem document of ``error``; ``instance`` identifies this occurrence (``urn:uuid:…``)."""
    if is_key_fault(error):
        return Problem(
            type=problem_type("SIGNING_KEY_UNAVAILABLE"),
            title="The issuer cannot use its signing key",
            status=503,
            detail="the issuer's operator has to mend it; nothing was lost: send the same request again",
            instance=instance,
        )
    return problems.problem_of(error, _WORDS, instance)


def headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers that the answer to ``error`` needs besides its content type."""
    if isinstance(error, OverloadedError):
        return {"retry-after": str(error.retry_after_s)}
    if is_key_fault(error) or isinstance(error, UnwritableError):
        return {"retry-after": str(_RETRY_AFTER_MENDED_S)}
    return problems.headers_of(error, retry_after_s=_RETRY_AFTER_S)


def is_key_fault(error: Exception) -> bool:
    """Return whether a signing key cannot be opened, does not sign, or is another one than was published.

    Nothing is issued meanwhile and nothing is lost, so it is 503 and not 500: who asks has to ask again.
    """
    return isinstance(error, SignerError | KeyMismatchError)


def is_fault(error: Exception) -> bool:
    """Return whether ``error`` is ours to mend, and so belongs in the log with its trace."""
    if isinstance(error, OverloadedError):
        # Whoever causes it must not fill the log as well.
        return False
    if isinstance(error, GreenError):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not (isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)
