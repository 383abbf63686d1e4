"""Triggers of revision 0001: what no program and no hand may do, whatever it sends to the database."""

from __future__ import annotations

from typing import Final

# (name, table, event, condition or "" for always, message). IS DISTINCT FROM is spelled IS NOT in SQLite.
_GUARDS: Final = (
    (
        "status_entry_revoked_stays",
        "status_entry",
        "UPDATE",
        "OLD.revoked_us IS NOT NULL AND NEW.revoked_us IS DISTINCT FROM OLD.revoked_us",
        "a revocation never reverts",
    ),
    (
        "status_entry_stays",
        "status_entry",
        "UPDATE",
        "NEW.list_id <> OLD.list_id OR NEW.idx <> OLD.idx OR NEW.credential_id <> OLD.credential_id",
        "a status index is never given to another credential",
    ),
    ("status_entry_kept", "status_entry", "DELETE", "", "a status index is never given out again"),
    (
        "credential_bytes_final",
        "credential_bytes",
        "UPDATE",
        "OLD.document IS NOT NULL AND NEW.document IS DISTINCT FROM OLD.document",
        "an issued document never changes",
    ),
    ("audit_log_final", "audit_log", "UPDATE", "", "the audit log is never changed"),
    ("audit_log_kept", "audit_log", "DELETE", "", "the audit log is never cut"),
)

_FUNCTION: Final = """
CREATE FUNCTION green_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$
"""


def statements(dialect: str) -> list[str]:
    """Return the statements that create the triggers in SQLite or PostgreSQL."""
    if dialect == "sqlite":
        return [_sqlite(*guard) for guard in _GUARDS]
    # Row triggers do not see TRUNCATE.
    tables = sorted({table for _, table, event, _, _ in _GUARDS if event == "DELETE"})
    return [_FUNCTION, *(_postgresql(*guard) for guard in _GUARDS), *(_no_truncate(table) for table in tables)]


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
