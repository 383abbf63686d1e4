"""The table slot by slot, as CSV (RFC 4180) or JSON: streamed, so that memory stays flat however long the period is."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from issuer.export import escape
from issuer.reports.codes import codes, codes_in_a_cell
from issuer.reports.figures import by_factor_type, exact, market_view, quality_view, score_view
from issuer.reports.periods import Granularity, Period, slots
from issuer.reports.rows import COLUMNS, NOT_STATED, Row, row_of
from issuer.store.amounts import Amounts, Key, Line, add, decimal_of, nothing
from issuer.store.store import Store
from schemas import times
from schemas.strict_json import Json, JsonObject

Kind = Literal["measured", "simulated"]
Per = Literal["tenant", "model", "node"]
KINDS: Final[tuple[Kind, ...]] = ("measured", "simulated")
PER: Final[tuple[Per, ...]] = ("tenant", "model", "node")

_COLUMNS: Final = {"tenant": "tenant_id", "model": "model_id", "node": "node_id"}
_CSV_COLUMNS: Final = (*COLUMNS, "codes")


class Question(Struct, frozen=True, kw_only=True):
    """Whose report (None: of all tenants) of which period; ``kind`` simulated is of simulated figures, and of no others."""

    tenant_id: str | None
    period: Period
    granularity: Granularity = "whole"
    model_id: str | None = None
    per: tuple[Per, ...] = ()
    kind: Kind = "measured"


class Progress(Struct, frozen=True):
    """How many of the slots are done."""

    done: int
    slots: int


Watch = Callable[[Progress], object]


def _unwatched(_: Progress) -> None:
    """Nobody asked how far it is."""


async def csv_report(store: Store, question: Question, on_slot: Watch = _unwatched) -> AsyncGenerator[bytes]:
    """Yield the table, the header first. A cell of what is not stated says so; formulas are escaped.

    Raises MalformedValueError for a period of too many slots, StoreError.
    """
    planned = slots(question.period, question.granularity)
    # With the first slot and not before it: a database that does not answer is a problem, and no table without rows.
    waiting = _lines([_CSV_COLUMNS])
    for done, slot in enumerate(planned, 1):
        rows = [row for row in await _rows(store, question, slot) if row.entry.key.kind == question.kind]
        on_slot(Progress(done, len(planned)))
        waiting += _lines([*map(_cell, row.values.values()), codes_in_a_cell()] for row in rows)
        if waiting:
            yield waiting
        waiting = b""


async def json_report(store: Store, question: Question, on_slot: Watch = _unwatched) -> AsyncGenerator[bytes]:
    """Yield one JSON object: what was asked, ``codes``, ``rows``, and after them ``totals`` and what was ``left_out``.

    null is "not stated". Raises as csv_report.
    """
    planned = slots(question.period, question.granularity)
    sums: dict[Key, Amounts] = {}
    waiting, separator = b"{" + _members(_head(question)) + b',"rows":[', b""
    for done, slot in enumerate(planned, 1):
        rows = await _rows(store, question, slot)
        for row in rows:
            add(sums.setdefault(_without_names(row.entry.key), nothing()), row.entry.amounts)
        on_slot(Progress(done, len(planned)))
        wanted = [msgspec.json.encode(row.values) for row in rows if row.entry.key.kind == question.kind]
        if wanted:
            waiting += separator + b",".join(wanted)
            separator = b","
        if waiting:
            yield waiting
        waiting = b""
    yield b"]," + _members(_tail(question, sums)) + b"}\n"


async def _rows(store: Store, question: Question, slot: Period) -> list[Row]:
    per = [_COLUMNS[one] for one in question.per]
    entries = await store.reports.slot(
        question.tenant_id, slot.start_us, slot.end_us, model_id=question.model_id, per=per
    )
    return [row_of(entry, slot) for entry in entries]


def _head(question: Question) -> JsonObject:
    start, end = (times.render_claim(times.from_microseconds(moment)) for moment in question.period)
    return {
        "tenant_id": question.tenant_id,
        "model_id": question.model_id,
        "period_start": start,
        "period_end": end,
        "granularity": question.granularity,
        "kind": question.kind,
        "codes": [msgspec.to_builtins(code) for code in codes()],
    }


def _tail(question: Question, sums: dict[Key, Amounts]) -> JsonObject:
    lines = [Line(key, amounts) for key, amounts in sums.items()]
    wanted = [line for line in lines if line.key.kind == question.kind]
    totals: dict[str, Json] = {
        kind: {**score_view(some), "market_based": market_view(some), "quality": quality_view(some)}
        for kind, some in by_factor_type(wanted).items()
    }
    kinds = sorted({line.key.kind for line in lines} - {question.kind})
    left_out: dict[str, Json] = {
        kind: exact(decimal_of(sum(line.amounts["energy"] for line in lines if line.key.kind == kind)))
        for kind in kinds
    }
    return {"totals": totals, "left_out_kwh": left_out}


def _without_names(key: Key) -> Key:
    return key._replace(tenant_id=None, model_id=None, node_id=None)


def _members(value: JsonObject) -> bytes:
    return msgspec.json.encode(value)[1:-1]


def _cell(value: str | None) -> str:
    return NOT_STATED if value is None else escape(value)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
