"""Of what sums are made: one row for each credential or share that counts, whatever table it is from.

All have the same columns (LABELS). ``moved`` and ``outdated`` have besides, as ``counted_…``, in which sum of its
window's shares an inference is contained, to be taken off there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, String, Table, case, cast, func, literal, or_, select

from issuer.store.amounts import FIGURES, MAYBE
from issuer.store.models import CREDENTIAL, STATUS_ENTRY
from issuer.store.report_models import COUNTS, FURTHER, PARTS, REPORTED
from issuer.store.selections import MEASURED_TYPE, WINDOW_TYPE, Selection
from issuer.store.window_models import REISSUED_SHARE, WINDOW_SHARE

_ROW = CREDENTIAL.c
_ENTRY = STATUS_ENTRY.c

KEYS: Final = ("revoked", "suspended", "simulated", "factor_type", "assurance", "basis", "attribution")
COUNTED: Final = ("counted_revoked", "counted_suspended", "counted_factor_type", "counted_basis", "counted_attribution")
WHOSE: Final = ("tenant_id", "model_id", "node_id")

_LONGEST_RECORD_US: Final = 86_400_000_000
"""The longest period of a posted record (schemas.telemetry)."""

_LONGEST_WINDOW_US: Final = 2 * 3_600_000_000
"""More than that of a window, an hour (schemas.window_header), whose wall clock may have been set meanwhile."""


class Ended(NamedTuple):
    """Those whose period ended in [since, until), each wholly. None: no limit."""

    since_us: int | None
    until_us: int | None

    def conditions(
        self, start: ColumnElement[Any], end: ColumnElement[Any], longest_us: int
    ) -> list[ColumnElement[bool]]:
        """Return the conditions on the columns of a period."""
        del start, longest_us
        found = [] if self.since_us is None else [end >= self.since_us]
        return found if self.until_us is None else [*found, end < self.until_us]

    def near(self, end: ColumnElement[Any], longest_us: int) -> list[ColumnElement[bool]]:
        """Return conditions on the end of what lies within such a period, which let an index of it be used."""
        found = [] if self.since_us is None else [end >= self.since_us - longest_us]
        return found if self.until_us is None else [*found, end < self.until_us]

    def beyond(self, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool] | None:
        """Return which of them reach beyond: none is split."""
        del start, end
        return None


class Overlapping(NamedTuple):
    """Those whose period has a part in [start, end); one without a length where it is within."""

    start_us: int
    end_us: int

    def conditions(
        self, start: ColumnElement[Any], end: ColumnElement[Any], longest_us: int
    ) -> list[ColumnElement[bool]]:
        """Return the conditions on the columns of a period of at most ``longest_us``: then an index of its end serves."""
        began = func.coalesce(start, end)
        lasting = (began < end) & (began < self.end_us) & (end > self.start_us)
        instant = (began >= end) & (end < self.end_us)
        return [end >= self.start_us, end <= self.end_us + longest_us, or_(lasting, instant)]

    def near(self, end: ColumnElement[Any], longest_us: int) -> list[ColumnElement[bool]]:
        """Return conditions on the end of what lies within such a period, which let an index of it be used."""
        return [end >= self.start_us - longest_us, end <= self.end_us + longest_us]

    def beyond(self, start: ColumnElement[Any], end: ColumnElement[Any]) -> ColumnElement[bool] | None:
        """Return which of them reach beyond, and are split."""
        began = func.coalesce(start, end)
        return (began < end) & ((began < self.start_us) | (end > self.end_us))


When = Ended | Overlapping


def posted(selection: Selection, when: When) -> Select[Any]:
    """Select the credentials of posted records."""
    columns: list[ColumnElement[Any]] = [
        *_status("revoked", "suspended", _ENTRY),
        *_labelled(_ROW.simulated, _ROW.emission_factor_type, _ROW.assurance, REPORTED.c.basis, REPORTED.c.attribution),
        *_whose(_ROW.tenant_id, _ROW.model_id, _ROW.node_id),
        _ROW.id.label("id"),
        literal(1).label("count"),
        *_figures(_ROW, REPORTED.c),
        *_period(when, _ROW.id, _ROW.period_start_us, _ROW.period_end_us),
    ]
    return (
        select(*columns)
        .join(STATUS_ENTRY, (_ENTRY.list_id == _ROW.list_id) & (_ENTRY.idx == _ROW.idx))
        .outerjoin(REPORTED, REPORTED.c.credential_id == _ROW.id)
        .where(*_of(selection), *when.conditions(_ROW.period_start_us, _ROW.period_end_us, _LONGEST_RECORD_US))
        .where(_ROW.credential_type == MEASURED_TYPE, _ROW.window_id.is_(None), _ENTRY.superseded_us.is_(None))
    )


def windowed(selection: Selection, when: When, shares: Table) -> Select[Any]:
    """Select the shares of windows by their first or by a later credential, with its status, where it is the current."""
    share = shares.c
    of_it = _ROW.id == share.credential_id if shares is REISSUED_SHARE else _ROW.window_id == share.window_id
    conditions: list[ColumnElement[bool]] = [_ROW.state == "issued", _ROW.credential_type == WINDOW_TYPE]
    conditions.append(_ENTRY.superseded_us.is_(None))
    if shares is WINDOW_SHARE:
        conditions.append(_ROW.supersedes == "")
    named = (
        (share.tenant_id, selection.tenant_id),
        (share.model_id, selection.model_id),
        (_ROW.node_id, selection.node_id),
    )
    conditions += [column == value for column, value in named if value is not None]
    columns: list[ColumnElement[Any]] = [
        *_status("revoked", "suspended", _ENTRY),
        # SQLite keeps a truth as 0 or 1, and so do shares in both databases.
        *_labelled(
            share.simulated != 0, share.emission_factor_type, _ROW.assurance, REPORTED.c.basis, share.attribution
        ),
        *_whose(share.tenant_id, share.model_id, _ROW.node_id),
        _ROW.id.label("id"),
        share["count"].label("count"),
        *_figures(share, share),
        *_period(when, _ROW.id, _ROW.period_start_us, share.end_us),
    ]
    return (
        select(*columns)
        .join(CREDENTIAL, of_it)
        .join(STATUS_ENTRY, (_ENTRY.list_id == _ROW.list_id) & (_ENTRY.idx == _ROW.idx))
        .outerjoin(REPORTED, REPORTED.c.credential_id == _ROW.id)
        .where(*conditions, *when.conditions(_ROW.period_start_us, share.end_us, _LONGEST_WINDOW_US))
    )


def moved(selection: Selection, when: When) -> Select[Any]:
    """Select the credentials of windows' inferences whose status is not that of their window's."""
    window, status = CREDENTIAL.alias("of_window"), STATUS_ENTRY.alias("status_of_window")
    own = _status("revoked", "suspended", _ENTRY)
    counted = _status("counted_revoked", "counted_suspended", status.c)
    query = _singles(selection, when, (window, status), WINDOW_SHARE, _ROW.emission_factor_type, literal(None, String))
    return query.where(
        # Whatever befell the window's befell its own too (issuer.store.status), so only these can differ.
        or_(_ENTRY.revoked_us.is_not(None), _ENTRY.suspended_us.is_not(None)),
        or_(own[0] != counted[0], own[1] != counted[1]),
        *(_ENTRY.superseded_us.is_(None), _ENTRY.outdated_us.is_(None)),
    )


def outdated(selection: Selection, when: When) -> Select[Any]:
    """Select the credentials of inferences that still have the factors of a window's credential that was superseded.

    ``counted_…`` is how the window's current shares hold them, with their intensity.
    """
    window, status, share = CREDENTIAL.alias("of_window"), STATUS_ENTRY.alias("status_of_window"), REISSUED_SHARE.c
    query = _singles(selection, when, (window, status), REISSUED_SHARE, share.emission_factor_type, share.gco2e_per_kwh)
    return query.where(_ENTRY.outdated_us.is_not(None), _ENTRY.superseded_us.is_(None))


def _singles(  # noqa: PLR0917 - the parts of one query
    selection: Selection,
    when: When,
    of_window: tuple[Any, Any],
    shares: Table,
    factor_type: ColumnElement[Any],
    intensity: ColumnElement[Any],
) -> Select[Any]:
    (window, status), share, basis = of_window, shares.c, REPORTED.alias("reported_of_window")
    mine = (share.tenant_id == _ROW.tenant_id) & (share.model_id == _ROW.model_id)
    place = share.credential_id == window.c.id if shares is REISSUED_SHARE else share.window_id == _ROW.window_id
    counted = (factor_type, basis.c.basis, share.attribution, intensity)
    names = (*COUNTED[2:], "counted_intensity")
    columns: list[ColumnElement[Any]] = [
        *_status("revoked", "suspended", _ENTRY),
        *_labelled(_ROW.simulated, _ROW.emission_factor_type, _ROW.assurance, REPORTED.c.basis, REPORTED.c.attribution),
        *_whose(_ROW.tenant_id, _ROW.model_id, _ROW.node_id),
        *_status("counted_revoked", "counted_suspended", status.c),
        *(column.label(name) for name, column in zip(names, counted, strict=True)),
        _ROW.id.label("id"),
        literal(1).label("count"),
        *_figures(_ROW, REPORTED.c, stated_by=share),
        *_period(when, window.c.id, window.c.period_start_us, window.c.period_end_us),
    ]
    return (
        select(*columns)
        .join(STATUS_ENTRY, (_ENTRY.list_id == _ROW.list_id) & (_ENTRY.idx == _ROW.idx))
        .join(window, (window.c.window_id == _ROW.window_id) & (window.c.credential_type == WINDOW_TYPE))
        .join(status, (status.c.list_id == window.c.list_id) & (status.c.idx == window.c.idx))
        .join(shares, place & mine)
        .outerjoin(REPORTED, REPORTED.c.credential_id == _ROW.id)
        .outerjoin(basis, basis.c.credential_id == window.c.id)
        .where(*_of(selection), _ROW.credential_type == MEASURED_TYPE)
        .where(window.c.state == "issued", status.c.superseded_us.is_(None))
        .where(*when.conditions(window.c.period_start_us, share.end_us, _LONGEST_WINDOW_US))
        # A record lies within its window.
        .where(*when.near(_ROW.period_end_us, _LONGEST_WINDOW_US))
    )


def _of(selection: Selection) -> list[ColumnElement[bool]]:
    return selection._replace(since_us=None, until_us=None).conditions()


def _status(revoked: str, suspended: str, entry: Any) -> list[ColumnElement[bool]]:
    return [entry.revoked_us.is_not(None).label(revoked), entry.suspended_us.is_not(None).label(suspended)]


def _labelled(*columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.label(name) for name, column in zip(KEYS[2:], columns, strict=True)]


def _whose(*columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.label(name) for name, column in zip(WHOSE, columns, strict=True)]


def _figures(plain: Any, further: Any, *, stated_by: Any = None) -> list[ColumnElement[Any]]:
    """Return the columns of all figures and counts; with ``stated_by``, those that stand there alone."""
    found = [plain[f"{figure}_{part}"].label(f"{figure}_{part}") for figure in FIGURES[:2] for part in PARTS]
    for name in (*(f"{figure}_{part}" for figure in FURTHER for part in PARTS), *COUNTS):
        column = further[name] if stated_by is None else case((stated_by[name].is_not(None), further[name]))
        found.append(column.label(name))
    return found


def _period(
    when: When, name: ColumnElement[Any], start: ColumnElement[Any], end: ColumnElement[Any]
) -> list[ColumnElement[Any]]:
    """Return id and period of those that reach beyond, and nothing of all others: so these are summed together."""
    beyond = when.beyond(start, end)
    if beyond is None:
        return [literal("").label("split_id"), literal(0).label("start_us"), literal(0).label("end_us")]
    return [
        case((beyond, cast(name, String)), else_="").label("split_id"),
        case((beyond, start), else_=0).label("start_us"),
        case((beyond, end), else_=0).label("end_us"),
    ]


def summed(units: Select[Any], keys: Sequence[str]) -> Select[Any]:
    """Return the sums over rows of one of the queries above, grouped by ``keys`` and by what is to be split."""
    row = units.subquery().c
    groups = [row[name] for name in (*keys, "split_id", "start_us", "end_us")]
    sums = [func.sum(row["count"]).label("count")]
    sums += [func.sum(row[f"{figure}_{part}"]).label(f"{figure}_{part}") for figure in FIGURES for part in PARTS]
    sums += [func.sum(row[name]).label(name) for name in COUNTS]
    for name in MAYBE:
        stated = row[name if name in COUNTS else f"{name}_units"]
        sums.append(func.sum(case((stated.is_(None), row["count"]), else_=0)).label(f"{name}_without"))
    return select(*groups, *sums).group_by(*groups)
