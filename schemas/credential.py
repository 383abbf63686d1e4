"""Our credentials as typed views: VC 1.1 JSON-LD, secured or not yet (FORMATS.md "Types", "Securing").

``decode`` is the strict reading: the exact closed shape, every lexical rule, every rule of presence.
Arithmetic between claims is verifier.claims', contexts are verifier.rdf.context's. Signed JSON stays as it
was received: these Structs are only looked at.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct, field

from schemas.errors import SchemaInvalidError
from schemas.lexical import shown
from schemas.profile import (
    CREDENTIAL_TYPE,
    DOCUMENTS,
    SIMULATED_TYPE,
    SUMMARY_TYPE,
    TPM_QUOTE,
    WINDOW_TYPE,
)
from schemas.strict_json import Json, JsonObject
from schemas.subject import GreenComputeSubject, SummarySubject, WindowSubject, json_name
from schemas.terms import NAMESPACE


class _Member(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename=json_name):
    """What all Structs of the envelope share."""


class CredentialSchemaRef(_Member, frozen=True, kw_only=True):
    """Which JSON Schema the issuer held the credential to, with the digest of its bytes."""

    id: str
    type: str
    digest_multibase: str


class StatusEntry(_Member, frozen=True, kw_only=True):
    """Where the credential's revocation bit is; the same index of the other list means suspension."""

    id: str
    type: str
    status_purpose: str
    status_list_index: str
    status_list_credential: str
    suspension_list_credential: str

    @property
    def index(self) -> int:
        """The position in both lists."""
        return int(self.status_list_index)


class EvidenceEntry(_Member, frozen=True, kw_only=True):
    """One piece of evidence: a TPM's quote, or a software key's signature."""

    id: str
    type: tuple[str, ...]
    media_type: str
    digest_multibase: str
    signed_by: str
    window_digest: str | None = None
    enrolment_digest: str | None = None
    record_digest: str | None = None
    record_index: str | None = None
    inline_evidence: str | None = None

    @property
    def is_tpm_quote(self) -> bool:
        """Whether a TPM signed it; else a software key did."""
        return TPM_QUOTE in self.type


class Proof(_Member, frozen=True, kw_only=True):
    """A JsonWebSignature2020 proof."""

    type: str
    created: str
    verification_method: str
    proof_purpose: str
    jws: str


class Credential(_Member, frozen=True, kw_only=True):
    """The envelope that the three types share; ``proof`` is None in the unsecured document."""

    context: tuple[object, ...] = field(name="@context")
    id: str
    type: tuple[str, ...]
    issuer: str
    issuance_date: str
    credential_schema: CredentialSchemaRef
    credential_status: StatusEntry
    expiration_date: str | None = None
    proof: Proof | None = None

    @property
    def is_simulated(self) -> bool:
        """Whether it says of itself that every figure is simulated."""
        return SIMULATED_TYPE in self.type


class GreenComputeCredential(Credential, frozen=True, kw_only=True):
    """One inference or one job."""

    credential_subject: GreenComputeSubject
    evidence: tuple[EvidenceEntry, ...]


class GreenComputeWindowCredential(Credential, frozen=True, kw_only=True):
    """One signed telemetry window of one node."""

    credential_subject: WindowSubject
    evidence: tuple[EvidenceEntry, ...]


class GreenComputeSummaryCredential(Credential, frozen=True, kw_only=True):
    """A period of a tenant or model."""

    credential_subject: SummarySubject


AnyCredential: TypeAlias = GreenComputeCredential | GreenComputeWindowCredential | GreenComputeSummaryCredential
Kind: TypeAlias = (
    type[GreenComputeCredential] | type[GreenComputeWindowCredential] | type[GreenComputeSummaryCredential]
)

KINDS: Final[dict[str, Kind]] = {
    CREDENTIAL_TYPE: GreenComputeCredential,
    WINDOW_TYPE: GreenComputeWindowCredential,
    SUMMARY_TYPE: GreenComputeSummaryCredential,
}
"""The Struct of each of our types."""

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
for _kind in KINDS.values():
    msgspec.json.Decoder(_kind)


def kind_of(document: JsonObject) -> Kind | None:
    """Return the Struct that ``document`` claims to be by its type; None for a foreign credential.

    Other spellings of our types (a full IRI, ``gc:``, a bare string, ``@type``) count too: decode then
    refuses them, so that nobody leaves the closed shape by spelling its name differently.
    """
    named: list[Json] = []
    for member in ("type", "@type"):
        value = document.get(member)
        named.extend(value if isinstance(value, list) else [value])
    for name in named:
        kind = KINDS.get(name.removeprefix(NAMESPACE).removeprefix("gc:")) if isinstance(name, str) else None
        if kind is not None:
            return kind
    return None


def decode(document: JsonObject) -> AnyCredential:
    """Return the typed view of one of our credentials, secured or unsecured.

    Raises SchemaInvalidError (another shape) or MalformedValueError (a forbidden character); the text
    begins with the path of the member. ``@context`` only has to be an array: verifier.rdf.context judges it.
    """
    kind = kind_of(document)
    if kind is None:
        raise SchemaInvalidError(f"type: {shown(document.get('type'))} names none of {', '.join(KINDS)}")
    DOCUMENTS[kind.__name__].check(document, "")
    credential = msgspec.convert(document, kind)
    _check_status_entry(credential.credential_status)
    _check_nodes_are_distinct(credential)
    return credential


def _check_status_entry(entry: StatusEntry) -> None:
    if entry.id != f"{entry.status_list_credential}#{entry.status_list_index}":
        raise SchemaInvalidError('credentialStatus.id: it must be statusListCredential + "#" + statusListIndex')
    if entry.suspension_list_credential == entry.status_list_credential:
        raise SchemaInvalidError("credentialStatus.suspensionListCredential: it must be another list")


def _check_nodes_are_distinct(credential: AnyCredential) -> None:
    """Two objects with one ``id`` are one node to the signature, and members could move between them."""
    ids = [
        credential.id,
        credential.credential_subject.id,
        credential.credential_schema.id,
        credential.credential_status.id,
        *(entry.id for entry in _evidence(credential)),
    ]
    if len(set(ids)) != len(ids):
        raise SchemaInvalidError("id: two objects of the document have the same id")


def _evidence(credential: AnyCredential) -> tuple[EvidenceEntry, ...]:
    return () if isinstance(credential, GreenComputeSummaryCredential) else credential.evidence
