"""What reports sum besides energy and location-based emissions: the columns, and their table for credentials.

A credential's stand beside it and not in it: a row of an issued credential never changes, and what an older version of
this program did not write down is added from the document. The shares of windows have the same columns themselves.
NULL is "not stated" everywhere, and never zero.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, PrimaryKeyConstraint, String, Table

from issuer.store.models import METADATA

PARTS: Final = ("units", "nano", "atto")
"""The three integers of a decimal (issuer.store.figures)."""

FURTHER: Final = ("embodied", "market", "estimated", "margin")
"""Decimals: embodied and market-based emissions in g; estimated energy in kWh, its part of the building's included; and
the expanded uncertainty of the energy (k = 2) in kWh."""

COUNTS: Final = ("requests", "tokens")
"""Functional units: requests, and tokens read and generated."""


def further_columns() -> tuple[Column[int] | Column[str], ...]:
    """Return new columns of all of them, each NULL where it is not stated, and of how energy was attributed."""
    figures = (f"{figure}_{part}" for figure in FURTHER for part in PARTS)
    numbers = [Column(name, BigInteger, nullable=True) for name in (*figures, *COUNTS)]
    return (*numbers, Column("attribution", String, nullable=True))


REPORTED: Final = Table(
    "reported",
    METADATA,
    Column("credential_id", String, nullable=False),
    Column("basis", String, nullable=True),
    *further_columns(),
    PrimaryKeyConstraint("credential_id"),
    ForeignKeyConstraint(["credential_id"], ["credential.id"]),
    sqlite_with_rowid=False,
)
"""``basis`` (JSON) is by which factor and method a credential's figures came about: few kinds, so that sums group by it.

A window's credential has only that here: what its inferences have of it stands with their shares.
"""
