"""The protected header of a JWS: which members may stand there, and with which values.

RFC 7515 §4, RFC 7797 §6, RFC 8725. A header comes from whoever made the token, so it may choose
among our algorithms and name a key id; it may bring no key, no URL and no extension.
"""

from __future__ import annotations

import re
from typing import Final

from did import algorithms
from did.algorithms import Algorithm
from did.errors import (
    AlgorithmRefusedError,
    HeaderFetchError,
    HeaderKeyError,
    JwsError,
    JwsLimitError,
    MalformedJwsError,
    TokenTypeError,
)
from schemas import base64url, strict_json
from schemas.errors import FormatError, MalformedValueError, ResourceLimitError
from schemas.strict_json import JsonObject

MAX_HEADER_BYTES: Final = 4096
_MAX_DEPTH: Final = 4
_MAX_TEXT_CHARACTERS: Final = 1024
_FETCHING: Final = ("jku", "x5u")
_KEY_CARRYING: Final = ("jwk", "x5c", "x5t", "x5t#S256")
_ENCRYPTING: Final = ("enc", "zip", "epk", "p2c", "p2s")
# A key id travels into look-ups and logs: no control characters, spaces, quotes or path traversal (VP051).
_KEY_ID = re.compile(r"[A-Za-z0-9._~:%#@/?=&+-]+", re.ASCII)
_TRAVERSAL = re.compile(r"(?:^|/)\.\.?(?:/|$)|%2[eEfF]", re.ASCII)


def parse(header_b64: str) -> JsonObject:
    """Return the members of a header. Raises MalformedJwsError, JwsLimitError for nesting."""
    try:
        raw = base64url.decode(header_b64)
    except MalformedValueError as error:
        raise MalformedJwsError(f"header of the JWS: {error.detail}") from error
    try:
        strict_json.check_depth(raw, _MAX_DEPTH)
        if len(raw) > MAX_HEADER_BYTES:
            raise MalformedJwsError(f"a JWS header has at most {MAX_HEADER_BYTES} bytes; this one has {len(raw)}")
        return strict_json.parse_object(raw, max_depth=_MAX_DEPTH)
    except ResourceLimitError as error:
        raise JwsLimitError(f"header of the JWS: {error.detail}") from error
    except FormatError as error:
        # Duplicate members and NaN are values that no two parsers read alike (VP020, VP022).
        raise MalformedJwsError(f"header of the JWS: {error.detail}") from error


def check(header: JsonObject, members: frozenset[str], *, unencoded: bool) -> Algorithm:
    """Return the header's algorithm, after all of its members were found to be allowed.

    ``unencoded`` requires b64 false and crit ["b64"]; without it both are refused. Raises
    HeaderFetchError (jku, x5u), HeaderKeyError (jwk, x5c), AlgorithmRefusedError, JwsError (crit,
    b64, unknown members), MalformedJwsError (kid, typ, cty that are no plain texts).
    """
    _refuse_keys(header)
    algorithm = algorithms.accept(header.get("alg"))
    _check_unencoded(header, required=unencoded)
    if foreign := sorted(header.keys() - members):
        raise JwsError(f"the JWS header holds {', '.join(foreign)[:80]}, which is not accepted here")
    for name in header.keys() & {"kid", "typ", "cty", "iss"}:
        _check_text(header, name)
    return algorithm


def check_type(header: JsonObject, typ: str) -> None:
    """Raise TokenTypeError unless the header's ``typ`` is exactly ``typ`` (RFC 8725 §3.11)."""
    if header.get("typ") != typ:
        raise TokenTypeError(f"typ is {str(header.get('typ'))[:40]!r}, where {typ!r} is required")


def _refuse_keys(header: JsonObject) -> None:
    for name in _FETCHING:
        if name in header:
            raise HeaderFetchError(f"the JWS header holds {name}; no key is ever fetched on a header's word")
    for name in _KEY_CARRYING:
        if name in header:
            raise HeaderKeyError(f"the JWS header holds {name}; keys come only from the issuer's DID document")
    for name in _ENCRYPTING:
        if name in header:
            raise AlgorithmRefusedError(f"the JWS header holds {name}: encryption and compression are not read")


def _check_unencoded(header: JsonObject, *, required: bool) -> None:
    if not required:
        if "b64" in header or "crit" in header:
            raise JwsError("b64 and crit are not accepted in a compact JWS")
        return
    # Identity, since 0 == False in Python.
    if header.get("b64") is not False:
        raise JwsError("the JWS header must hold b64: false (RFC 7797)")
    if header.get("crit") != ["b64"]:
        raise JwsError('the JWS header must hold crit: ["b64"], exactly (RFC 7515 §4.1.11)')


def _check_text(header: JsonObject, name: str) -> None:
    value = header[name]
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT_CHARACTERS:
        raise MalformedJwsError(f"{name} of the JWS header is a text of 1 to {_MAX_TEXT_CHARACTERS} characters")
    if not _KEY_ID.fullmatch(value) or _TRAVERSAL.search(value):
        raise MalformedJwsError(f"{name} of the JWS header holds characters that are not accepted")
