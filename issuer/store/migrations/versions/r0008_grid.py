"""Slots of the grid's carbon intensity, what became of asking for them, and who of many processes asks.

Also what was claimed provisionally: which credentials are to be superseded once the grid's data settle.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_GUARDS: Final = (
    Guard("grid_slot_settled", "grid_slot", "UPDATE", "OLD.settled_us IS NOT NULL", "a settled slot never changes"),
    Guard("grid_slot_kept", "grid_slot", "DELETE", "OLD.settled_us IS NOT NULL", "a settled slot is never removed"),
)

_KEY: Final = ("source", "zone", "signal", "factor_type", "granularity", "start_us")

_SAME: Final = " AND ".join(f"{column} = NEW.{column}" for column in _KEY)

# As in revision 0004: SQLite's INSERT OR REPLACE deletes what stands in its way, and fires no trigger for that. The
# new row is left out, as it is where it comes with ON CONFLICT: a settled slot stands, whoever brings another.
_NO_REPLACEMENT: Final = (
    "CREATE TRIGGER grid_slot_not_replaced BEFORE INSERT ON grid_slot "  # noqa: S608 - our own names
    "WHEN EXISTS (SELECT 1 FROM grid_slot WHERE settled_us IS NOT NULL AND "
    + _SAME
    + ") OR EXISTS (SELECT 1 FROM grid_slot WHERE settled_us IS NOT NULL AND rowid = NEW.rowid) "
    "BEGIN SELECT RAISE(IGNORE); END"
)


def upgrade() -> None:
    """Apply the revision."""
    _create_slots()
    _create_feeds()
    _create_claims()
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)
    if dialect == "sqlite":
        op.execute(_NO_REPLACEMENT)


def _create_slots() -> None:
    op.create_table(
        "grid_slot",
        sa.Column("source", sa.String, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("signal", sa.String, nullable=False),
        sa.Column("factor_type", sa.String, nullable=False),
        sa.Column("granularity", sa.String, nullable=False),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("data_source", sa.String, nullable=False),
        sa.Column("licence", sa.String, nullable=False),
        sa.Column("gco2e_per_kwh", sa.String, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("estimation_method", sa.String, nullable=True),
        sa.Column("tier", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=True),
        sa.Column("retrieved_us", sa.BigInteger, nullable=False),
        sa.Column("reply_digest", sa.String, nullable=False),
        sa.Column("settled_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_grid_slot"),
        sa.CheckConstraint("end_us > start_us", name="ck_grid_slot_period"),
        sa.CheckConstraint("settled_us IS NULL OR NOT estimated", name="ck_grid_slot_settled"),
    )


def _create_feeds() -> None:
    op.create_table(
        "grid_feed",
        sa.Column("source", sa.String, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("last_success_us", sa.BigInteger, nullable=True),
        sa.Column("last_failure_us", sa.BigInteger, nullable=True),
        sa.Column("failure", sa.String, nullable=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_attempt_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "zone", name="pk_grid_feed"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _create_claims() -> None:
    op.create_table(
        "provisional_claim",
        sa.Column("credential_id", sa.String, nullable=False),
        sa.Column("region", sa.String, nullable=False),
        sa.Column("period_start_us", sa.BigInteger, nullable=False),
        sa.Column("period_end_us", sa.BigInteger, nullable=False),
        sa.Column("it_mj", sa.BigInteger, nullable=False),
        sa.Column("closed_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("credential_id", name="pk_provisional_claim"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credential.id"], name="fk_provisional_claim_credential_id_credential"
        ),
    )
    op.create_index(
        "ix_provisional_claim_open",
        "provisional_claim",
        ["region", "period_end_us"],
        sqlite_where=sa.text("closed_us IS NULL"),
        postgresql_where=sa.text("closed_us IS NULL"),
    )
