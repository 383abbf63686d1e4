"""What the store takes and gives back: frozen values, never rows of an ORM.

Times are integer microseconds since 1970 (``…_us``), energies and emissions canonical decimal strings,
SHA-256 values 32 raw bytes, digests the multibase text of schemas.digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct, field

from issuer.store.amounts import Line
from issuer.store.grid_records import ProvisionalClaim
from schemas.strict_json import JsonObject

KeyState: TypeAlias = Literal["active", "retired", "revoked"]
NodeState: TypeAlias = Literal["active", "revoked"]
CredentialState: TypeAlias = Literal["reserved", "issued", "rejected"]
Scope: TypeAlias = Literal["read", "status", "issue", "admin"]
Purpose: TypeAlias = Literal["revocation", "suspension"]
EmissionFactorType: TypeAlias = Literal["direct", "lifecycle"]
Attestation: TypeAlias = Literal["tpm-emulated", "tpm-virtual", "tpm-hardware"]

ROOT_SLUG = "root"
"""Slug of the issuer whose DID document stands at /.well-known/did.json."""


class IssuerRecord(Struct, frozen=True, kw_only=True):
    """An issuer: one DID, one signing key at a time, status lists of its own."""

    slug: str
    did: str
    name: str
    created_us: int


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A signing key of an issuer. The private half stays behind ``uri`` (``file:…``, ``pkcs11:…``)."""

    issuer_slug: str
    key_id: str
    uri: str
    jwk: JsonObject
    algorithm: str
    state: KeyState
    created_us: int
    retired_us: int | None = None
    revoked_us: int | None = None


class TenantRecord(Struct, frozen=True, kw_only=True):
    """A customer whose inferences are certified. ``subject`` is its DID or URL, where it wants to be named."""

    id: str
    issuer_slug: str
    name: str
    subject: str | None
    created_us: int


class NodeRecord(Struct, frozen=True, kw_only=True):
    """A GPU node as registered. ``simulated``: a simulator, which may send simulated telemetry only.

    Of a node whose key lives in a TPM besides: ``attestation`` (what its TPM is), ``ek_digest``, ``ak`` (TPMT_PUBLIC),
    ``ak_digest``, the digest of its enrolment record, and the register that chains its windows. ``chain_state`` is
    verifier.attestation.chain_state.ChainState as JSON, None before the first window; ``refusal`` the newest window
    that did not follow (JSON). ``claims_profile`` is issuer.claims.profile.ClaimsProfile (JSON).
    """

    id: str
    tenant_id: str
    jwk: JsonObject
    key_uri: str
    grid_region: str
    tdp_w: int
    accelerator_model: str | None = None
    pue: str | None = None
    pue_kind: str | None = None
    pue_source: str | None = None
    claims_profile: str | None = None
    simulated: bool = False
    state: NodeState = "active"
    created_us: int = 0
    attestation: Attestation | None = None
    ek_digest: str | None = None
    ak: bytes | None = None
    ak_digest: str | None = None
    enrolment_digest: str | None = None
    chain_pcr: int | None = None
    chain_state: str | None = None
    refusal: str | None = None


class Invitation(Struct, frozen=True, kw_only=True):
    """What an administrator settled about a node before it enrols; only the token's SHA-256 is kept (32 bytes)."""

    token_sha256: bytes
    node_id: str
    tenant_id: str
    grid_region: str
    tdp_w: int
    accelerator_model: str | None = None
    pue: str | None = None
    pue_kind: str | None = None
    pue_source: str | None = None
    claims_profile: str | None = None
    simulated: bool = False
    created_us: int = 0
    expires_us: int


class ApiKeyRecord(Struct, frozen=True, kw_only=True):
    """An API key as it may be shown: never the key, never its hash. ``tenant_id`` None means every tenant."""

    id: str
    tenant_id: str | None
    scopes: tuple[Scope, ...]
    name: str
    created_us: int
    revoked_us: int | None = None


class Reservation(Struct, frozen=True, kw_only=True):
    """What is asked of ``credentials.reserve``.

    ``inference_id`` is the idempotency key within the tenant (None: no idempotency, as for credentials of
    foreign types), ``body_digest`` what must be equal the second time. ``record`` are the bytes of the
    telemetry record as the credential's evidence names them, ``record_digest`` their digest.
    ``emission_factor_type`` may be absent only where there are no emissions: in other credential types.
    ``window_id`` is the window of a window's credential, or the one that has the inference, with its ``record_index`` and
    the record's ``receipt`` and, where it has to be the one that counts, the id of the window's credential. ``supersedes``
    is the id of the credential in whose place it comes, empty for none. ``attachments`` is further evidence that the document names, each by its digest;
    ``provisional`` what it takes to choose its carbon intensity again.
    """

    issuer_slug: str
    tenant_id: str
    inference_id: str | None
    body_digest: str
    now_us: int
    period_end_us: int
    period_start_us: int | None = None
    credential_type: str = "GreenComputeCredential"
    node_id: str | None = None
    model_id: str | None = None
    energy_kwh: str = "0"
    operational_emissions_gco2e: str = "0"
    emission_factor_type: EmissionFactorType | None = None
    assurance: str | None = None
    simulated: bool = False
    record_digest: str | None = None
    record: bytes | None = None
    window_id: int | None = None
    record_index: int | None = None
    receipt: bytes | None = None
    supersedes: str = ""
    window_credential: str | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    provisional: ProvisionalClaim | None = None


class Reserved(Struct, frozen=True, kw_only=True):
    """A reserved credential id and status index.

    While ``build`` runs ``unsecured`` is still empty. Afterwards ``unsecured`` holds the frozen bytes that
    have to be signed, unless ``document`` (the issued bytes) is there already. ``fresh``: this very call
    made the reservation; otherwise it was found.
    """

    id: str
    list_id: str
    index: int
    reserved_us: int
    unsecured: bytes = b""
    document: bytes | None = None
    issued_us: int | None = None
    fresh: bool = True


class StoredCredential(Struct, frozen=True, kw_only=True):
    """A credential row with its bytes and its status. ``unsecured`` is emptied once ``document`` is there.

    ``supersedes`` is the id of the one before it, if any; ``superseded_us``: it is revoked since, as another stands or
    will stand in its place; ``outdated_us``: its window's was superseded while it was suspended or revoked itself.
    """

    id: str
    issuer_slug: str
    tenant_id: str
    inference_id: str | None
    credential_type: str
    node_id: str | None
    model_id: str | None
    period_start_us: int | None
    period_end_us: int
    energy_kwh: str
    operational_emissions_gco2e: str
    emission_factor_type: EmissionFactorType | None
    assurance: str | None
    simulated: bool
    body_digest: str
    record_digest: str | None
    list_id: str
    index: int
    state: CredentialState
    reserved_us: int
    issued_us: int | None
    rejection: str | None
    revoked_us: int | None
    suspended_us: int | None
    unsecured: bytes
    document: bytes | None
    window_id: int | None = None
    supersedes: str = ""
    superseded_us: int | None = None
    outdated_us: int | None = None

    @property
    def is_outdated(self) -> bool:
        """Whether another one is to be made in its place when it is asked for: its window has another credential by now.

        What was revoked or suspended by itself stays so.
        """
        withdrawn = self.revoked_us is not None or self.suspended_us is not None
        return self.superseded_us is not None or (self.outdated_us is not None and not withdrawn)


class Page(NamedTuple):
    """One page of credentials, newest period first; ``next_cursor`` None means there is no more."""

    rows: tuple[StoredCredential, ...]
    next_cursor: str | None


class Sum(Struct, frozen=True, kw_only=True):
    """Exact sums over issued credentials.

    Emissions by direct and by lifecycle factors do not compare, so each kind has a sum of its own; a kind that
    no credential has is absent. ``lines`` are what it was summed from, by all that does not compare.
    """

    count: int = 0
    energy_kwh: Decimal = Decimal(0)
    emissions_gco2e: Mapping[EmissionFactorType, Decimal] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()


class Totals(Struct, frozen=True, kw_only=True):
    """Sums kept apart, so that no simulated, suspended or revoked figure passes as a measured one.

    Each credential counts once: revoked before suspended before simulated before measured.
    """

    measured: Sum
    simulated: Sum
    suspended: Sum
    revoked: Sum


class StatusListRecord(Struct, frozen=True, kw_only=True):
    """A status list: ``size`` bits, of which at most ``capacity`` are ever given out.

    ``version`` grows with every change of a bit (of either purpose), ``changed_us`` says when. A list with
    ``closed_us`` gives out no more indexes, and stays published.
    """

    id: str
    issuer_slug: str
    size: int
    capacity: int
    allocated: int
    version: int
    created_us: int
    changed_us: int
    closed_us: int | None = None


class StatusSnapshot(Struct, frozen=True, kw_only=True):
    """The bits of one purpose (MSB-first, ``size`` / 8 bytes) at one version, read in one transaction."""

    status_list: StatusListRecord
    purpose: Purpose
    bits: bytes


class StatusEntryRecord(Struct, frozen=True, kw_only=True):
    """The status of one credential."""

    credential_id: str
    list_id: str
    index: int
    revoked_us: int | None
    suspended_us: int | None
    superseded_us: int | None = None


class AuditRecord(Struct, frozen=True, kw_only=True):
    """One entry of the audit log. ``id`` grows; entries are never changed nor deleted."""

    id: int
    at_us: int
    actor: str
    action: str
    target: str
    detail: str
