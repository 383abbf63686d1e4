"""did:web: from a DID to the URL of its document, and back (W3C CCG did:web §2.5.2, §3.2).

One DID has one spelling and one URL: everything that a URL parser could read in two ways is refused.
Addresses of machines (``127.1``, ``169.254.169.254``) are hosts like others here; the fetcher, which
knows what a name resolves to, refuses them.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from did.errors import InvalidDidError
from did.identifiers import parse_did

_MAX_PORT: Final = 65535
_MAX_HOST_CHARACTERS: Final = 253
_HTTPS_PORT: Final = 443

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Lower case and no dot at the end: DNS takes both spellings, so the DID would have several.
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+", re.ASCII)
_ENCODED = re.compile(r"(?:%[0-9A-F]{2})+", re.ASCII)
# Percent-encoded, these would be another spelling of the same path, or a path of their own.
_NEVER_ENCODED = re.compile(r"[A-Za-z0-9._~\x00-\x20\x7f/\\%?#-]")


def document_url(did: str) -> str:
    """Return the https URL of the DID document of a did:web.

    ``did:web:example.org%3A8443:issuers:a`` gives ``https://example.org:8443/issuers/a/did.json``,
    without a path ``/.well-known/did.json``. Raises InvalidDidError for any other spelling than the
    canonical one (attacks VF013, VF014), and for other methods.
    """
    method, identifier = parse_did(did)
    if method != "web":
        raise InvalidDidError(f"did:{method} has no URL; only did:web has")
    authority, *segments = identifier.split(":")
    url = f"https://{_authority(authority, did)}"
    for segment in segments:
        _check_segment(segment, did)
    return "/".join([url, *(segments or [".well-known"]), "did.json"])


def did_of(public_url: str, *path: str) -> str:
    """Return the did:web whose document stands under ``public_url`` and the further path segments.

    ``did_of("https://example.org:8443", "issuers", "a")`` gives
    ``did:web:example.org%3A8443:issuers:a``. Raises InvalidDidError for a URL that has no did:web.
    """
    try:
        parts = urlsplit(public_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidDidError(f"{public_url[:80]!r} is not a URL") from error
    if parts.scheme not in {"https", "http"} or host is None or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidDidError(f"{public_url[:80]!r} is not a URL such as https://issuer.example")
    # A URL of development says http; its DID is the same, and names the port.
    authority = host if port is None or (parts.scheme, port) == ("https", _HTTPS_PORT) else f"{host}%3A{port}"
    segments = [segment for segment in parts.path.split("/") if segment]
    did = ":".join(["did:web", authority, *segments, *path])
    for segment in path:
        # A colon in an argument would make two segments of it.
        _check_segment(segment, did)
    document_url(did)
    return did


def _authority(text: str, did: str) -> str:
    host, separator, port = text.partition("%3A")
    if len(host) > _MAX_HOST_CHARACTERS or not _HOST.fullmatch(host):
        raise InvalidDidError(f"{did[:80]!r}: the host is a lower-case DNS name without a dot at its end")
    if not separator:
        return host
    if not _PORT.fullmatch(port) or int(port) > _MAX_PORT:
        raise InvalidDidError(f"{did[:80]!r}: a port stands as %3A and a number from 1 to {_MAX_PORT}")
    return f"{host}:{port}"


def _check_segment(segment: str, did: str) -> None:
    if not _SEGMENT.fullmatch(segment):
        raise InvalidDidError(f"{did[:80]!r}: path segments are not empty, their percent-encoding is upper case")
    if segment in {".", ".."}:
        raise InvalidDidError(f"{did[:80]!r}: path segments are never . or ..")
    for encoded in _ENCODED.findall(segment):
        try:
            text = unquote_to_bytes(encoded).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidDidError(f"{did[:80]!r}: the percent-encoding is not UTF-8") from error
        if _NEVER_ENCODED.search(text):
            raise InvalidDidError(f"{did[:80]!r}: percent-encoded dots, slashes, letters and controls are not accepted")
