"""Windows of telemetry and the TPMs that sign them; whose an inference id is, posted or in a window."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LIVE_WINDOW: Final = sa.text("credential_type = 'GreenComputeWindowCredential' AND state <> 'rejected'")


def _changed(*columns: str) -> str:
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


_GUARDS: Final = (
    Guard("telemetry_window_final", "telemetry_window", "UPDATE", "", "an accepted window never changes"),
    Guard("telemetry_window_kept", "telemetry_window", "DELETE", "", "an accepted window is never removed"),
    Guard("window_share_final", "window_share", "UPDATE", "", "an accepted window never changes"),
    Guard("window_share_kept", "window_share", "DELETE", "", "an accepted window is never removed"),
    Guard("receipt_final", "receipt", "UPDATE", "", "evidence never changes"),
    Guard("receipt_kept", "receipt", "DELETE", "", "evidence is never removed"),
    Guard("inference_final", "inference", "UPDATE", "", "an inference id is never given to another inference"),
    # A posted record that was rejected gives its id back.
    Guard("inference_kept", "inference", "DELETE", "OLD.window_id IS NOT NULL", "an inference of a window stays"),
    Guard("credential_window_frozen", "credential", "UPDATE", _changed("window_id"), "what was reserved never changes"),
    Guard(
        "node_tpm_stays",
        "node",
        "UPDATE",
        f"OLD.ek_digest IS NOT NULL AND ({_changed('ek_digest')})",
        "a node never moves to another TPM",
    ),
    Guard(
        "node_revoked_stays",
        "node",
        "UPDATE",
        f"OLD.state = 'revoked' AND ({_changed('state', 'key_uri', 'jwk', 'ak')})",
        "a revoked node signs nothing any more",
    ),
    Guard(
        "nonce_used_once",
        "nonce",
        "UPDATE",
        f"OLD.used_by IS NOT NULL OR ({_changed('nonce', 'node_id', 'expires_us')})",
        "a nonce is used once",
    ),
    Guard(
        "tpm_challenge_used_once",
        "tpm_challenge",
        "UPDATE",
        "OLD.used_us IS NOT NULL",
        "a challenge is answered once",
    ),
)


def upgrade() -> None:
    """Apply the revision."""
    _windows()
    _inferences()
    _nonces()
    _tpms()
    _columns()
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _big(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    other = target.split(".", maxsplit=1)[0]
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}_{other}")


def _windows() -> None:
    op.create_table(
        "telemetry_window",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        _text("node_id"),
        _text("epoch"),
        _big("sequence"),
        _text("digest"),
        _text("tenant_id"),
        _text("issuer_slug"),
        _bytes("header"),
        _text("evidence_digest"),
        _text("enrolment_digest", nullable=True),
        _text("assurance"),
        _big("record_count"),
        _text("flags"),
        _big("end_us"),
        _big("received_us"),
        _bytes("body"),
        _refers("telemetry_window", "node_id", "node.id"),
        _refers("telemetry_window", "tenant_id", "tenant.id"),
        sa.UniqueConstraint("node_id", "epoch", "sequence", name="uq_telemetry_window_node_id_epoch_sequence"),
        sa.UniqueConstraint("digest", name="uq_telemetry_window_digest"),
        _primary("telemetry_window", "id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_telemetry_window_node_received_us", "telemetry_window", ["node_id", "received_us"])
    figures = [_big(f"{figure}_{part}") for figure in ("energy", "emissions") for part in ("units", "nano", "atto")]
    op.create_table(
        "window_share",
        _big("window_id"),
        _text("tenant_id"),
        _text("model_id"),
        _big("end_us"),
        _big("count"),
        _text("emission_factor_type"),
        sa.Column("simulated", sa.Integer(), nullable=False),
        *figures,
        _refers("window_share", "window_id", "telemetry_window.id"),
        _primary("window_share", "window_id", "tenant_id", "model_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_window_share_tenant_id_end_us", "window_share", ["tenant_id", "end_us"])
    op.create_table(
        "receipt",
        _text("record_digest"),
        _big("window_id"),
        sa.Column("idx", sa.Integer(), nullable=False),
        _refers("receipt", "window_id", "telemetry_window.id"),
        _primary("receipt", "record_digest"),
    )


def _inferences() -> None:
    op.create_table(
        "inference",
        _text("tenant_id"),
        _text("inference_id"),
        _big("window_id", nullable=True),
        sa.Column("idx", sa.Integer(), nullable=True),
        sa.CheckConstraint("(window_id IS NULL) = (idx IS NULL)", name=op.f("ck_inference_place")),
        _primary("inference", "tenant_id", "inference_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO inference (tenant_id, inference_id) SELECT tenant_id, inference_id FROM credential "
        "WHERE inference_id IS NOT NULL AND state <> 'rejected'"
    )
    op.create_table(
        "node_tenant",
        _text("node_id"),
        _text("tenant_id"),
        _refers("node_tenant", "node_id", "node.id"),
        _refers("node_tenant", "tenant_id", "tenant.id"),
        _primary("node_tenant", "node_id", "tenant_id"),
    )


def _nonces() -> None:
    op.create_table(
        "nonce",
        _text("nonce"),
        _text("node_id"),
        _big("expires_us"),
        _text("used_by", nullable=True),
        _refers("nonce", "node_id", "node.id"),
        _primary("nonce", "nonce"),
    )
    op.create_index("ix_nonce_node_id_expires_us", "nonce", ["node_id", "expires_us"])


def _tpms() -> None:
    op.create_table(
        "tpm_root",
        _text("fingerprint"),
        _bytes("certificate"),
        _text("root_class", nullable=True),
        _text("manufacturer"),
        _big("added_us"),
        sa.CheckConstraint("root_class IN ('hardware', 'virtual', 'emulated')", name=op.f("ck_tpm_root_root_class")),
        _primary("tpm_root", "fingerprint"),
    )
    op.create_table(
        "tpm_challenge",
        _text("id"),
        _bytes("token_sha256"),
        _text("details"),
        _bytes("secret_sha256"),
        _text("nonce"),
        _big("expires_us"),
        _big("used_us", nullable=True),
        _primary("tpm_challenge", "id"),
    )
    op.create_index("ix_tpm_challenge_expires_us", "tpm_challenge", ["expires_us"])


def _columns() -> None:
    for name in ("ek_digest", "ak_digest", "attestation", "enrolment_digest", "chain_state", "refusal"):
        op.add_column("node", _text(name, nullable=True))
    op.add_column("node", sa.Column("ak", sa.LargeBinary(), nullable=True))
    op.add_column("node", sa.Column("chain_pcr", sa.Integer(), nullable=True))
    op.create_index("ix_node_ek_digest", "node", ["ek_digest"], unique=True)
    op.add_column("credential", _big("window_id", nullable=True))
    op.create_index(
        "ix_credential_window",
        "credential",
        ["window_id"],
        unique=True,
        sqlite_where=_LIVE_WINDOW,
        postgresql_where=_LIVE_WINDOW,
    )
