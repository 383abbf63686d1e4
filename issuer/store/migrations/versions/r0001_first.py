"""The first tables: issuers, keys, tenants, nodes, status lists, credentials, the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

from issuer.store.migrations import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    _parties()
    _nodes()
    _status()
    _credential()
    _credential_bytes()
    _audit_log()
    dialect = op.get_bind().dialect.name
    if dialect != "sqlite":
        op.execute(guards.FUNCTION)
    for statement in guards.statements(dialect, guards.REVISION_0001):
        op.execute(statement)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    other = target.split(".", maxsplit=1)[0]
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}_{other}")


def _states(table: str, *states: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{state}'" for state in states)
    return sa.CheckConstraint(f"state IN ({listed})", name=op.f(f"ck_{table}_state"))


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _parties() -> None:
    op.create_table(
        "issuer",
        _text("slug"),
        _text("did"),
        _text("name"),
        _time("created_us"),
        _primary("issuer", "slug"),
        sa.UniqueConstraint("did", name="uq_issuer_did"),
    )
    op.create_table(
        "signing_key",
        _text("issuer_slug"),
        _text("key_id"),
        _text("uri"),
        _text("jwk"),
        _text("algorithm"),
        _text("state"),
        _time("created_us"),
        _time("retired_us", nullable=True),
        _time("revoked_us", nullable=True),
        _states("signing_key", "active", "retired", "revoked"),
        _refers("signing_key", "issuer_slug", "issuer.slug"),
        _primary("signing_key", "issuer_slug", "key_id"),
    )
    _partial("ix_signing_key_active", "signing_key", ["issuer_slug"], "state = 'active'", unique=True)
    op.create_table(
        "tenant",
        _text("id"),
        _text("issuer_slug"),
        _text("name"),
        _text("subject", nullable=True),
        _time("created_us"),
        _refers("tenant", "issuer_slug", "issuer.slug"),
        _primary("tenant", "id"),
    )
    op.create_index("ix_tenant_issuer_slug", "tenant", ["issuer_slug"])
    op.create_table(
        "api_key",
        _text("id"),
        sa.Column("key_sha256", sa.LargeBinary(), nullable=False),
        _text("tenant_id", nullable=True),
        _text("scopes"),
        _text("name"),
        _time("created_us"),
        _time("revoked_us", nullable=True),
        _refers("api_key", "tenant_id", "tenant.id"),
        _primary("api_key", "id"),
        sa.UniqueConstraint("key_sha256", name="uq_api_key_key_sha256"),
    )
    op.create_index("ix_api_key_tenant_id", "api_key", ["tenant_id"])


def _described_node() -> list[SchemaItem]:
    return [
        _text("tenant_id"),
        _text("grid_region"),
        _count("tdp_w"),
        _text("accelerator_model", nullable=True),
        _text("pue", nullable=True),
        _text("pue_kind", nullable=True),
        _text("pue_source", nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        _time("created_us"),
    ]


def _nodes() -> None:
    op.create_table(
        "enrolment_token",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        _text("node_id"),
        *_described_node(),
        _time("expires_us"),
        _time("used_us", nullable=True),
        _text("used_by_key_uri", nullable=True),
        _refers("enrolment_token", "tenant_id", "tenant.id"),
        _primary("enrolment_token", "token_sha256"),
    )
    op.create_index("ix_enrolment_token_tenant_id", "enrolment_token", ["tenant_id"])
    op.create_table(
        "node",
        _text("id"),
        *_described_node(),
        _text("jwk"),
        _text("key_uri"),
        _text("state"),
        _states("node", "active", "revoked"),
        _refers("node", "tenant_id", "tenant.id"),
        _primary("node", "id"),
        sa.UniqueConstraint("key_uri", name="uq_node_key_uri"),
    )
    op.create_index("ix_node_tenant_id", "node", ["tenant_id"])


def _status() -> None:
    op.create_table(
        "status_list",
        _text("id"),
        _text("issuer_slug"),
        _count("number"),
        _count("size"),
        _count("capacity"),
        _count("allocated"),
        _time("version"),
        _time("created_us"),
        _time("changed_us"),
        _time("closed_us", nullable=True),
        sa.CheckConstraint("allocated <= capacity AND capacity <= size", name=op.f("ck_status_list_capacity")),
        _refers("status_list", "issuer_slug", "issuer.slug"),
        _primary("status_list", "id"),
        sa.UniqueConstraint("issuer_slug", "number", name="uq_status_list_issuer_slug_number"),
    )
    op.create_table(
        "status_entry",
        _text("list_id"),
        _count("idx"),
        _text("credential_id"),
        _time("revoked_us", nullable=True),
        _time("suspended_us", nullable=True),
        _refers("status_entry", "list_id", "status_list.id"),
        _primary("status_entry", "list_id", "idx"),
        sa.UniqueConstraint("credential_id", name="uq_status_entry_credential_id"),
    )
    for change in ("revoked", "suspended"):
        _partial(f"ix_status_entry_{change}", "status_entry", ["list_id", "idx"], f"{change}_us IS NOT NULL")


def _figure(name: str, canonical: str) -> list[SchemaItem]:
    return [_text(canonical), _time(f"{name}_units"), _time(f"{name}_nano"), _time(f"{name}_atto")]


def _credential() -> None:
    op.create_table(
        "credential",
        _text("id"),
        _text("issuer_slug"),
        _text("tenant_id"),
        _text("inference_id", nullable=True),
        _text("credential_type"),
        _text("node_id", nullable=True),
        _text("model_id", nullable=True),
        _time("period_start_us", nullable=True),
        _time("period_end_us"),
        *_figure("energy", "energy_kwh"),
        *_figure("emissions", "operational_emissions_gco2e"),
        _text("emission_factor_type", nullable=True),
        _text("assurance", nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        _text("body_digest"),
        _text("record_digest", nullable=True),
        _text("list_id"),
        _count("idx"),
        _text("state"),
        _time("reserved_us"),
        _time("issued_us", nullable=True),
        _text("rejection", nullable=True),
        _states("credential", "reserved", "issued", "rejected"),
        sa.CheckConstraint(
            "credential_type <> 'GreenComputeCredential' OR emission_factor_type IS NOT NULL",
            name=op.f("ck_credential_emission_factor_type"),
        ),
        _refers("credential", "issuer_slug", "issuer.slug"),
        _refers("credential", "tenant_id", "tenant.id"),
        _refers("credential", "node_id", "node.id"),
        _refers("credential", "list_id", "status_list.id"),
        _primary("credential", "id"),
    )
    inference = ["tenant_id", "inference_id"]
    _partial("ix_credential_inference", "credential", inference, "state <> 'rejected'", unique=True)
    _partial("ix_credential_reserved", "credential", ["reserved_us", "id"], "state = 'reserved'")
    op.create_index("ix_credential_period", "credential", ["period_end_us", "id"])
    op.create_index("ix_credential_tenant_period", "credential", ["tenant_id", "period_end_us", "id"])
    op.create_index("ix_credential_model_period", "credential", ["tenant_id", "model_id", "period_end_us", "id"])


def _credential_bytes() -> None:
    op.create_table(
        "credential_bytes",
        _text("credential_id"),
        sa.Column("unsecured", sa.LargeBinary(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        _refers("credential_bytes", "credential_id", "credential.id"),
        _primary("credential_bytes", "credential_id"),
    )
    op.create_table(
        "evidence",
        _text("digest"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _primary("evidence", "digest"),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        # SQLite numbers rows by itself in a column of type INTEGER only.
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        _time("at_us"),
        _text("actor"),
        _text("action"),
        _text("target"),
        _text("detail"),
        _primary("audit_log", "id"),
        sqlite_autoincrement=True,
    )
