"""Rate limits, in memory and for each worker apart.

A worker counts what it sees itself: with N workers an identity may get up to N times its rate. That is
enough against a runaway client; an exact limit across workers and machines belongs to the proxy in front.

Who proves its identity is limited by that identity alone: an API key by its key, a node by its id (once
its record's signature has been verified, so that nobody can use up another node's budget). What is
refused is counted by the client's address, and never stops those at the same address who are in order.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from issuer.http.errors import RateLimitedError

_MOST_IDENTITIES: Final = 20_000
_IPV6_SITE_BITS: Final = 64


class RateLimit:
    """A limit of ``per_minute`` requests for each identity; an idle identity may use a minute's worth at once.

    Kept as one number an identity: the time at which its budget is whole again (GCRA, ITU-T I.371).
    Memory is bounded: of more than ``most_identities`` the longest unseen is forgotten.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        subject: str,
        monotonic_s: Callable[[], float] = time.monotonic,
        most_identities: int = _MOST_IDENTITIES,
    ) -> None:
        """Take the rate, what an identity is ("API key", in error texts) and a clock in seconds."""
        self._per_minute = per_minute
        self._interval_s = 60.0 / per_minute
        self._subject = subject
        self._monotonic_s = monotonic_s
        self._most_identities = most_identities
        self._whole_again_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many identities are remembered."""
        return len(self._whole_again_s)

    def has_room(self, identity: str) -> bool:
        """Count one request of ``identity`` if its budget has room for it, and return whether it had."""
        try:
            self.take(identity)
        except RateLimitedError:
            return False
        return True

    def take(self, identity: str) -> None:
        """Count one request of ``identity``. Raises RateLimitedError where its budget is used up."""
        now_s = self._monotonic_s()
        whole_again_s = max(self._whole_again_s.get(identity, now_s), now_s) + self._interval_s
        wait_s = whole_again_s - now_s - 60.0
        # The tolerance is for the rounding of sums of intervals such as 60/7.
        if wait_s > self._interval_s * 1e-6:
            raise RateLimitedError(
                f"more than {self._per_minute} requests a minute for this {self._subject}; wait, then send again",
                retry_after_s=max(1, math.ceil(wait_s)),
            )
        self._whole_again_s[identity] = whole_again_s
        self._whole_again_s.move_to_end(identity)
        if len(self._whole_again_s) > self._most_identities:
            self._whole_again_s.popitem(last=False)


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
