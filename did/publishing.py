"""The DID document that an issuer publishes, built from its keys (DID Core §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from did import multikey
from did.errors import DidDocumentError, DocumentLimitError, InvalidDidError
from did.identifiers import check_fragment, parse_did
from did.keys import PublicKey
from schemas import times
from schemas.strict_json import Json, JsonObject

KeyState = Literal["active", "retired", "revoked"]

CONTEXTS: Final = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/security/multikey/v1",
)
# JsonWebKey2020 of jws-2020/v1 does not know these two terms; Multikey defines them with the same IRIs.
_TIMES_CONTEXT: Final[JsonObject] = {
    name: {"@id": f"https://w3id.org/security#{term}", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"}
    for name, term in (("expires", "expiration"), ("revoked", "revoked"))
}
MULTIKEY_SUFFIX: Final = "-multikey"
MAX_METHODS: Final = 128
"""Methods that a document may have; ours hold two for the active key and one for each other."""

MAX_BYTES: Final = 64 * 1024
"""Bytes that a document may have. Of RSA keys fewer than 128 fit."""


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key to publish. ``key_id`` becomes the fragment.

    ``active`` signs now. ``retired`` signs no more and still verifies what it signed (it stays in
    assertionMethod, and leaves authentication). ``revoked`` verifies nothing any more: it stays
    listed with the time of its revocation, so that a verifier can say why.
    """

    key_id: str
    key: PublicKey
    state: KeyState = "active"
    revoked: datetime | None = None
    expires: datetime | None = None


def build_document(did: str, methods: Sequence[PublishedKey], *, services: Sequence[JsonObject] = ()) -> JsonObject:
    """Return the DID document of ``did``: for each key a JsonWebKey2020, for an active one also a Multikey (not RSA).

    The ids are ``did#key_id`` and ``did#key_id-multikey``. What was signed names the former, so a key that signs
    no more needs no second form, and twice as many keys find room. Raises DidDocumentError for repeated or
    malformed key ids and a revoked key without a time, DocumentLimitError for a document that is longer than
    verifiers read, InvalidDidError.
    """
    parse_did(did)
    for published in methods:
        _check(published)
    by_key = [(published.state, _methods_of(did, published)) for published in methods]
    entries = [entry for _, of_key in by_key for entry in of_key]
    if len({str(entry["id"]) for entry in entries}) != len(entries):
        raise DidDocumentError("two keys have the same key id")
    if len(entries) > MAX_METHODS:
        raise DocumentLimitError(f"a DID document has at most {MAX_METHODS} verification methods, not {len(entries)}")
    dated = any("revoked" in entry or "expires" in entry for entry in entries)
    contexts: list[Json] = [*CONTEXTS, *([_TIMES_CONTEXT] if dated else [])]
    document: JsonObject = {
        "@context": contexts,
        "id": did,
        "verificationMethod": [*entries],
        "assertionMethod": [entry["id"] for state, of_key in by_key if state != "revoked" for entry in of_key],
        "authentication": [entry["id"] for state, of_key in by_key if state == "active" for entry in of_key],
    }
    if services:
        document["service"] = [*services]
    size = len(msgspec.json.encode(document))
    if size > MAX_BYTES:
        raise DocumentLimitError(f"a DID document has at most {MAX_BYTES} bytes, not {size}")
    return document


def _check(published: PublishedKey) -> None:
    try:
        check_fragment(published.key_id)
    except InvalidDidError as error:
        raise DidDocumentError(f"key id {published.key_id[:80]!r} cannot stand in a URL's fragment") from error
    if (published.state == "revoked") != (published.revoked is not None):
        raise DidDocumentError(f"key {published.key_id}: a time of revocation belongs to a revoked key, and only there")


def _methods_of(did: str, published: PublishedKey) -> list[JsonObject]:
    jwk: JsonObject = {**published.key.jwk}
    entries: list[JsonObject] = [
        {"id": f"{did}#{published.key_id}", "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk}
    ]
    if published.state == "active" and published.key.kty != "RSA":
        entries.append(
            {
                "id": f"{did}#{published.key_id}{MULTIKEY_SUFFIX}",
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": multikey.encode(published.key),
            }
        )
    for entry in entries:
        if published.expires is not None:
            entry["expires"] = times.render_seconds(published.expires)
        if published.revoked is not None:
            entry["revoked"] = times.render_seconds(published.revoked)
    return entries
