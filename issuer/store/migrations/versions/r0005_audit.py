"""Windows are listed by node and end; a nonce that a window used is kept, and only unused ones are looked through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.drop_index("ix_telemetry_window_node_received_us", "telemetry_window")
    op.create_index("ix_telemetry_window_node_id_end_us", "telemetry_window", ["node_id", "end_us"])
    op.drop_index("ix_nonce_node_id_expires_us", "nonce")
    unused = sa.text("used_by IS NULL")
    op.create_index("ix_nonce_unused", "nonce", ["node_id", "expires_us"], sqlite_where=unused, postgresql_where=unused)
