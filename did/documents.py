"""DID documents (DID Core §5, W3C Controlled Identifiers 1.0 §2): read strictly, and asked for one key.

Only the document itself counts: ``controller``, ``alsoKnownAs``, ``service`` and methods of other
documents are ignored, never followed (attack VI019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from did import key_material
from did.errors import (
    DeactivatedError,
    DidDocumentError,
    DocumentIdError,
    DocumentLimitError,
    InvalidDidError,
    KeyExpiredError,
    KeyRevokedError,
    RelationshipError,
    UnsupportedKeyError,
    VerificationMethodError,
)
from did.identifiers import check_fragment, parse_did
from did.keys import PublicKey
from did.publishing import MAX_BYTES, MAX_METHODS, PublishedKey, build_document
from schemas import strict_json
from schemas.errors import ResourceLimitError
from schemas.strict_json import Json, JsonObject

__all__ = [
    "DidDocument",
    "PublishedKey",
    "VerificationMethod",
    "build_document",
    "parse_document",
    "read_document",
]

RELATIONSHIPS: Final[tuple[str, ...]] = (
    "assertionMethod",
    "authentication",
    "capabilityInvocation",
    "capabilityDelegation",
    "keyAgreement",
)
MAX_DEPTH: Final = 8
_MAX_REFERENCES: Final = 4 * MAX_METHODS


@dataclass(frozen=True, slots=True)
class VerificationMethod:
    """A verification method with its key. ``id`` is absolute; ``expires`` and ``revoked`` are None if not stated."""

    id: str
    type: str
    controller: str
    key: PublicKey
    expires: datetime | None = None
    revoked: datetime | None = None

    def check_revoked(self) -> None:
        """Raise KeyRevokedError for a revoked key, whatever the time: its thief chooses ``created`` too (VI012)."""
        if self.revoked is not None:
            raise KeyRevokedError(f"{self.id} was revoked at {self.revoked.isoformat()}; its signatures prove nothing")

    def check_current(self, signed_at: datetime) -> None:
        """Return if a signature made at ``signed_at`` counts.

        Raises KeyRevokedError as check_revoked, and KeyExpiredError where it had expired (attack VI010).
        """
        self.check_revoked()
        if self.expires is not None and signed_at >= self.expires:
            raise KeyExpiredError(f"{self.id} expired at {self.expires.isoformat()}, before the signature was made")


@dataclass(frozen=True, slots=True)
class DidDocument:
    """A DID document that was read and checked, or built from did:key and did:jwk.

    ``relationships`` maps a relationship's name to the absolute ids listed there. ``unusable`` holds
    the methods of kinds that we do not use, each with what is wrong with it.
    """

    id: str
    verification_methods: Mapping[str, VerificationMethod]
    relationships: Mapping[str, frozenset[str]]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def key_for(self, method_id: str, relationship: str) -> VerificationMethod:
        """Return the method with exactly this absolute id, if it stands in ``relationship``.

        Raises VerificationMethodError where the document has no such method, KeyRevokedError where its
        key is revoked (under whichever id), RelationshipError where it is not listed for this use, UnsupportedKeyError where its
        key is of a kind we do not use. Whether it had expired is asked by ``check_current``.
        """
        if method_id in self.unusable:
            raise UnsupportedKeyError(f"{method_id}: {self.unusable[method_id]}")
        method = self.verification_methods.get(method_id)
        if method is None:
            raise VerificationMethodError(f"{self.id} has no verification method {method_id[:200]!r}")
        # Before the relationship: a revoked key leaves it, and the reader should learn why.
        for known in self.verification_methods.values():
            # One key may stand under two ids (JWK and Multikey); its thief would name the one that was forgotten.
            if known.key.members == method.key.members:
                known.check_revoked()
        if method_id not in self.relationships.get(relationship, frozenset()):
            raise RelationshipError(f"{method_id} does not stand in {relationship} of {self.id}")
        return method


def read_document(raw: bytes, did: str) -> DidDocument:
    """Return the document in bytes from a stranger, at most 64 KB and 8 levels deep; as parse_document.

    Raises schemas.errors.ParsingError and MalformedValueError where the bytes are not strict JSON.
    """
    try:
        document = strict_json.parse_object(raw, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except ResourceLimitError as error:
        raise DocumentLimitError(f"DID document of {did[:80]}: {error.detail}") from error
    return parse_document(document, did)


def parse_document(raw: JsonObject, did: str) -> DidDocument:
    """Return the document of ``did``, its ids made absolute and every key checked.

    Raises DocumentIdError where ``id`` is another, DeactivatedError, DocumentLimitError above 128
    methods, VerificationMethodError for duplicate ids, foreign controllers and ambiguous key
    material, PrivateKeyPublishedError wherever a private key stands, InvalidKeyError for a weak key.
    """
    parse_did(did)
    if raw.get("id") != did:
        raise DocumentIdError(f"the document's id {str(raw.get('id'))[:80]!r} is not {did[:80]!r}")
    if raw.get("deactivated", False) is not False:
        raise DeactivatedError(f"{did} is deactivated")
    key_material.refuse_private_members(raw)
    reader = _Reader(did)
    for method in _list(raw, "verificationMethod"):
        reader.add(method)
    relationships = {name: reader.references(_list(raw, name)) for name in RELATIONSHIPS if name in raw}
    return DidDocument(did, reader.methods, relationships, reader.unusable)


class _Reader:
    """Collects the methods of one document, those embedded in relationships too."""

    def __init__(self, did: str) -> None:
        self.did = did
        self.methods: dict[str, VerificationMethod] = {}
        self.unusable: dict[str, str] = {}

    def add(self, method: Json) -> str:
        if not isinstance(method, dict):
            raise VerificationMethodError(f"a verification method of {self.did} is not an object")
        if len(self.methods) + len(self.unusable) >= MAX_METHODS:
            raise DocumentLimitError(f"{self.did} has more than {MAX_METHODS} verification methods")
        method_id = self.absolute(method.get("id"))
        if method_id in self.methods or method_id in self.unusable:
            raise VerificationMethodError(f"{method_id} stands twice in the document")
        if method.get("controller") != self.did:
            raise VerificationMethodError(f"the controller of {method_id} is not {self.did}")
        try:
            self.methods[method_id] = VerificationMethod(
                id=method_id,
                type=key_material.method_type(method),
                controller=self.did,
                key=key_material.key_of(method),
                expires=key_material.moment(method, "expires"),
                revoked=key_material.moment(method, "revoked"),
            )
        except UnsupportedKeyError as error:
            # Other people's documents carry X25519 or secp256k1 beside the key that we need.
            self.unusable[method_id] = error.detail
        return method_id

    def references(self, entries: list[Json]) -> frozenset[str]:
        if len(entries) > _MAX_REFERENCES:
            raise DocumentLimitError(f"a relationship of {self.did} has more than {_MAX_REFERENCES} entries")
        found = set()
        for entry in entries:
            if isinstance(entry, dict):
                found.add(self.add(entry))
            elif isinstance(entry, str) and entry.startswith(("#", f"{self.did}#")):
                found.add(self.absolute(entry))
            elif not isinstance(entry, str):
                raise DidDocumentError(f"a relationship of {self.did} holds neither an id nor a method")
        return frozenset(found)

    def absolute(self, method_id: Json) -> str:
        if not isinstance(method_id, str):
            raise VerificationMethodError(f"a verification method of {self.did} has no id")
        did, separator, fragment = method_id.partition("#")
        if not separator or did not in {"", self.did}:
            raise VerificationMethodError(f"{method_id[:80]!r} is not an id of {self.did}")
        try:
            check_fragment(fragment)
        except InvalidDidError as error:
            raise VerificationMethodError(error.detail) from error
        return f"{self.did}#{fragment}"


def _list(raw: JsonObject, name: str) -> list[Json]:
    value = raw.get(name, [])
    # JSON-LD writes a set of one as its member.
    return value if isinstance(value, list) else [value]
