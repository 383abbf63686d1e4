"""What an operator states of a node for its claims: embodied emissions, market-based factor, calibration, PUE's uncertainty."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision. One JSON text each: issuer.claims.profile types it strictly."""
    for table in ("node", "enrolment_token"):
        op.add_column(table, sa.Column("claims_profile", sa.String, nullable=True))
