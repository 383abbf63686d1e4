"""More that nobody may do: change or remove what was reserved, issued, proven or published."""

from __future__ import annotations

from typing import Final

from alembic import op

from issuer.store.migrations import guards
from issuer.store.migrations.guards import Guard

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_FROZEN: Final = (
    *("id", "issuer_slug", "tenant_id", "inference_id", "credential_type", "node_id", "model_id"),
    *("period_start_us", "period_end_us", "energy_kwh", "energy_units", "energy_nano", "energy_atto"),
    *("operational_emissions_gco2e", "emissions_units", "emissions_nano", "emissions_atto", "emission_factor_type"),
    *("assurance", "simulated", "body_digest", "record_digest", "list_id", "idx", "reserved_us"),
)


def _changed(*columns: str) -> str:
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


_GUARDS: Final = (
    Guard("credential_final", "credential", "UPDATE", "OLD.state <> 'reserved'", "an issued credential never changes"),
    Guard("credential_frozen", "credential", "UPDATE", _changed(*_FROZEN), "what was reserved never changes"),
    Guard("credential_kept", "credential", "DELETE", "", "a credential is never removed"),
    # Emptied only by the update that brings the issued document.
    Guard(
        "credential_bytes_frozen",
        "credential_bytes",
        "UPDATE",
        f"({_changed('credential_id')}) OR (OLD.unsecured IS NOT NULL AND ({_changed('unsecured')}) "
        "AND (NEW.unsecured IS NOT NULL OR NEW.document IS NULL))",
        "the bytes to be signed are frozen with the reservation",
    ),
    Guard("credential_bytes_kept", "credential_bytes", "DELETE", "", "a credential is never removed"),
    Guard("evidence_final", "evidence", "UPDATE", "", "evidence never changes"),
    Guard("evidence_kept", "evidence", "DELETE", "", "evidence is never removed"),
    # What a key signed verifies for as long as the DID document has the key, as it was.
    Guard(
        "signing_key_final",
        "signing_key",
        "UPDATE",
        _changed("issuer_slug", "key_id", "jwk", "algorithm", "created_us"),
        "a published key never becomes another",
    ),
    Guard(
        "signing_key_revoked_stays",
        "signing_key",
        "UPDATE",
        f"OLD.state = 'revoked' AND ({_changed('state', 'revoked_us')})",
        "a revoked key stays revoked",
    ),
    Guard("signing_key_kept", "signing_key", "DELETE", "", "a key that signed stays published"),
    # An index is used once. A list that was closed after a restored backup may not know which were.
    Guard(
        "status_list_closed_stays",
        "status_list",
        "UPDATE",
        "OLD.closed_us IS NOT NULL AND NEW.closed_us IS NULL",
        "a closed status list gives out no more indexes",
    ),
    Guard(
        "status_list_grows",
        "status_list",
        "UPDATE",
        f"({_changed('id', 'issuer_slug', 'number', 'size')}) OR NEW.allocated < OLD.allocated "
        "OR NEW.version < OLD.version",
        "a status list is never set back",
    ),
    Guard("status_list_kept", "status_list", "DELETE", "", "a status list stays published"),
)


def upgrade() -> None:
    """Apply the revision."""
    for statement in guards.statements(op.get_bind().dialect.name, _GUARDS):
        op.execute(statement)
