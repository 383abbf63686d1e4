"""The tables (SQLModel), the same in SQLite and PostgreSQL.

The triggers that keep revocations and the audit log stand in migrations/guards.py. Sums have to be exact
in 64-bit integers, so a decimal is kept as its canonical text and as three integers (see figures.py).
"""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, MetaData, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""The tables of the store; Alembic compares it with what the migrations made."""


_LIVE_WINDOW = "credential_type = 'GreenComputeWindowCredential' AND state <> 'rejected'"
_LIVE_SUCCESSOR = "supersedes <> '' AND state <> 'rejected'"


class _Row(SQLModel):
    metadata: ClassVar[MetaData] = METADATA


class Issuer(_Row, table=True):
    """records.IssuerRecord."""

    __tablename__ = "issuer"
    slug: str = Field(primary_key=True)
    did: str = Field(unique=True)
    name: str
    created_us: int = Field(sa_type=BigInteger)


class SigningKey(_Row, table=True):
    """records.KeyRecord; at most one active key an issuer."""

    __tablename__ = "signing_key"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'retired', 'revoked')", name="state"),
        Index(
            "ix_signing_key_active",
            "issuer_slug",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )
    issuer_slug: str = Field(primary_key=True, foreign_key="issuer.slug")
    key_id: str = Field(primary_key=True)
    uri: str
    jwk: str
    algorithm: str
    state: str
    created_us: int = Field(sa_type=BigInteger)
    retired_us: int | None = Field(default=None, sa_type=BigInteger)
    revoked_us: int | None = Field(default=None, sa_type=BigInteger)


class Tenant(_Row, table=True):
    """records.TenantRecord."""

    __tablename__ = "tenant"
    id: str = Field(primary_key=True)
    issuer_slug: str = Field(foreign_key="issuer.slug", index=True)
    name: str
    subject: str | None = None
    created_us: int = Field(sa_type=BigInteger)


class Node(_Row, table=True):
    """records.NodeRecord; one key, one node, one TPM."""

    __tablename__ = "node"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'revoked')", name="state"),
        Index("ix_node_ek_digest", "ek_digest", unique=True),
    )
    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    jwk: str
    key_uri: str = Field(unique=True)
    grid_region: str
    tdp_w: int
    accelerator_model: str | None = None
    pue: str | None = None
    pue_kind: str | None = None
    pue_source: str | None = None
    simulated: bool
    state: str
    created_us: int = Field(sa_type=BigInteger)
    ek_digest: str | None = None
    ak: bytes | None = None
    ak_digest: str | None = None
    attestation: str | None = None
    enrolment_digest: str | None = None
    chain_pcr: int | None = None
    chain_state: str | None = None
    refusal: str | None = None
    claims_profile: str | None = None


class EnrolmentToken(_Row, table=True):
    """records.Invitation, and who used it."""

    __tablename__ = "enrolment_token"
    token_sha256: bytes = Field(primary_key=True)
    node_id: str
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    grid_region: str
    tdp_w: int
    accelerator_model: str | None = None
    pue: str | None = None
    pue_kind: str | None = None
    pue_source: str | None = None
    simulated: bool
    created_us: int = Field(sa_type=BigInteger)
    expires_us: int = Field(sa_type=BigInteger)
    used_us: int | None = Field(default=None, sa_type=BigInteger)
    used_by_key_uri: str | None = None
    claims_profile: str | None = None


class ApiKey(_Row, table=True):
    """records.ApiKeyRecord; ``scopes`` separated by spaces."""

    __tablename__ = "api_key"
    id: str = Field(primary_key=True)
    key_sha256: bytes = Field(unique=True)
    tenant_id: str | None = Field(default=None, foreign_key="tenant.id", index=True)
    scopes: str
    name: str
    created_us: int = Field(sa_type=BigInteger)
    revoked_us: int | None = Field(default=None, sa_type=BigInteger)


class StatusList(_Row, table=True):
    """records.StatusListRecord; lists of an issuer are numbered, so that two replicas open the same next one."""

    __tablename__ = "status_list"
    __table_args__ = (
        UniqueConstraint("issuer_slug", "number"),
        CheckConstraint("allocated <= capacity AND capacity <= size", name="capacity"),
    )
    id: str = Field(primary_key=True)
    issuer_slug: str = Field(foreign_key="issuer.slug")
    number: int
    size: int
    capacity: int
    allocated: int
    version: int = Field(sa_type=BigInteger)
    created_us: int = Field(sa_type=BigInteger)
    changed_us: int = Field(sa_type=BigInteger)
    closed_us: int | None = Field(default=None, sa_type=BigInteger)


class StatusEntry(_Row, table=True):
    """One index that was given out. Its primary key is what no two credentials can share; rows are never deleted.

    ``superseded_us``: revoked since another credential stands in its place, or will when it is asked for.
    ``outdated_us``: its window's credential was superseded while this one was suspended or revoked by itself.
    """

    __tablename__ = "status_entry"
    __table_args__ = (
        Index(
            "ix_status_entry_revoked",
            "list_id",
            "idx",
            sqlite_where=text("revoked_us IS NOT NULL"),
            postgresql_where=text("revoked_us IS NOT NULL"),
        ),
        Index(
            "ix_status_entry_suspended",
            "list_id",
            "idx",
            sqlite_where=text("suspended_us IS NOT NULL"),
            postgresql_where=text("suspended_us IS NOT NULL"),
        ),
        Index(
            "ix_status_entry_outdated",
            "list_id",
            "idx",
            sqlite_where=text("outdated_us IS NOT NULL"),
            postgresql_where=text("outdated_us IS NOT NULL"),
        ),
    )
    list_id: str = Field(primary_key=True, foreign_key="status_list.id")
    idx: int = Field(primary_key=True)
    credential_id: str = Field(unique=True)
    revoked_us: int | None = Field(default=None, sa_type=BigInteger)
    suspended_us: int | None = Field(default=None, sa_type=BigInteger)
    superseded_us: int | None = Field(default=None, sa_type=BigInteger)
    outdated_us: int | None = Field(default=None, sa_type=BigInteger)


class Credential(_Row, table=True):
    """What is asked and summed about a credential; its bytes stand apart, so that sums read small rows."""

    __tablename__ = "credential"
    __table_args__ = (
        CheckConstraint("state IN ('reserved', 'issued', 'rejected')", name="state"),
        # Emissions by factors of different kinds are never summed, so each sum must know its kind.
        CheckConstraint(
            "credential_type <> 'GreenComputeCredential' OR emission_factor_type IS NOT NULL",
            name="emission_factor_type",
        ),
        # A rejected row stays as the record of the rejection and no longer holds the inference id. One is the first of
        # its inference, and each may be followed by one: a chain, whose last issued link counts.
        Index(
            "ix_credential_inference",
            "tenant_id",
            "inference_id",
            "supersedes",
            unique=True,
            sqlite_where=text("state <> 'rejected'"),
            postgresql_where=text("state <> 'rejected'"),
        ),
        Index(
            "ix_credential_reserved",
            "reserved_us",
            "id",
            sqlite_where=text("state = 'reserved'"),
            postgresql_where=text("state = 'reserved'"),
        ),
        Index("ix_credential_tenant_period", "tenant_id", "period_end_us", "id"),
        Index("ix_credential_model_period", "tenant_id", "model_id", "period_end_us", "id"),
        Index("ix_credential_node_period", "tenant_id", "node_id", "period_end_us", "id"),
        Index("ix_credential_period", "period_end_us", "id"),
        Index(
            "ix_credential_window",
            "window_id",
            "supersedes",
            unique=True,
            sqlite_where=text(_LIVE_WINDOW),
            postgresql_where=text(_LIVE_WINDOW),
        ),
        Index(
            "ix_credential_supersedes",
            "supersedes",
            unique=True,
            sqlite_where=text(_LIVE_SUCCESSOR),
            postgresql_where=text(_LIVE_SUCCESSOR),
        ),
        # What was made from a window is revoked with it, and found beside it; by type, since it is up to 50,000.
        Index(
            "ix_credential_of_window",
            "window_id",
            "credential_type",
            sqlite_where=text("window_id IS NOT NULL"),
            postgresql_where=text("window_id IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    issuer_slug: str = Field(foreign_key="issuer.slug")
    tenant_id: str = Field(foreign_key="tenant.id")
    inference_id: str | None = None
    credential_type: str
    node_id: str | None = Field(default=None, foreign_key="node.id")
    model_id: str | None = None
    period_start_us: int | None = Field(default=None, sa_type=BigInteger)
    period_end_us: int = Field(sa_type=BigInteger)
    energy_kwh: str
    energy_units: int = Field(sa_type=BigInteger)
    energy_nano: int = Field(sa_type=BigInteger)
    energy_atto: int = Field(sa_type=BigInteger)
    operational_emissions_gco2e: str
    emissions_units: int = Field(sa_type=BigInteger)
    emissions_nano: int = Field(sa_type=BigInteger)
    emissions_atto: int = Field(sa_type=BigInteger)
    emission_factor_type: str | None = None
    assurance: str | None = None
    simulated: bool
    body_digest: str
    record_digest: str | None = None
    list_id: str = Field(foreign_key="status_list.id")
    idx: int
    state: str
    reserved_us: int = Field(sa_type=BigInteger)
    issued_us: int | None = Field(default=None, sa_type=BigInteger)
    rejection: str | None = None
    window_id: int | None = Field(default=None, sa_type=BigInteger)
    supersedes: str = ""


class CredentialBytes(_Row, table=True):
    """The frozen unsecured document until it is issued, the issued document afterwards."""

    __tablename__ = "credential_bytes"
    credential_id: str = Field(primary_key=True, foreign_key="credential.id")
    unsecured: bytes | None = None
    document: bytes | None = None


class Evidence(_Row, table=True):
    """A telemetry record as it was received (JCS with its signature), by digest."""

    __tablename__ = "evidence"
    digest: str = Field(primary_key=True)
    body: bytes


class AuditLog(_Row, table=True):
    """records.AuditRecord; triggers refuse UPDATE and DELETE."""

    __tablename__ = "audit_log"
    __table_args__ = ({"sqlite_autoincrement": True},)
    # SQLite numbers rows by itself in a column of type INTEGER only.
    id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    )
    at_us: int = Field(sa_type=BigInteger)
    actor: str
    action: str
    target: str
    detail: str


def _table(name: str) -> Table:
    return METADATA.tables[name]


ISSUER = _table("issuer")
SIGNING_KEY = _table("signing_key")
TENANT = _table("tenant")
NODE = _table("node")
ENROLMENT_TOKEN = _table("enrolment_token")
API_KEY = _table("api_key")
STATUS_LIST = _table("status_list")
STATUS_ENTRY = _table("status_entry")
CREDENTIAL = _table("credential")
CREDENTIAL_BYTES = _table("credential_bytes")
EVIDENCE = _table("evidence")
AUDIT_LOG = _table("audit_log")
