"""Triggers: what no program and no hand may do, whatever it sends to the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple


class Guard(NamedTuple):
    """One trigger. ``condition``: empty for always; IS DISTINCT FROM is spelled IS NOT in SQLite."""

    name: str
    table: str
    event: str
    condition: str
    message: str


REVISION_0001: Final = (
    Guard(
        "status_entry_revoked_stays",
        "status_entry",
        "UPDATE",
        "OLD.revoked_us IS NOT NULL AND NEW.revoked_us IS DISTINCT FROM OLD.revoked_us",
        "a revocation never reverts",
    ),
    Guard(
        "status_entry_stays",
        "status_entry",
        "UPDATE",
        "NEW.list_id <> OLD.list_id OR NEW.idx <> OLD.idx OR NEW.credential_id <> OLD.credential_id",
        "a status index is never given to another credential",
    ),
    Guard("status_entry_kept", "status_entry", "DELETE", "", "a status index is never given out again"),
    Guard(
        "credential_bytes_final",
        "credential_bytes",
        "UPDATE",
        "OLD.document IS NOT NULL AND NEW.document IS DISTINCT FROM OLD.document",
        "an issued document never changes",
    ),
    Guard("audit_log_final", "audit_log", "UPDATE", "", "the audit log is never changed"),
    Guard("audit_log_kept", "audit_log", "DELETE", "", "the audit log is never cut"),
)
"""The guards of the first revision. A revision's guards never change; new ones come with a new revision."""

FUNCTION: Final = """
CREATE FUNCTION green_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$
"""
"""PostgreSQL's function that the triggers call; the first revision makes it."""


def statements(dialect: str, guards: Sequence[Guard]) -> list[str]:
    """Return the statements that create the triggers in SQLite or PostgreSQL."""
    if dialect == "sqlite":
        return [_sqlite(*guard) for guard in guards]
    # Row triggers do not see TRUNCATE.
    tables = sorted({guard.table for guard in guards if guard.event == "DELETE"})
    return [*(_postgresql(*guard) for guard in guards), *(_no_truncate(table) for table in tables)]


def _sqlite(name: str, table: str, event: str, condition: str, message: str) -> str:
    when = f"WHEN {condition.replace('IS DISTINCT FROM', 'IS NOT')} " if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when}BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _postgresql(name: str, table: str, event: str, condition: str, message: str) -> str:
    when = f"WHEN ({condition}) " if condition else ""
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW {when}EXECUTE FUNCTION green_refuse('{message}')"
    )


def _no_truncate(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION green_refuse('this table is never emptied')"
    )
