"""What reports sum besides energy and location-based emissions, for credentials and for shares of windows.

Credentials that are there get theirs from their documents. Shares that are there have NULL, "not stated": what their
records say of it would have to be attributed anew, and none of them claims embodied or market-based emissions yet.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard
from issuer.store.reported import reported

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NUMBERS: Final = (
    *(
        f"{figure}_{part}"
        for figure in ("embodied", "market", "estimated", "margin")
        for part in ("units", "nano", "atto")
    ),
    *("requests", "tokens"),
)
_GUARDS: Final = (
    Guard("reported_final", "reported", "UPDATE", "", "what a credential reports never changes"),
    Guard("reported_kept", "reported", "DELETE", "", "what a credential reports is never removed"),
)
_NO_REPLACEMENT: Final = (
    "CREATE TRIGGER reported_not_replaced BEFORE INSERT ON reported "
    "WHEN EXISTS (SELECT 1 FROM reported WHERE credential_id = NEW.credential_id) "
    "BEGIN SELECT RAISE(ABORT, 'a row of reported is never replaced'); END"
)
_TYPES: Final = ("GreenComputeCredential", "GreenComputeWindowCredential")
_BATCH: Final = 500


def upgrade() -> None:
    """Apply the revision."""
    table = op.create_table(
        "reported",
        sa.Column("credential_id", sa.String, nullable=False),
        sa.Column("basis", sa.String, nullable=True),
        *(sa.Column(name, sa.BigInteger, nullable=True) for name in _NUMBERS),
        sa.Column("attribution", sa.String, nullable=True),
        sa.PrimaryKeyConstraint("credential_id", name="pk_reported"),
        sa.ForeignKeyConstraint(["credential_id"], ["credential.id"], name="fk_reported_credential_id_credential"),
        sqlite_with_rowid=False,
    )
    for share in ("window_share", "reissued_share"):
        for name in _NUMBERS:
            op.add_column(share, sa.Column(name, sa.BigInteger, nullable=True))
        op.add_column(share, sa.Column("attribution", sa.String, nullable=True))
    _fill(table)
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)
    if dialect == "sqlite":
        op.execute(_NO_REPLACEMENT)


def _fill(table: sa.Table) -> None:
    """Write what the documents say, in batches: there may be more of them than fit into the memory."""
    connection = op.get_bind()
    credential = sa.table("credential", sa.column("id"), sa.column("credential_type"), sa.column("window_id"))
    held = sa.table("credential_bytes", sa.column("credential_id"), sa.column("unsecured"), sa.column("document"))
    after = ""
    while True:
        query = (
            sa.select(credential.c.id, credential.c.credential_type, held.c.unsecured, held.c.document)
            .join(held, held.c.credential_id == credential.c.id)
            .where(credential.c.id > after, credential.c.credential_type.in_(_TYPES))
            .order_by(credential.c.id)
            .limit(_BATCH)
        )
        found = connection.execute(query).all()
        rows = [_row(row.id, bytes(row.document or row.unsecured or b""), row.credential_type) for row in found]
        if rows:
            connection.execute(table.insert(), rows)
        if len(found) < _BATCH:
            return
        after = found[-1].id


def _row(credential_id: str, document: bytes, credential_type: str) -> dict[str, object]:
    # Only the columns of this revision, whatever else is reported by now.
    columns = reported(document, credential_type)
    return {"credential_id": credential_id} | {name: columns[name] for name in ("basis", "attribution", *_NUMBERS)}
