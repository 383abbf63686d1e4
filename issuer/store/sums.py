"""Exact sums over inferences, made by the database from integers.

An inference that was posted counts by its credential. One of a window counts by its window's share, whether or not it
has a credential of its own, and never by both. Its status is that of its own credential where it has one, else that of
its window's (issuer.windows.export has the same rule): where the two differ, it moves from one sum to the other.
What a window measured that belongs to no record (idle, unattributed) is in no inference and so in no sum.

Of credentials that superseded each other the last one counts: a window by the shares of its current credential. An
inference whose own credential is outdated (it was suspended or revoked when its window's was superseded) counts by what
that one says; the window's share has it under another intensity, and so it is taken out of there as that has it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Row, Select, String, bindparam, literal, select, union

from issuer.store.amounts import FIGURES, MAYBE, Amounts, Key, Line, add, decimal_of, nothing, number_of, part_within
from issuer.store.database import AsyncConnection
from issuer.store.records import Sum, Totals
from issuer.store.report_models import COUNTS, PARTS
from issuer.store.selections import Selection
from issuer.store.sum_queries import (
    COUNTED,
    KEYS,
    WHOSE,
    Ended,
    Overlapping,
    When,
    moved,
    outdated,
    posted,
    summed,
    windowed,
)
from issuer.store.window_models import REISSUED_SHARE, WINDOW_SHARE
from schemas import decimals

KINDS: Final = ("measured", "simulated", "suspended", "revoked")
_ROWS_AT_ONCE: Final = 500
_NANO: Final = 10**9


class Counted(NamedTuple):
    """A credential by which a sum came about; ``taken_off``: a single one of an inference that counts elsewhere."""

    key: Key
    credential_id: str
    taken_off: bool


async def sum_totals(connection: AsyncConnection, selection: Selection) -> Totals:
    """Return the sums of a selection, each credential in exactly one of the four."""
    lines = await sum_lines(connection, selection, Ended(selection.since_us, selection.until_us))
    return Totals(**{kind: _sum([line for line in lines if line.key.kind == kind]) for kind in KINDS})


async def sum_lines(
    connection: AsyncConnection, selection: Selection, when: When, per: tuple[str, ...] = ()
) -> list[Line]:
    """Return the sums of a selection by all that is never summed together, and by ``per`` (of WHOSE) besides."""
    queries, values = _queries(_shape(selection, when), per), _values(selection, when)
    sums: dict[Key, Amounts] = {}
    taken_off: dict[tuple[Key, str], Amounts] = {}
    for query in queries.singles:
        async for row in _rows(connection, query, values):
            add(sums.setdefault(_key(row, per), nothing()), _within(row, _amounts(row), when))
            add(taken_off.setdefault((_counted_key(row, per), row.split_id), nothing()), _as_counted(row))
    for query in queries.plain:
        async for row in _rows(connection, query, values):
            key, amounts = _key(row, per), _amounts(row)
            # Before it is split: a part of a difference is no difference of parts, by a last digit.
            if row.split_id and (key, row.split_id) in taken_off:
                add(amounts, taken_off.pop((key, row.split_id)), -1)
            add(sums.setdefault(key, nothing()), _within(row, amounts, when))
    for (key, _), amounts in taken_off.items():
        add(sums.setdefault(key, nothing()), amounts, -1)
    # Where all of them moved on, a margin is left, which is of nothing.
    return [Line(key, amounts) for key, amounts in sums.items() if amounts["count"] or amounts["energy"]]


async def counted_credentials(
    connection: AsyncConnection, selection: Selection, when: Overlapping, per: tuple[str, ...] = ()
) -> AsyncIterator[Counted]:
    """Yield by which credentials sum_lines comes about, in the order of their ids, each once for every sum it is in."""
    query = _queries(_shape(selection, when), per).credentials
    async for row in _rows(connection, query, _values(selection, when)):
        yield Counted(_key(row, per), row.id, bool(row.taken_off))


class _Queries(NamedTuple):
    """What is asked: sums, sums of singles that count elsewhere than their window's shares have them, and ids."""

    plain: tuple[Select[Any], ...]
    singles: tuple[Select[Any], ...]
    credentials: Select[Any]


def _shape(selection: Selection, when: When) -> tuple[bool, ...]:
    """Return which values there are: queries of one shape differ in these alone."""
    named = (selection.tenant_id, selection.model_id, selection.node_id)
    return isinstance(when, Overlapping), *(value is not None for value in (*named, *when))


@lru_cache(maxsize=128)
def _queries(shape: tuple[bool, ...], per: tuple[str, ...]) -> _Queries:
    # Put together once: that takes some 40 ms, and a report asks hundreds of times.
    is_overlapping, *given = shape
    names = (*WHOSE, "start_us", "end_us")
    types: tuple[Any, ...] = (String, String, String, BigInteger, BigInteger)
    values: list[Any] = [
        bindparam(f"asked_{name}", type_=kind) if is_given else None
        for name, kind, is_given in zip(names, types, given, strict=True)
    ]
    tenant, model, node, start_us, end_us = values
    selection = Selection(tenant, model_id=model, node_id=node)
    when: When = Overlapping(start_us, end_us) if is_overlapping else Ended(start_us, end_us)
    plain = (posted(selection, when), *(windowed(selection, when, one) for one in (WINDOW_SHARE, REISSUED_SHARE)))
    singles = (moved(selection, when), outdated(selection, when))
    named = [*(_named(units, per) for units in (*plain, *singles))]
    every = union(*named, *(_named(units, per, taken_off=True) for units in singles)).subquery()
    return _Queries(
        tuple(summed(units, (*KEYS, *per)) for units in plain),
        tuple(summed(units, (*KEYS, *COUNTED, "counted_intensity", *per)) for units in singles),
        select(every).order_by(every.c.id, every.c.taken_off),
    )


def _values(selection: Selection, when: When) -> dict[str, object]:
    given = (selection.tenant_id, selection.model_id, selection.node_id, *when)
    names = (*WHOSE, "start_us", "end_us")
    return {f"asked_{name}": value for name, value in zip(names, given, strict=True) if value is not None}


async def _rows(connection: AsyncConnection, query: Select[Any], values: dict[str, object]) -> AsyncIterator[Row[Any]]:
    """Yield rows some at a time: others get on meanwhile, however many reach beyond a period."""
    options = {"yield_per": _ROWS_AT_ONCE}
    async with connection.stream(query, values, execution_options=options) as result:
        async for rows in result.partitions():
            for row in rows:
                yield row


def _within(row: Row[Any], amounts: Amounts, when: When) -> Amounts:
    if not row.split_id or isinstance(when, Ended):
        return amounts
    return part_within(amounts, (int(row.start_us), int(row.end_us)), when.start_us, when.end_us)


def _named(units: Select[Any], per: Sequence[str], *, taken_off: bool = False) -> Select[Any]:
    row = units.subquery().c
    counted = {name.removeprefix("counted_"): row[name] for name in COUNTED} if taken_off else {}
    keys = [counted.get(name, row[name]).label(name) for name in KEYS]
    return select(*keys, *(row[name] for name in per), row.id, literal(int(taken_off)).label("taken_off"))


def _key(row: Row[Any], per: Sequence[str]) -> Key:
    kind = _kind(row.simulated, revoked=row.revoked, suspended=row.suspended)
    return Key(kind, row.factor_type, row.assurance, row.basis, row.attribution, **_whose(row, per))


def _counted_key(row: Row[Any], per: Sequence[str]) -> Key:
    kind = _kind(row.simulated, revoked=row.counted_revoked, suspended=row.counted_suspended)
    basis, attribution = row.counted_basis, row.counted_attribution
    return Key(kind, row.counted_factor_type, row.assurance, basis, attribution, **_whose(row, per))


def _whose(row: Row[Any], per: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in WHOSE if name in per}


def _kind(simulated: Any, *, revoked: Any, suspended: Any) -> str:
    if revoked:
        return "revoked"
    if suspended:
        return "suspended"
    return "simulated" if simulated else "measured"


def _amounts(row: Row[Any]) -> Amounts:
    # PostgreSQL sums 64-bit integers as numeric, which arrives as Decimal without a fraction.
    found = {"count": int(row._mapping["count"])}  # noqa: SLF001 - a row's own ``count`` is a method of tuples
    for figure in FIGURES:
        units, nano, atto = (int(getattr(row, f"{figure}_{part}") or 0) for part in PARTS)
        found[figure] = (units * _NANO + nano) * _NANO + atto
    found |= {name: int(getattr(row, name) or 0) for name in COUNTS}
    return found | {f"{name}_without": int(getattr(row, f"{name}_without")) for name in MAYBE}


def _as_counted(row: Row[Any]) -> Amounts:
    """Return what a row takes off: emissions as the window's share has them, and no margin, which is no sum of singles."""
    amounts = _amounts(row) | {"margin": 0, "margin_without": 0}
    if row.counted_intensity is None:
        return amounts
    energy = decimal_of(amounts["energy"])
    return amounts | {"emissions": number_of(decimals.multiply(energy, decimals.parse(row.counted_intensity)))}


def _sum(lines: Sequence[Line]) -> Sum:
    grams: dict[str, int] = {}
    for line in lines:
        grams[line.key.factor_type] = grams.get(line.key.factor_type, 0) + line.amounts["emissions"]
    return Sum(
        count=sum(line.amounts["count"] for line in lines),
        energy_kwh=decimals.add(Decimal(0), *(decimal_of(line.amounts["energy"]) for line in lines)),
        emissions_gco2e={kind: decimal_of(number) for kind, number in grams.items()},  # type: ignore[misc]  # of two words
        lines=tuple(lines),
    )
