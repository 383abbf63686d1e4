"""Rate limits that refuse with the issuer's own error, in memory and for each worker apart.

Who proves its identity is limited by that identity alone: an API key by its key, a node by its id (once
its record's signature has been verified, so that nobody can use up another node's budget). What is
refused is counted by the client's address, and never stops those at the same address who are in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from issuer.http.errors import RateLimitedError
from verifier import limits


class RateLimit(limits.RateLimit):
    """A rate limit that names what an identity is ("API key") where it refuses."""

    def __init__(self, per_minute: int, *, subject: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        """Take the rate, what an identity is, and a clock in seconds."""
        super().__init__(per_minute, monotonic_s=monotonic_s)
        self._subject = subject

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
