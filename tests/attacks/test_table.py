"""Every row of the attack table has a test with its outcome, or a reason; the page says what is so."""

import csv
import re

import pytest

from tests.attacks import table
from tests.attacks.catalogue import GROUPS, REGISTER
from tests.vectors import shared


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    table.load()


@pytest.fixture(scope="module")
def rows():
    with shared("attack_cases.csv").open(encoding="utf-8", newline="") as file:
        return {line["id"]: line for line in csv.DictReader(file)}


def alternatives(expected):
    """Return the outcomes that the table allows for a row, in our form; what is in words stays as it is."""
    text = expected.replace(" (never valid)", "").replace("indeterminate:", "inconclusive:").strip()
    kind, colon, names = text.partition(":")
    if colon and re.fullmatch(r"[A-Z_]+(\|[A-Z_]+)+|[0-9]{3}(/[0-9]{3})+", names):
        return {f"{kind}:{name}" for name in re.split(r"[|/]", names)}
    return {text}


def test_no_row_is_forgotten_and_none_is_invented(rows):
    assert set(REGISTER.entries) == set(rows)


def test_the_groups_are_those_of_the_table(rows):
    assert all(GROUPS[row[:2]] == line["group"] for row, line in rows.items())


def test_every_test_expects_what_its_row_names_or_says_why_not(rows):
    wrong = [
        f"{row}: {entry.expected}, the table has {rows[row]['expected']}"
        for row in REGISTER.entries
        for entry in REGISTER.of(row)
        if entry.expected and not entry.differs and entry.expected not in alternatives(rows[row]["expected"])
    ]
    assert not wrong


def test_no_reason_stands_where_the_outcome_is_the_tables(rows):
    idle = [
        row
        for row in REGISTER.entries
        for entry in REGISTER.of(row)
        if entry.differs and entry.expected in alternatives(rows[row]["expected"])
    ]
    assert not idle


def test_a_row_is_held_or_explained_never_both():
    for row in REGISTER.entries:
        kinds = {("test" if e.expected else "waits" if e.waits_for else "unreachable") for e in REGISTER.of(row)}
        assert len(kinds) == 1, row


def test_the_page_is_what_would_be_written():
    assert table.PAGE.read_text(encoding="utf-8") == table.render(), "run: make attack-table"


def test_the_page_names_no_file_that_is_not_there():
    page = table.PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"[A-Za-z0-9_./-]+\.md\b", page))
    assert {name for name in named if not (table.ROOT / name).is_file()} == set()
    decisions = {path.name[:4] for path in (table.ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    assert set(re.findall(r"\bdecision ([0-9]{4})\b", page)) <= decisions
