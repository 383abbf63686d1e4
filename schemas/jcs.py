"""Canonical JSON bytes (RFC 8785, JCS)."""

from __future__ import annotations

import rfc8785

from schemas.errors import MalformedValueError
from schemas.strict_json import Json


def canonical_bytes(value: Json) -> bytes:
    """Return the JCS bytes of ``value``. Raises MalformedValueError where RFC 8785 has no form for it."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise MalformedValueError("the value has no canonical JSON form (RFC 8785)") from error
