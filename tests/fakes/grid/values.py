"""Times and made-up figures of the fakes: the same for the same zone and time, unlike for others."""

import hashlib
from datetime import UTC, datetime

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


def us(text: str) -> int:
    """µs since 1970 of "2026-10-01T10:00"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def of_text(text: str) -> int:
    """µs since 1970 of a time as clients send it."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)


def made_up(zone: str, start_us: int) -> int:
    """A figure from 20 to 819."""
    return 20 + int.from_bytes(hashlib.sha256(f"{zone} {start_us}".encode()).digest()[:4]) % 800
