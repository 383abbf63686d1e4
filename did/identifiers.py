"""DIDs and DID URLs (DID Core §3), of the three methods that we resolve."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from did.errors import InvalidDidError, UnsupportedDidMethodError

METHODS: Final = ("web", "key", "jwk")
MAX_DID_CHARACTERS: Final = 2048
_MAX_FRAGMENT_CHARACTERS: Final = 512

# DID Core §3.1: idchar is a letter, digit, ".", "-", "_" or pct-encoded; the last segment is not empty.
_DID = re.compile(r"did:([a-z0-9]+):((?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}))", re.ASCII)
# RFC 3986 §3.5, percent-encoding left out: a fragment has one spelling.
_FRAGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?-]+", re.ASCII)


class Did(NamedTuple):
    """A DID's method and its method-specific identifier, as written."""

    method: str
    identifier: str

    def __str__(self) -> str:
        return f"did:{self.method}:{self.identifier}"


def parse_did(text: str) -> Did:
    """Return the parts of a DID of did:web, did:key or did:jwk.

    Raises InvalidDidError for anything that is no DID (a path, query or fragment included), and
    UnsupportedDidMethodError for other methods.
    """
    if len(text) > MAX_DID_CHARACTERS:
        raise InvalidDidError(f"a DID has at most {MAX_DID_CHARACTERS} characters; this one has {len(text)}")
    match = _DID.fullmatch(text)
    if match is None:
        raise InvalidDidError(f"{text[:80]!r} is not a DID such as did:web:issuer.example")
    if match[1] not in METHODS:
        raise UnsupportedDidMethodError(f"did:{match[1][:40]} is not resolved; use did:web, did:key or did:jwk")
    return Did(match[1], match[2])


def split_did_url(text: str) -> tuple[str, str]:
    """Return the DID and the fragment (without ``#``) of a DID URL that names a verification method.

    Raises InvalidDidError where there is no fragment, or a path or query; UnsupportedDidMethodError.
    """
    did, separator, fragment = text.partition("#")
    if not separator:
        raise InvalidDidError(f"{text[:80]!r} names no verification method; a DID URL with a fragment is required")
    parse_did(did)
    check_fragment(fragment)
    return did, fragment


def check_fragment(fragment: str) -> None:
    """Raise InvalidDidError unless ``fragment`` has 1 to 512 characters of RFC 3986 §3.5, none percent-encoded."""
    if len(fragment) > _MAX_FRAGMENT_CHARACTERS or not _FRAGMENT.fullmatch(fragment):
        raise InvalidDidError(f"{fragment[:80]!r} is not the fragment of a DID URL")
