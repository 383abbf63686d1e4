"""The signing keys of the issuers, opened by their URI and proven to be the published ones.

What is published and what signs is read from the store each time, so that a rotation by another process
counts from the moment of its commit: the transaction that makes a key active also puts it into the DID
document, and nobody can pick a key that is not published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from did.algorithms import Algorithm, accept
from did.errors import DocumentLimitError, InvalidKeyError, JwsError
from did.identifiers import parse_did
from did.jwk import parse_jwk
from did.local import method_id
from did.publishing import PublishedKey, build_document
from did.signers import Signer, open_signer
from issuer.clock import Clock
from issuer.errors import KeyLimitError, KeyMismatchError, NoSigningKeyError
from issuer.store.errors import NotFoundError
from issuer.store.records import IssuerRecord, KeyRecord
from issuer.store.store import Store
from schemas import times
from schemas.strict_json import JsonObject

# Domain separation: a signature made for the self-test can be taken for nothing else.
_SELF_TEST: Final = b"gc/1 self-test\0"

OpenSigner = Callable[[str], Signer]
"""Opens the signer that a URI names; raises SignerError."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that was seen to make signatures which its published JWK verifies."""

    issuer_did: str
    verification_method: str
    algorithm: Algorithm
    signer: Signer


class Keyring:
    """Opened signers, by issuer and key id. Safe for many requests at once."""

    def __init__(self, store: Store, clock: Clock, opener: OpenSigner = open_signer) -> None:
        """Open nothing yet: each key is opened when it is first needed."""
        self._store = store
        self._clock = clock
        self._opener = opener
        self._opened: dict[tuple[str, str], Signer] = {}
        self._opening = asyncio.Lock()

    async def active(self, issuer_slug: str) -> SigningKey:
        """Return the key that signs now.

        Raises NoSigningKeyError, SignerError where the key cannot be opened, and KeyMismatchError where
        what stands behind the URI is not the published key.
        """
        issuer = await self._issuer(issuer_slug)
        record = await self._store.keys.active(issuer_slug)
        if record is None:
            raise NoSigningKeyError(f"the issuer {issuer_slug!r} has no active key; run: green-issuer keys rotate")
        signer = await self._open(record)
        return SigningKey(issuer.did, _verification_method(issuer.did, record.key_id), accept(record.algorithm), signer)

    async def check_all(self) -> None:
        """Open and test the active key of every issuer: for the start of a service. Raises as ``active``."""
        for issuer in await self._store.issuers.all():
            await self.active(issuer.slug)

    async def document(self, issuer_slug: str) -> JsonObject:
        """Return the issuer's DID document from all of its keys; retired ones stay and verify what they signed.

        Raises KeyLimitError where they are more than verifiers read; ``rotate`` lets it not come to that.
        """
        issuer = await self._issuer(issuer_slug)
        return _document(issuer.did, published(await self._store.keys.all(issuer_slug)))

    async def rotate(self, issuer_slug: str, key_id: str, uri: str) -> SigningKey:
        """Make the key behind ``uri`` the active one, after it was opened and tested; the old one is retired.

        The key is published by the same transaction that lets it sign. Raises SignerError, KeyMismatchError,
        KeyLimitError where the DID document has no room for it, and ConflictError where the key id is taken or
        another rotation was faster.
        """
        issuer = await self._issuer(issuer_slug)
        signer = await asyncio.to_thread(self._opener, uri)
        algorithm = signer.public_key.algorithms[0]
        jwk: JsonObject = {**signer.public_key.jwk}
        await asyncio.to_thread(self_test, signer, jwk, algorithm)
        now = self._clock.now()
        others = [key for key in published(await self._store.keys.all(issuer_slug)) if key.key_id != key_id]
        # Dated, since the first revocation brings a context for dates: it must find room too.
        new = PublishedKey(key_id, signer.public_key, expires=now)
        _document(issuer.did, [*(_retired(key) for key in others), new])
        now_us = times.to_microseconds(now)
        await self._store.keys.rotate(issuer_slug, key_id, uri, jwk, algorithm, now_us=now_us)
        return await self.active(issuer_slug)

    async def _issuer(self, issuer_slug: str) -> IssuerRecord:
        issuer = await self._store.issuers.get(issuer_slug)
        if issuer is None:
            raise NotFoundError(f"there is no issuer {issuer_slug!r}")
        return issuer

    async def _open(self, record: KeyRecord) -> Signer:
        name = (record.issuer_slug, record.key_id)
        if name not in self._opened:
            async with self._opening:
                if name not in self._opened:
                    self._opened[name] = await asyncio.to_thread(self._open_and_test, record)
        return self._opened[name]

    def _open_and_test(self, record: KeyRecord) -> Signer:
        signer = self._opener(record.uri)
        self_test(signer, record.jwk, accept(record.algorithm))
        return signer


def self_test(signer: Signer, published_jwk: JsonObject, algorithm: Algorithm) -> None:
    """Raise KeyMismatchError unless ``signer`` makes signatures that the published JWK verifies.

    A key that was swapped on disk would sign credentials that nobody can verify. Raises SignerError where
    the key does not sign at all.
    """
    message = _SELF_TEST + algorithm.encode("ascii")
    try:
        signature = signer.sign(message, algorithm)
        parse_jwk(published_jwk).verify(message, signature, algorithm)
    except (JwsError, InvalidKeyError) as error:
        raise KeyMismatchError(
            "the key behind the signing key's URI is not the one that the DID document publishes; "
            "restore it, or rotate to a new key"
        ) from error


def published(records: Sequence[KeyRecord]) -> list[PublishedKey]:
    """Return the keys as the DID document lists them, oldest first."""
    return [
        PublishedKey(record.key_id, parse_jwk(record.jwk), record.state, revoked=_moment(record.revoked_us))
        for record in records
    ]


def _document(issuer_did: str, keys: Sequence[PublishedKey]) -> JsonObject:
    try:
        return build_document(issuer_did, keys)
    except DocumentLimitError as error:
        raise KeyLimitError(
            f"{len(keys)} keys do not fit into the DID document ({error.detail}), and none may leave it: what it "
            "signed would no longer verify. Keep the active key, or go on under a new name: green-issuer issuers "
            "add SLUG, then tenants add TENANT --issuer SLUG"
        ) from error


def _retired(key: PublishedKey) -> PublishedKey:
    return replace(key, state="retired") if key.state == "active" else key


def _verification_method(issuer_did: str, key_id: str) -> str:
    # did:key and did:jwk name their one method themselves.
    return f"{issuer_did}#{key_id}" if parse_did(issuer_did).method == "web" else method_id(issuer_did)


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else times.from_microseconds(microseconds)
