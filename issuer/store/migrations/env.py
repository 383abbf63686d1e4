"""Run by Alembic: apply the revisions on the connection, and in the transaction, of issuer.store.migrate."""

from __future__ import annotations

from alembic import context

from issuer.store.models import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
