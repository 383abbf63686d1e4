"""API keys: ``gck_`` and 32 random bytes in base64url. One is shown once; the store has its SHA-256 only."""

from __future__ import annotations

import hashlib
from typing import Final

from schemas import base64url

KEY_BYTES: Final = 32
PREFIX: Final = "gck_"


def render_key(secret: bytes) -> str:
    """Return the API key of 32 random bytes."""
    return PREFIX + base64url.encode(secret)


def key_hash(api_key: str) -> bytes:
    """Return the SHA-256 under which the store has an API key (32 bytes)."""
    return hashlib.sha256(api_key.encode("ascii")).digest()
