"""A report for a person at a terminal: the verdict first, then every step with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from verifier.audit_report import AuditReport
from verifier.document import Kind
from verifier.report import Outcome, Report, Result, findings_of
from verifier.visible import visible

MARKS: Final = {
    Result.PASSED: ("✓", "green"),
    Result.WARNING: ("!", "yellow"),
    Result.SKIPPED: ("·", "dim"),
    Result.INCONCLUSIVE: ("?", "magenta"),
    Result.FAILED: ("✗", "red"),
}
OUTCOMES: Final = {
    Outcome.VERIFIED: ("✓ VERIFIED", "bold green"),
    Outcome.REFUSED: ("✗ REFUSED", "bold red"),
    Outcome.INCONCLUSIVE: ("? INCONCLUSIVE", "bold magenta"),
}
_FACTS: Final = (
    ("modelId", "model"),
    ("nodeId", "node"),
    ("inferenceId", "inference"),
    ("jobId", "job"),
    ("tenantId", "customer"),
    ("periodStart", "from"),
    ("periodEnd", "to"),
    ("energyKwh", "energy (kWh)"),
    ("operationalEmissionsGco2e", "emissions (g CO2e)"),
    ("grid", "grid"),
    ("windowSequence", "window"),
    ("recordCount", "records in it"),
    ("measurementMethod", "measured by"),
    ("assurance", "assurance"),
)
_NAMED_BY_NODE: Final = (Kind.RECEIPT.value, "tenantId")
_BY_THE_NODE: Final = ", as the node named it"
_INSIDE: Final = "The window's credential that this rests on"
LEGEND: Final = "✓ holds   ! holds, and you should know   · not checked   ? could not be checked   ✗ does not hold"


class PlainConsole(Console):
    """A console that leaves a reader's going away to its caller: rich's own would exit with 1, our "refused"."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError."""
        raise BrokenPipeError


def show(report: Report, stream: TextIO) -> None:
    """Write ``report`` to ``stream``; in colours only where that is a terminal. Raises BrokenPipeError."""
    console = PlainConsole(file=stream, highlight=False, soft_wrap=False, emoji=False, markup=False)
    console.print(headline(report))
    console.print(_facts_table(report))
    console.print(_steps(report))
    for number, inner in enumerate(report.credentials, start=1):
        title = f"Credential {number} of {len(report.credentials)}" if report.kind == Kind.PRESENTATION else _INSIDE
        console.print(Text(f"\n{title}", style="bold"))
        show(inner, stream)
    if not report.credentials:
        console.print(Text(LEGEND, style="dim"))


def headline(report: Report | AuditReport) -> Text:
    """Return the line above a report: the outcome, and what stands in the way or else all that is warned of."""
    words, style = OUTCOMES[report.outcome]
    if report.outcome is not Outcome.VERIFIED:
        reason = f"  {visible(report.problem or '')}: {visible(report.detail or '')}"
        return Text(words, style=style).append(reason, style="not bold")
    if not report.warned_of:
        return Text(words, style=style)
    return Text(f"{words}, with warnings: {', '.join(report.warned_of)}", style="bold yellow")


def _facts_table(report: Report) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in _facts(report):
        table.add_row(name, Text(visible(value)))
    return table


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "document", report.kind + (f" {report.id}" if report.id else "")
    for name, value in (("issuer", report.issuer), ("holder", report.holder)):
        if value is not None:
            yield name, value
    # The claims of a refused credential are nobody's word: only what stands is shown as a fact.
    if report.outcome is Outcome.VERIFIED:
        shown = {**report.subject, **({} if report.grid is None else {"grid": report.grid.line})}
        for claim, name in _FACTS:
            if claim in shown:
                yield name, shown[claim] + (_BY_THE_NODE if (report.kind, claim) == _NAMED_BY_NODE else "")
    yield "checked for", report.at


def _steps(report: Report) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in report.checks:
        for number, finding in enumerate(findings_of(check)):
            mark, style = MARKS[finding.result]
            detail = Text(visible(finding.detail))
            if finding.problem is not None:
                detail.append(f"  [{visible(finding.problem)}]", style=style)
            table.add_row(Text(mark, style=style), check.step if number == 0 else "", detail)
    return table
