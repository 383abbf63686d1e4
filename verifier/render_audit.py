"""The report on an audit bundle for a person at a terminal: the verdict, the sums, and what should be known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TextIO

from rich.table import Table
from rich.text import Text

from verifier.audit_report import AuditReport, Counts, NodeSummary
from verifier.render import LEGEND, MARKS, PlainConsole, headline
from verifier.visible import visible

MAX_SHOWN: Final = 200
"""Findings that are shown; ``--json`` has more."""


def show_audit(report: AuditReport, stream: TextIO) -> None:
    """Write ``report`` to ``stream``; in colours only where that is a terminal. Raises BrokenPipeError."""
    console = PlainConsole(file=stream, highlight=False, soft_wrap=False, emoji=False, markup=False)
    console.print(headline(report))
    console.print(_table(_facts(report)))
    for node in report.nodes:
        console.print(Text(f"\nNode {visible(node.node_id)}", style="bold"))
        console.print(_table(_node(node)))
    if report.findings:
        console.print(Text(""))
        console.print(_findings(report))
    left_out = len(report.findings) - MAX_SHOWN + report.findings_left_out
    if left_out > 0:
        console.print(Text(f"and {left_out} more findings; --json lists them", style="dim"))
    console.print(Text(LEGEND, style="dim"))


def _table(facts: Iterator[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(visible(value)))
    return table


def _facts(report: AuditReport) -> Iterator[tuple[str, str]]:
    yield "bundle", report.bundle_digest
    yield "made", report.created
    yield "checked for", report.at
    yield "windows", _counted(report.windows)
    yield "receipts", _counted(report.receipts)
    yield "credentials", _counted(report.credentials)
    files = f"{report.files.listed} listed"
    for name, found in (("missing", report.files.missing), ("damaged", report.files.damaged)):
        if found:
            files += f", {len(found)} {name}: {', '.join(found[:5])}{' …' if len(found) > 5 else ''}"  # noqa: PLR2004
    yield "files", files
    for wanted in report.evidence_missing[:MAX_SHOWN]:
        yield "not in it", wanted


def _counted(counts: Counts) -> str:
    parts = [f"{counts.verified} of {counts.total} verified"]
    parts += [f"{counts.refused} refused"] if counts.refused else []
    parts += [f"{counts.inconclusive} inconclusive"] if counts.inconclusive else []
    parts += [f"{counts.not_counted} withdrawn by the issuer, not counted"] if counts.not_counted else []
    return ", ".join(parts)


def _node(node: NodeSummary) -> Iterator[tuple[str, str]]:
    missing = f", {node.missing_windows} of them missing" if node.missing_windows else ", none missing"
    withdrawn = f", {node.windows_not_counted} withdrawn and not counted" if node.windows_not_counted else ""
    yield "windows", f"{node.windows}: {node.first_sequence} to {node.last_sequence}{missing}{withdrawn}"
    yield (
        "period",
        f"{node.period_start} to {node.period_end}, {node.uncovered_seconds} s of it in no window that counts",
    )
    yield "records", str(node.records)
    yield "assurance", ", ".join(node.assurances)
    yield from node.sums.items()


def _findings(report: AuditReport) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=1)
    table.add_column(overflow="fold", max_width=44)
    table.add_column(overflow="fold")
    for finding in report.findings[:MAX_SHOWN]:
        mark, style = MARKS[finding.result]
        detail = Text(visible(finding.detail))
        if finding.times > 1:
            detail.append(f" ({finding.times} times)", style="dim")
        if finding.problem is not None:
            detail.append(f"  [{visible(finding.problem)}]", style=style)
        table.add_row(Text(mark, style=style), Text(visible(finding.about)), detail)
    return table
