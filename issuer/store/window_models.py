"""The tables of windows and of TPMs, the same in SQLite and PostgreSQL. Plain tables: rows come by the thousand.

One row of ``inference`` for every inference id of a tenant decides whose it is, whichever way it came: as a posted
record (no window) or as record ``idx`` of a window. A window's records themselves stand in its ``body``, compressed
as they came.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from issuer.store.models import METADATA
from issuer.store.report_models import further_columns


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String, nullable=nullable)


def _big(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _bytes(name: str, *, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable)


WINDOW: Final = Table(
    "telemetry_window",
    METADATA,
    # SQLite numbers rows by itself in a column of type INTEGER only.
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
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
    ForeignKeyConstraint(["node_id"], ["node.id"]),
    ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    UniqueConstraint("node_id", "epoch", "sequence"),
    UniqueConstraint("digest"),
    Index("ix_telemetry_window_node_id_end_us", "node_id", "end_us"),
    sqlite_autoincrement=True,
)
"""An accepted window: header (JCS), the digest of its evidence, what was told of it (JSON), and the request (gzip or zstd)."""

WINDOW_SHARE: Final = Table(
    "window_share",
    METADATA,
    _big("window_id"),
    _text("tenant_id"),
    _text("model_id"),
    _big("end_us"),
    _big("count"),
    _text("emission_factor_type"),
    Column("simulated", Integer, nullable=False),
    *(_big(f"{figure}_{part}") for figure in ("energy", "emissions") for part in ("units", "nano", "atto")),
    *further_columns(),
    ForeignKeyConstraint(["window_id"], ["telemetry_window.id"]),
    PrimaryKeyConstraint("window_id", "tenant_id", "model_id"),
    Index("ix_window_share_tenant_id_end_us", "tenant_id", "end_us"),
    sqlite_with_rowid=False,
)
"""What the inferences of one tenant and model have of a window: exactly the sum of their single credentials."""

INFERENCE: Final = Table(
    "inference",
    METADATA,
    _text("tenant_id"),
    _text("inference_id"),
    _big("window_id", nullable=True),
    Column("idx", Integer, nullable=True),
    PrimaryKeyConstraint("tenant_id", "inference_id"),
    CheckConstraint("(window_id IS NULL) = (idx IS NULL)", name="place"),
    sqlite_with_rowid=False,
)
"""Where an inference is: record ``idx`` of a window, or (both NULL) posted by itself."""

NODE_TENANT: Final = Table(
    "node_tenant",
    METADATA,
    _text("node_id"),
    _text("tenant_id"),
    ForeignKeyConstraint(["node_id"], ["node.id"]),
    ForeignKeyConstraint(["tenant_id"], ["tenant.id"]),
    PrimaryKeyConstraint("node_id", "tenant_id"),
)
"""For which tenants besides its own a node's records may be."""

NONCE: Final = Table(
    "nonce",
    METADATA,
    _text("nonce"),
    _text("node_id"),
    _big("expires_us"),
    _text("used_by", nullable=True),
    _text("given_with", nullable=True),
    PrimaryKeyConstraint("nonce"),
    ForeignKeyConstraint(["node_id"], ["node.id"]),
    Index(
        "ix_nonce_unused",
        "node_id",
        "expires_us",
        sqlite_where=text("used_by IS NULL"),
        postgresql_where=text("used_by IS NULL"),
    ),
)
"""Nonces that were handed out; ``used_by`` is the digest of the window that used one, which is kept for audits.

``given_with`` is the digest of the window whose answer had it; NULL where it was given by itself or with an enrolment.
"""

REISSUED_SHARE: Final = Table(
    "reissued_share",
    METADATA,
    _text("credential_id"),
    _text("tenant_id"),
    _text("model_id"),
    _big("window_id"),
    _big("end_us"),
    _big("count"),
    _text("emission_factor_type"),
    _text("gco2e_per_kwh"),
    Column("simulated", Integer, nullable=False),
    *(_big(f"{figure}_{part}") for figure in ("energy", "emissions") for part in ("units", "nano", "atto")),
    *further_columns(),
    ForeignKeyConstraint(["credential_id"], ["credential.id"]),
    PrimaryKeyConstraint("credential_id", "tenant_id", "model_id"),
    Index("ix_reissued_share_tenant_id_end_us", "tenant_id", "end_us"),
    sqlite_with_rowid=False,
)
"""The shares of a window by a later credential of it, which has another intensity: ``window_share`` is by the first one."""

CREDENTIAL_RECEIPT: Final = Table(
    "credential_receipt",
    METADATA,
    _text("credential_id"),
    _bytes("body"),
    PrimaryKeyConstraint("credential_id"),
    ForeignKeyConstraint(["credential_id"], ["credential.id"]),
)
"""The receipt (JCS) that belongs to a window's inference's credential: another's may have the same leaf hash."""

RECEIPT: Final = Table(
    "receipt",
    METADATA,
    _text("record_digest"),
    _big("window_id"),
    Column("idx", Integer, nullable=False),
    PrimaryKeyConstraint("record_digest"),
    ForeignKeyConstraint(["window_id"], ["telemetry_window.id"]),
)
"""Which record has this leaf hash, for credentials whose evidence says no more of where their receipt is.

None is added any more: a node of another tenant may have put the same record into a window of its own.
"""

RECEIPT_BODY: Final = Table(
    "receipt_body",
    METADATA,
    _text("record_digest"),
    _bytes("body"),
    PrimaryKeyConstraint("record_digest"),
    ForeignKeyConstraint(["record_digest"], ["receipt.record_digest"]),
)
"""The receipt itself (JCS), made with the credential; those of before are made when they are first asked for."""

TPM_ROOT: Final = Table(
    "tpm_root",
    METADATA,
    _text("fingerprint"),
    _bytes("certificate"),
    _text("root_class", nullable=True),
    _text("manufacturer"),
    _big("added_us"),
    PrimaryKeyConstraint("fingerprint"),
    CheckConstraint("root_class IN ('hardware', 'virtual', 'emulated')", name="root_class"),
)
"""Certificates of TPM makers; ``root_class`` stands where a chain may end, by the shipped table or an operator's word."""

TPM_CHALLENGE: Final = Table(
    "tpm_challenge",
    METADATA,
    _text("id"),
    _bytes("token_sha256"),
    _text("details"),
    _bytes("secret_sha256"),
    _text("nonce"),
    _big("expires_us"),
    _big("used_us", nullable=True),
    PrimaryKeyConstraint("id"),
    Index("ix_tpm_challenge_expires_us", "expires_us"),
)
"""An enrolment under way: what was checked of the TPM (JSON), and the SHA-256 of the secret that it has to return."""
