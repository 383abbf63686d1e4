"""SQLite's INSERT OR REPLACE gets round no guard; keys and nodes that were revoked stay so; nodes are listed by an index.

REPLACE deletes whatever row stands in the new one's way, and fires no DELETE trigger unless the connection asks for
that (https://www.sqlite.org/lang_conflict.html): ours do, and a plain sqlite3 does not. What comes before the insertion
always fires. A row that brings no number of its own has the number -1 there, which no row of ours has.
"""

from __future__ import annotations

from typing import Final

from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_GUARDS: Final = (
    Guard(
        "api_key_revoked_stays",
        "api_key",
        "UPDATE",
        "OLD.revoked_us IS NOT NULL AND (NEW.revoked_us IS DISTINCT FROM OLD.revoked_us "
        "OR NEW.key_sha256 IS DISTINCT FROM OLD.key_sha256)",
        "a revoked API key stays revoked",
    ),
    Guard("node_kept", "node", "DELETE", "OLD.state = 'revoked'", "a revoked node stays"),
)

_LIVE: Final = "state <> 'rejected'"
_OF_WINDOW: Final = "credential_type = 'GreenComputeWindowCredential'"

_KEYS: Final = {
    "api_key": ("id", "key_sha256"),
    "audit_log": ("id",),
    "credential": ("id",),
    "credential_bytes": ("credential_id",),
    "inference": ("tenant_id, inference_id",),
    "node": ("id", "key_uri", "ek_digest"),
    "nonce": ("nonce",),
    "receipt": ("record_digest",),
    "signing_key": ("issuer_slug, key_id",),
    "status_entry": ("list_id, idx", "credential_id"),
    "status_list": ("id", "issuer_slug, number"),
    "telemetry_window": ("id", "node_id, epoch, sequence", "digest"),
    "tpm_challenge": ("id",),
    "window_share": ("window_id, tenant_id, model_id",),
}
"""What makes two rows of a table one: its primary key and unique columns. SQLite's own number of a row comes on top."""

_PARTIAL: Final = {
    "credential": (
        f"NEW.{_LIVE} AND {{}} tenant_id = NEW.tenant_id AND inference_id = NEW.inference_id AND {_LIVE})",
        f"NEW.{_LIVE} AND NEW.{_OF_WINDOW} AND {{}} window_id = NEW.window_id AND {_LIVE} AND {_OF_WINDOW})",
    ),
    "signing_key": ("NEW.state = 'active' AND {} issuer_slug = NEW.issuer_slug AND state = 'active')",),
    # The same evidence may come again, and is not written twice.
    "evidence": ("{} (digest = NEW.digest OR rowid = NEW.rowid) AND (digest <> NEW.digest OR body IS NOT NEW.body))",),
}
"""Unique indexes of some rows only; ``{}`` stands for the beginning of the search for a row in the way."""

_UNNUMBERED: Final = frozenset({"inference", "window_share", "evidence"})
"""Tables that SQLite numbers no rows of, and the one whose condition has the number already."""

_LEFT_OUT: Final = frozenset({"inference", "receipt", "status_entry", "status_list"})
"""Tables that are written with ON CONFLICT DO NOTHING: the new row is left out, whichever way it came."""


def upgrade() -> None:
    """Apply the revision."""
    dialect = op.get_bind().dialect.name
    for statement in guards.statements(dialect, _GUARDS):
        op.execute(statement)
    if dialect == "sqlite":
        for table in sorted({*_KEYS, *_PARTIAL}):
            op.execute(_no_replacement(table))
    op.create_index("ix_credential_node_period", "credential", ["tenant_id", "node_id", "period_end_us", "id"])


def _no_replacement(table: str) -> str:
    # One search for each key: SQLite looks each of them up in its own index.
    search = f"EXISTS (SELECT 1 FROM {table} WHERE"  # noqa: S608 - our own names
    keys = [*_KEYS.get(table, ()), *(() if table in _UNNUMBERED else ("rowid",))]
    same = [" AND ".join(f"{column} = NEW.{column}" for column in key.split(", ")) for key in keys]
    found = [f"{search} {condition})" for condition in same]
    found += [f"({partial.format(search)})" for partial in _PARTIAL.get(table, ())]
    refusal = "IGNORE" if table in _LEFT_OUT else f"ABORT, 'a row of {table} is never replaced'"
    return (
        f"CREATE TRIGGER {table}_not_replaced BEFORE INSERT ON {table} WHEN {' OR '.join(found)} "
        f"BEGIN SELECT RAISE({refusal}); END"
    )
