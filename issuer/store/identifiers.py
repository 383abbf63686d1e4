"""Ids of credentials."""

from __future__ import annotations

import uuid
from typing import Final

from issuer.store.database import Randomness

_US_PER_MS: Final = 1000


def uuid7(now_us: int, randomness: Randomness) -> str:
    """Return a UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then 74 random bits.

    Neighbours in time are neighbours in the index, so that inserts stay fast in a large table; the random bits
    keep an id from being guessed, and from coming again after an old backup was restored.
    """
    value = ((now_us // _US_PER_MS) & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | randomness.getrandbits(12) << 64
    value |= 0b10 << 62 | randomness.getrandbits(62)
    return str(uuid.UUID(int=value))
