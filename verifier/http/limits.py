"""What one process gives at most: requests a minute to an identity, memory to the requests in work.

Rates are kept in memory and for each process apart: with N processes an identity may get up to N times its rate.
That is enough against a runaway client; an exact limit across processes and machines belongs to the proxy in front.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from schemas import strict_json
from verifier.errors import OverloadedError, ResourceLimitError
from verifier.http.errors import RateLimitedError

_MOST_IDENTITIES: Final = 20_000
_IPV6_SITE_BITS: Final = 64

_SMALL_BYTES: Final = 4 * 1024 * 1024
# Measured: a member of an object with a name of its own is the most that one value takes.
_BYTES_OF_A_VALUE: Final = 160
# The first byte of a character beyond U+FFFF, in UTF-8.
_ASTRAL: Final = re.compile(rb"[\xf0-\xf4]")


class RateLimit:
    """A limit of ``per_minute`` requests for each identity; an idle identity may use a minute's worth at once.

    Kept as one number an identity: the time at which its budget is whole again (GCRA, ITU-T I.371).
    Memory is bounded: of more than ``most_identities`` the longest unseen is forgotten.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        subject: str = "address",
        monotonic_s: Callable[[], float] = time.monotonic,
        most_identities: int = _MOST_IDENTITIES,
    ) -> None:
        """Take the rate, what an identity is ("API key"), and a clock in seconds."""
        self.per_minute: Final = per_minute
        self._subject = subject
        self._interval_s = 60.0 / per_minute
        self._monotonic_s = monotonic_s
        self._most_identities = most_identities
        self._whole_again_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many identities are remembered."""
        return len(self._whole_again_s)

    def wait_s(self, identity: str) -> int:
        """Return 0, having counted one request of ``identity``, or how many seconds it has to wait: then none counts."""
        now_s = self._monotonic_s()
        whole_again_s = max(self._whole_again_s.get(identity, now_s), now_s) + self._interval_s
        wait_s = whole_again_s - now_s - 60.0
        # The tolerance is for the rounding of sums of intervals such as 60/7.
        if wait_s > self._interval_s * 1e-6:
            return max(1, math.ceil(wait_s))
        self._whole_again_s[identity] = whole_again_s
        self._whole_again_s.move_to_end(identity)
        if len(self._whole_again_s) > self._most_identities:
            self._whole_again_s.popitem(last=False)
        return 0

    def has_room(self, identity: str) -> bool:
        """Count one request of ``identity`` if its budget has room for it, and return whether it had."""
        return self.wait_s(identity) == 0

    def take(self, identity: str) -> None:
        """Count one request of ``identity``. Raises RateLimitedError where its budget is used up."""
        wait_s = self.wait_s(identity)
        if wait_s:
            raise RateLimitedError(
                f"more than {self.per_minute} requests a minute for this {self._subject}; wait, then send again",
                retry_after_s=wait_s,
            )


def address_identity(address: str) -> str:
    """Return the identity of a client address: itself, or an IPv6 address' /64, which one host may use whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), _IPV6_SITE_BITS), strict=False).network_address)
    return str(parsed)


class Room:
    """Memory that the requests in work may take together, in bytes.

    What takes more than ``small_bytes`` gets at most three quarters of it, so that large documents never keep out
    the small ones, which are nearly all that is asked for.
    """

    def __init__(self, capacity_bytes: int, *, small_bytes: int = _SMALL_BYTES) -> None:
        """Take the size of the room."""
        self._capacity_bytes = capacity_bytes
        self._small_bytes = small_bytes
        self._freed = asyncio.Event()
        self.taken_bytes = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Give a share of the room, empty at first; at the end of the block all that it took is free again."""
        share = Share(self)
        try:
            yield share
        finally:
            self.taken_bytes -= share.taken_bytes
            self._freed.set()

    def fits(self, share: Share, more_bytes: int) -> bool:
        """Return whether a share may grow now. Raises ResourceLimitError where it never may."""
        wanted_bytes = share.taken_bytes + more_bytes
        limit_bytes = self._capacity_bytes if wanted_bytes <= self._small_bytes else self._capacity_bytes // 4 * 3
        if wanted_bytes > limit_bytes:
            raise ResourceLimitError("the document takes more memory than this service gives to one")
        return self.taken_bytes + more_bytes <= limit_bytes

    async def freed(self) -> None:
        """Return when somebody has left."""
        self._freed.clear()
        await self._freed.wait()


class Share:
    """What one request has taken of a room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.taken_bytes = 0

    def take(self, more_bytes: int) -> None:
        """Take more. Raises OverloadedError where there is no room now, ResourceLimitError where there never is."""
        if not self._room.fits(self, more_bytes):
            raise OverloadedError("too many documents are being received; come back later")
        self._room.taken_bytes += more_bytes
        self.taken_bytes += more_bytes

    async def wait_for(self, more_bytes: int, *, timeout_s: float) -> None:
        """Take more as soon as there is room. Raises OverloadedError where there is none in time; as take."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._room.fits(self, more_bytes):
                    await self._room.freed()
        except TimeoutError as error:
            raise OverloadedError("the service is busy with other documents; come back later") from error
        self.take(more_bytes)


def parsed_bytes(raw: bytes) -> int:
    """Return about how much memory the JSON in ``raw`` takes at most: while it is parsed, and then as values."""
    # One character beyond ASCII makes all of its text wider, and the text is there twice for a time.
    width = 1 if raw.isascii() else 4 if _ASTRAL.search(raw) else 2
    return 2 * width * len(raw) + strict_json.values_at_most(raw) * _BYTES_OF_A_VALUE
