"""The tables of the grid's data, the same in SQLite and PostgreSQL, and of what was claimed provisionally."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from issuer.store.models import METADATA


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String, nullable=nullable)


def _big(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


GRID_SLOT: Final = Table(
    "grid_slot",
    METADATA,
    _text("source"),
    _text("zone"),
    _text("signal"),
    _text("factor_type"),
    _text("granularity"),
    _big("start_us"),
    _big("end_us"),
    _text("provider"),
    _text("data_source"),
    _text("licence"),
    _text("gco2e_per_kwh"),
    Column("estimated", Boolean, nullable=False),
    _text("estimation_method", nullable=True),
    _text("tier"),
    _text("endpoint"),
    _big("updated_us", nullable=True),
    _big("retrieved_us"),
    _text("reply_digest"),
    _big("settled_us", nullable=True),
    PrimaryKeyConstraint("source", "zone", "signal", "factor_type", "granularity", "start_us"),
    CheckConstraint("end_us > start_us", name="period"),
    CheckConstraint("settled_us IS NULL OR NOT estimated", name="settled"),
)
"""Slots of providers (schemas.grid_data). ``source`` is the operator's name of the source, ``data_source`` the member
``source`` of the document; once ``settled_us`` stands a row never changes."""

GRID_FEED: Final = Table(
    "grid_feed",
    METADATA,
    _text("source"),
    _text("zone"),
    _big("last_success_us", nullable=True),
    _big("last_failure_us", nullable=True),
    _text("failure", nullable=True),
    Column("failures", Integer, nullable=False),
    _big("next_attempt_us"),
    PrimaryKeyConstraint("source", "zone"),
)
"""How asking a source for a zone went: ``failures`` in a row, and when it is asked again."""

LEASE: Final = Table(
    "lease",
    METADATA,
    _text("name"),
    _text("holder"),
    _big("until_us"),
    PrimaryKeyConstraint("name"),
)
"""Who of many processes does a work, until when if it says no more."""

PROVISIONAL_CLAIM: Final = Table(
    "provisional_claim",
    METADATA,
    _text("credential_id"),
    _text("region"),
    _big("period_start_us"),
    _big("period_end_us"),
    _big("it_mj"),
    _big("closed_us", nullable=True),
    PrimaryKeyConstraint("credential_id"),
    ForeignKeyConstraint(["credential_id"], ["credential.id"]),
    Index(
        "ix_provisional_claim_open",
        "region",
        "period_end_us",
        sqlite_where=text("closed_us IS NULL"),
        postgresql_where=text("closed_us IS NULL"),
    ),
    # In the order in which they are looked through.
    Index(
        "ix_provisional_claim_in_turn",
        "period_end_us",
        "credential_id",
        sqlite_where=text("closed_us IS NULL"),
        postgresql_where=text("closed_us IS NULL"),
    ),
)
"""Credentials whose carbon intensity is not the last word: what it takes to choose again. ``region`` is the node's;
``closed_us`` is set once the credential was superseded, or never will be."""
