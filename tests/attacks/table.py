"""Write docs/attack-cases.md: ``make attack-table``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

from tests.attacks.catalogue import GROUPS, REGISTER, Entry
from tests.vectors import ROOT

PAGE: Final = ROOT / "docs" / "attack-cases.md"
FOLDER: Final = Path(__file__).resolve().parent

_HEAD: Final = """\
# Attack cases
Hostile inputs, the outcome that each must have, and the test that holds it. Written by `make attack-table` from
tests/attacks/; a test fails where this page is not what it would write.

Each of these tests also fails where the input costs more than three seconds of CPU or 256 MB, or where this process
tries to reach a host that the test did not set up. *heavy* tests are exempt from the second, and say why.
"""


def load() -> None:
    """Import every test module of this folder, which fills the register."""
    for path in sorted(FOLDER.glob("test_*.py")):
        if path.stem != "test_table":
            importlib.import_module(f"tests.attacks.{path.stem}")


def render() -> str:
    """Return the page."""
    parts = [_HEAD, _summary()]
    for prefix, group in GROUPS.items():
        rows = sorted(row for row in REGISTER.entries if row.startswith(prefix))
        if rows:
            parts.append(_section(group, rows))
    return "\n".join(parts)


def _summary() -> str:
    entries = [REGISTER.of(row) for row in REGISTER.entries]
    covered = sum(any(entry.expected for entry in of_row) for of_row in entries)
    differing = sum(any(entry.differs for entry in of_row) for of_row in entries)
    waiting = sum(any(entry.waits_for for entry in of_row) for of_row in entries)
    closed = len(entries) - covered - waiting
    return (
        f"{len(entries)} rows: {covered} held by a test ({differing} of them with another outcome than the table's, "
        f"for the reason given), {closed} that our surface cannot be reached by, {waiting} that wait for a feature.\n"
    )


def _section(group: str, rows: list[str]) -> str:
    lines = [f"## {group}", "| row | outcome | what is sent, and what holds it |", "|---|---|---|"]
    lines += [_line(entry) for row in rows for entry in REGISTER.of(row)]
    return "\n".join(lines) + "\n"


def _line(entry: Entry) -> str:
    if entry.waits_for:
        return f"| {entry.row} | waits | {entry.waits_for} |"
    if entry.unreachable:
        return f"| {entry.row} | cannot be reached | {entry.unreachable} |"
    outcome = entry.expected.replace("|", "\\|")
    reason = f"<br>*Differs:* {entry.differs}" if entry.differs else ""
    return f"| {entry.row} | {outcome} | {entry.sentence} (`{entry.test}`){reason} |"


def main() -> None:
    """Write the page."""
    load()
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
