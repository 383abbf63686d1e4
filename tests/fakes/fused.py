"""Parts of an issuer that kill their own process at a chosen point, as a power cut would.

Points, in the order of issuing: ``reserve`` (inside the transaction), ``reserved`` (committed), ``lint``, ``sign``,
``verify`` (signed, not yet verified), ``store`` (verified, not yet stored); ``answer`` is the caller's to reach.
"""

from __future__ import annotations

import os
import random
import signal
from datetime import datetime

from did.algorithms import Algorithm
from did.signing import Signer
from schemas.strict_json import JsonObject
from tests.fakes.issuer import FixedClock
from verifier.rdf.canonicalize import InProcess


class Fuse:
    """Kills this process, as nothing can catch, when its point is reached. ``signed``: a signature was made."""

    def __init__(self, point: str | None) -> None:
        self.point = point
        self.linted = self.signed = False

    def reach(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)


class FusedRandomness(random.SystemRandom):
    """Asked for an index in the middle of the reserving transaction."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def randrange(self, stop: int) -> int:  # type: ignore[override]
        self._fuse.reach("reserve")
        return super().randrange(stop)


class FusedClock(FixedClock):
    """Asked to wait once the reservation is committed, and for the time once a signature is to be stored."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def now(self) -> datetime:
        if self._fuse.signed:
            self._fuse.reach("store")
        return super().now()

    async def sleep_until(self, moment: datetime) -> None:
        self._fuse.reach("reserved")
        await super().sleep_until(moment)


class FusedCanonicalizer(InProcess):
    """Works first for the lint, and after the signature for its verification."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse

    def canonicalize(self, document: JsonObject) -> bytes:
        self._fuse.reach("verify" if self._fuse.signed else "lint")
        self._fuse.linted = True
        return super().canonicalize(document)


class FusedSigner:
    """Signs, but for the point. The keyring's test of it comes before the lint, and passes."""

    def __init__(self, inner: Signer, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse
        self.public_key = inner.public_key

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        if self._fuse.linted:
            self._fuse.reach("sign")
            self._fuse.signed = True
        return self._inner.sign(message, algorithm)
