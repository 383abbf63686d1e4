"""Receipts are kept as they were made; a nonce says with which window's answer it was given."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_GUARDS: Final = (
    Guard("receipt_body_final", "receipt_body", "UPDATE", "", "evidence never changes"),
    Guard("receipt_body_kept", "receipt_body", "DELETE", "", "evidence is never removed"),
)

# As in revision 0004: SQLite's INSERT OR REPLACE deletes what stands in its way, and fires no trigger for that.
_NO_REPLACEMENT: Final = (
    "CREATE TRIGGER receipt_body_not_replaced BEFORE INSERT ON receipt_body "
    "WHEN EXISTS (SELECT 1 FROM receipt_body WHERE record_digest = NEW.record_digest) "
    "OR EXISTS (SELECT 1 FROM receipt_body WHERE rowid = NEW.rowid) BEGIN SELECT RAISE(IGNORE); END"
)


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "receipt_body",
        sa.Column("record_digest", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("record_digest", name="pk_receipt_body"),
        sa.ForeignKeyConstraint(
            ["record_digest"], ["receipt.record_digest"], name="fk_receipt_body_record_digest_receipt"
        ),
    )
    op.add_column("nonce", sa.Column("given_with", sa.String, nullable=True))
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)
    if dialect == "sqlite":
        op.execute(_NO_REPLACEMENT)
