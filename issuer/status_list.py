"""The signed status lists (StatusList2021Credential), made from the store's bits when somebody asks.

A list is signed again when its bits or the issuer's key have changed, and at the latest after an hour. It has no
expiry, so an old copy verifies for ever, and its issuanceDate is what tells a reader how old it is. How long an
answer may be cached is the route's to say.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

import msgspec

from contexts import pinned
from issuer import sign
from issuer.addresses import Addresses
from issuer.clock import Clock
from issuer.keyring import Keyring, SigningKey
from issuer.store.errors import NotFoundError
from issuer.store.records import Purpose, StatusSnapshot
from issuer.store.store import Store
from schemas import status, times
from schemas.strict_json import JsonObject
from verifier.case import Engines

REFRESH: Final = timedelta(hours=1)
"""How long a list is served before it is signed anew: its date then shows that it is recent."""


def build(snapshot: StatusSnapshot, issuer_did: str, addresses: Addresses, now: datetime) -> JsonObject:
    """Return the unsecured credential of one purpose's bits. Status List 2021 §4.2, FORMATS.md "Securing"."""
    url = addresses.status_list(snapshot.purpose, snapshot.status_list.id)
    return {
        "@context": [pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.STATUS_LIST_2021],
        "id": url,
        "type": ["VerifiableCredential", "StatusList2021Credential"],
        "issuer": issuer_did,
        "issuanceDate": times.render_seconds(now),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "StatusList2021",
            "statusPurpose": snapshot.purpose,
            "encodedList": status.encode_bits(snapshot.bits),
        },
    }


class _Signed(msgspec.Struct, frozen=True):
    """A signed list, with what it was made from."""

    version: int
    verification_method: str
    at: datetime
    document: bytes


class StatusPublisher:
    """Answers with signed status lists; each is signed once however many ask at the same moment."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        addresses: Addresses,
        engines: Engines,
        *,
        self_verify: bool = True,
    ) -> None:
        """Sign nothing yet."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._engines = engines
        self._self_verify = self_verify
        self._signed: dict[tuple[Purpose, str], _Signed] = {}
        self._locks: defaultdict[tuple[Purpose, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def credential(self, purpose: Purpose, list_id: str) -> bytes:
        """Return the list's signed credential with every bit set that was set before the call.

        Raises NotFoundError for an unknown list, and what Keyring.active raises.
        """
        status_list = await self._store.status.get(list_id)
        if status_list is None:
            raise NotFoundError(f"there is no status list {list_id!r}")
        async with self._locks[purpose, list_id]:
            key = await self._keyring.active(status_list.issuer_slug)
            version = await self._store.status.version(list_id)
            known = self._signed.get((purpose, list_id))
            if known is None or not _current(known, version, key, self._clock.now()):
                known = await self._sign(purpose, list_id, key)
                self._signed[purpose, list_id] = known
        return known.document

    async def _sign(self, purpose: Purpose, list_id: str, key: SigningKey) -> _Signed:
        # The snapshot's version never runs ahead of its bits, so what is cached under it is never too old.
        snapshot = await self._store.status.snapshot(list_id, purpose)
        now = self._clock.now()
        unsecured = msgspec.json.encode(build(snapshot, key.issuer_did, self._addresses, now))
        document = await asyncio.to_thread(self._secure, unsecured, key, now)
        return _Signed(snapshot.status_list.version, key.verification_method, now, document)

    def _secure(self, unsecured: bytes, key: SigningKey, now: datetime) -> bytes:
        return sign.secure(unsecured, key, self._engines, now, self_verify=self._self_verify)


def _current(signed: _Signed, version: int, key: SigningKey, now: datetime) -> bool:
    # A list signed while the clock ran ahead would be refused as not yet valid once it has been set back.
    recent = signed.at <= now < signed.at + REFRESH
    return recent and signed.version == version and signed.verification_method == key.verification_method
