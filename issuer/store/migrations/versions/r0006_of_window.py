"""The credentials made from a window are found by it: they are revoked together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    of_window = sa.text("window_id IS NOT NULL")
    op.create_index(
        "ix_credential_of_window",
        "credential",
        ["window_id", "credential_type"],
        sqlite_where=of_window,
        postgresql_where=of_window,
    )
