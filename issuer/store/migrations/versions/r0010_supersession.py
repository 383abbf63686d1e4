"""A credential may supersede another one of the same inference or window; receipts belong to one credential each.

``credential.supersedes`` is the id of the one before, empty for the first: so each inference and each window has one
first credential, and each credential at most one that follows it. Rows never change: which one counts is told by the
status entry, ``superseded_us`` (revoked since another one stands in its place) and ``outdated_us`` (its window's was
superseded while it was suspended or revoked itself, so it still has that one's factors).
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_LIVE: Final = "state <> 'rejected'"
_OF_WINDOW: Final = "credential_type = 'GreenComputeWindowCredential'"

_GUARDS: Final = (
    Guard(
        "credential_supersedes_frozen",
        "credential",
        "UPDATE",
        "NEW.supersedes IS DISTINCT FROM OLD.supersedes",
        "what was reserved never changes",
    ),
    Guard(
        "status_entry_superseded_stays",
        "status_entry",
        "UPDATE",
        "(OLD.superseded_us IS NOT NULL AND NEW.superseded_us IS DISTINCT FROM OLD.superseded_us) "
        "OR (OLD.outdated_us IS NOT NULL AND NEW.outdated_us IS DISTINCT FROM OLD.outdated_us)",
        "what was superseded stays so",
    ),
    Guard(
        "status_entry_superseded_revoked",
        "status_entry",
        "UPDATE",
        "NEW.superseded_us IS NOT NULL AND NEW.revoked_us IS NULL",
        "what is superseded is revoked",
    ),
    Guard("credential_receipt_final", "credential_receipt", "UPDATE", "", "evidence never changes"),
    Guard("credential_receipt_kept", "credential_receipt", "DELETE", "", "evidence is never removed"),
    Guard("reissued_share_final", "reissued_share", "UPDATE", "", "a reissued window never changes"),
    Guard("reissued_share_kept", "reissued_share", "DELETE", "", "a reissued window is never removed"),
)

# As in revision 0004: SQLite's INSERT OR REPLACE deletes what stands in its way, and fires no trigger for that.
_NO_REPLACEMENT: Final = (
    (
        "CREATE TRIGGER credential_not_replaced BEFORE INSERT ON credential WHEN "  # noqa: S608 - our own names
        "EXISTS (SELECT 1 FROM credential WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM credential WHERE rowid = NEW.rowid) "
        f"OR (NEW.{_LIVE} AND EXISTS (SELECT 1 FROM credential WHERE tenant_id = NEW.tenant_id "
        f"AND inference_id = NEW.inference_id AND supersedes = NEW.supersedes AND {_LIVE})) "
        f"OR (NEW.{_LIVE} AND NEW.{_OF_WINDOW} AND EXISTS (SELECT 1 FROM credential WHERE window_id = NEW.window_id "
        f"AND supersedes = NEW.supersedes AND {_LIVE} AND {_OF_WINDOW})) "
        f"OR (NEW.{_LIVE} AND NEW.supersedes <> '' AND EXISTS (SELECT 1 FROM credential "
        f"WHERE supersedes = NEW.supersedes AND supersedes <> '' AND {_LIVE})) "
        "BEGIN SELECT RAISE(ABORT, 'a row of credential is never replaced'); END"
    ),
    (
        "CREATE TRIGGER credential_receipt_not_replaced BEFORE INSERT ON credential_receipt "
        "WHEN EXISTS (SELECT 1 FROM credential_receipt WHERE credential_id = NEW.credential_id) "
        "OR EXISTS (SELECT 1 FROM credential_receipt WHERE rowid = NEW.rowid) BEGIN SELECT RAISE(IGNORE); END"
    ),
    (
        "CREATE TRIGGER reissued_share_not_replaced BEFORE INSERT ON reissued_share "
        "WHEN EXISTS (SELECT 1 FROM reissued_share WHERE credential_id = NEW.credential_id "
        "AND tenant_id = NEW.tenant_id AND model_id = NEW.model_id) "
        "BEGIN SELECT RAISE(ABORT, 'a row of reissued_share is never replaced'); END"
    ),
)


def upgrade() -> None:
    """Apply the revision."""
    _columns()
    _receipts()
    _shares()
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)
    if dialect == "sqlite":
        op.execute("DROP TRIGGER credential_not_replaced")
        for statement in _NO_REPLACEMENT:
            op.execute(statement)


def _columns() -> None:
    op.add_column("credential", sa.Column("supersedes", sa.String, nullable=False, server_default=""))
    op.add_column("status_entry", sa.Column("superseded_us", sa.BigInteger, nullable=True))
    op.add_column("status_entry", sa.Column("outdated_us", sa.BigInteger, nullable=True))
    _unique(
        "ix_credential_inference", ["tenant_id", "inference_id", "supersedes"], _LIVE, was="ix_credential_inference"
    )
    _unique(
        "ix_credential_window", ["window_id", "supersedes"], f"{_OF_WINDOW} AND {_LIVE}", was="ix_credential_window"
    )
    _unique("ix_credential_supersedes", ["supersedes"], f"supersedes <> '' AND {_LIVE}")
    still_open = sa.text("closed_us IS NULL")
    op.create_index(
        "ix_provisional_claim_in_turn",
        "provisional_claim",
        ["period_end_us", "credential_id"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    outdated = sa.text("outdated_us IS NOT NULL")
    op.create_index(
        "ix_status_entry_outdated",
        "status_entry",
        ["list_id", "idx"],
        sqlite_where=outdated,
        postgresql_where=outdated,
    )


def _unique(name: str, columns: list[str], condition: str, *, was: str | None = None) -> None:
    if was is not None:
        op.drop_index(was, "credential")
    where = sa.text(condition)
    op.create_index(name, "credential", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _receipts() -> None:
    op.create_table(
        "credential_receipt",
        sa.Column("credential_id", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("credential_id", name="pk_credential_receipt"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name="fk_credential_receipt_credential_id_credential"
        ),
    )


def _shares() -> None:
    figures = [f"{figure}_{part}" for figure in ("energy", "emissions") for part in ("units", "nano", "atto")]
    op.create_table(
        "reissued_share",
        sa.Column("credential_id", sa.String, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("model_id", sa.String, nullable=False),
        sa.Column("window_id", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("emission_factor_type", sa.String, nullable=False),
        sa.Column("gco2e_per_kwh", sa.String, nullable=False),
        sa.Column("simulated", sa.Integer, nullable=False),
        *(sa.Column(figure, sa.BigInteger, nullable=False) for figure in figures),
        sa.PrimaryKeyConstraint("credential_id", "tenant_id", "model_id", name="pk_reissued_share"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name="fk_reissued_share_credential_id_credential"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reissued_share_tenant_id_end_us", "reissued_share", ["tenant_id", "end_us"])
