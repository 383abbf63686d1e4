"""From a reservation to the credential that stands: wait for its date, lint, sign, verify, store.

The reservation's bytes are frozen, so this may be done by any process, at any time, any number of times:
the first complete document is stored and is everybody's answer.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

import msgspec

from issuer import sign
from issuer.clock import Clock
from issuer.errors import LintError, MisdatedError
from issuer.intake import MAX_AHEAD
from issuer.keyring import Keyring, SigningKey
from issuer.store.errors import RevokedError, SuspendedError
from issuer.store.records import StoredCredential
from issuer.store.store import Store
from issuer.strangers import Strangers, is_strangers
from issuer.waiting import Waiting
from schemas import strict_json, times
from schemas.errors import GreenError, MalformedValueError
from schemas.strict_json import JsonObject
from verifier.case import Engines

# A record may end so far ahead, and its date is rounded up; anything later was reserved by a clock that ran ahead.
_LONGEST_WAIT: Final = MAX_AHEAD + timedelta(seconds=1)


class Resumed(msgspec.Struct, frozen=True):
    """What became of reservations that a stopped process had left: how many were issued, rejected, still fail."""

    issued: int = 0
    rejected: int = 0
    failed: int = 0


class Completion:
    """Completes reservations of every issuer in the store."""

    def __init__(self, store: Store, keyring: Keyring, clock: Clock, engines: Engines, *, self_verify: bool) -> None:
        """Hold the parts; ``self_verify`` as in issuer.sign.issue."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._engines = engines
        self._self_verify = self_verify
        self.strangers = Strangers()
        self.waiting = Waiting(clock)

    async def complete(
        self, credential_id: str, issuer_slug: str, unsecured: bytes, *, node_id: str = ""
    ) -> StoredCredential:
        """Return the credential with the document that stands. ``node_id``: who waits for it, if a node does.

        A document that fails our own check is rejected, on record, and never signed: LintError. Raises
        MisdatedError, NoSigningKeyError, KeyMismatchError, SignerError, SignatureFaultError (the reservation then
        stays, to be completed later), OverloadedError (too), ConflictError where another process has rejected it. One that
        is to supersede a credential that was revoked or suspended meanwhile is rejected: RevokedError, SuspendedError.
        """
        try:
            value = _parsed(unsecured)
            await self._wait_for_date(value, node_id)
            key = await self._keyring.active(issuer_slug)
            run = self.strangers.run if is_strangers(value) else asyncio.to_thread
            document = await run(self._secure, unsecured, key, self._clock.now())
        except (LintError, MisdatedError) as error:
            await self._store.credentials.reject(credential_id, error.detail, self._now_us())
            raise
        try:
            return await self._store.credentials.complete(credential_id, document, self._now_us())
        except (RevokedError, SuspendedError) as error:
            await self._store.credentials.reject(credential_id, error.detail, self._now_us())
            raise

    async def resume(self) -> Resumed:
        """Complete what a stopped process had reserved, oldest first. One that fails is left for the next time."""
        rows, issued, rejected = await self._store.credentials.pending(), 0, 0
        for row in rows:
            try:
                await self.complete(row.id, row.issuer_slug, row.unsecured)
                issued += 1
            except (LintError, MisdatedError, RevokedError, SuspendedError):
                rejected += 1
            except GreenError:
                continue
        return Resumed(issued, rejected, len(rows) - issued - rejected)

    async def _wait_for_date(self, value: JsonObject, node_id: str) -> None:
        date = _issuance_date(value)
        if date - self._clock.now() > _LONGEST_WAIT:
            raise MisdatedError(
                f"issuanceDate {times.render_seconds(date)} is far ahead of the clock; send the record again"
            )
        # Dates are in whole seconds and nothing is signed before its own date: no credential is from the future.
        await self.waiting.until(date, node_id)

    def _secure(self, unsecured: bytes, key: SigningKey, now: datetime) -> bytes:
        return sign.secure(unsecured, key, self._engines, now, self_verify=self._self_verify)

    def _now_us(self) -> int:
        return times.to_microseconds(self._clock.now())


def _parsed(unsecured: bytes) -> JsonObject:
    try:
        return strict_json.parse_object(unsecured)
    except GreenError as error:
        raise LintError(f"the reserved document cannot be read: {error.detail}") from error


def _issuance_date(value: JsonObject) -> datetime:
    try:
        stated = value.get("issuanceDate")
        if not isinstance(stated, str):
            raise MalformedValueError("issuanceDate is missing")
        return times.parse_seconds(stated)
    except GreenError as error:
        raise LintError(f"the reserved document has no date: {error.detail}") from error
