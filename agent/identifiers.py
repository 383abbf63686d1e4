"""Identifiers that the agent makes: UUID version 7, so that inference ids sort by time."""

from __future__ import annotations

import uuid


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """Return a UUID version 7 of a time in milliseconds and 10 random bytes (RFC 9562 §5.7)."""
    value = (unix_ms & (1 << 48) - 1) << 80 | int.from_bytes(randomness[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
