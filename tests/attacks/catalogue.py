"""The rows of the attack table: how a test says which it holds, and which outcome a row must have.

    @attack("VD001", "reject:PROOF_VERIFICATION_ERROR")
    def test_a_changed_digit_breaks_the_signature(expected):
        expected.met_by(of_report(WORLD.report(edited(GOOD, put("credentialSubject.energyKwh", "0.0008")))))

The table itself (attack_cases.csv) lies beside the checkout. ``test_table`` holds every row of it against what is
registered here; ``table`` writes docs/attack-cases.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
import pytest

from schemas.errors import GreenError
from verifier.report import Outcome as Verdict
from verifier.report import Report

GROUPS: Final = {
    "VC": "verifier.control",
    "VJ": "verifier.jsonld",
    "VP": "verifier.proof.jose",
    "VD": "verifier.proof.dataintegrity",
    "VS": "verifier.proof.sdjwt",
    "VI": "verifier.did",
    "VF": "verifier.fetch",
    "VL": "verifier.status",
    "VM": "verifier.schema",
    "VV": "verifier.presentation",
    "VK": "verifier.claims",
    "VU": "verifier.api",
    "IT": "issuer.telemetry",
    "IA": "issuer.authz",
    "IR": "issuer.integrity",
    "IO": "issuer.oid4vci",
    "IQ": "agent.tpm",
}

_FORM = re.compile(r"accept|accept-with-warning:[A-Z_]+|(reject|inconclusive):([0-9]{3}( [A-Z_]+)?|[A-Z_]+)")


@dataclass(frozen=True)
class Outcome:
    """What became of one hostile input. ``problem``: its name, behind a status code where HTTP answered."""

    kind: str
    problem: str = ""
    warnings: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.kind == "accept":
            return "accept" + "".join(f" +{name}" for name in sorted(self.warnings))
        return f"{self.kind}:{self.problem}"

    def meets(self, form: str) -> bool:
        kind, _, name = form.partition(":")
        if kind == "accept-with-warning":
            return self.kind == "accept" and name in self.warnings
        if kind != self.kind:
            return False
        # "reject:413" leaves the name open, "reject:409 WINDOW_OVERLAP" does not.
        return name in {self.problem, self.problem.partition(" ")[0]}


class Expected:
    """The outcome that a row must have. A test that compares nothing with it fails."""

    def __init__(self, row: str, form: str) -> None:
        self.row = row
        self.form = form
        self.compared = 0

    def met_by(self, *outcomes: Outcome) -> None:
        """Assert that every one of the outcomes is the expected one."""
        assert _FORM.fullmatch(self.form), f"{self.form!r} is in words: assert it, then call held()"
        wrong = [f"{number}: {outcome}" for number, outcome in enumerate(outcomes) if not outcome.meets(self.form)]
        assert not wrong, f"{self.row} must be {self.form}: {wrong}"
        self.compared += len(outcomes)

    def held(self) -> None:
        """Say that the test has asserted an outcome that the table gives in words."""
        assert not _FORM.fullmatch(self.form), f"{self.form!r} can be compared: use met_by()"
        self.compared += 1


@dataclass(frozen=True)
class Entry:
    """What is known of one row: the test that holds it, or why there is none."""

    row: str
    expected: str = ""
    test: str = ""
    sentence: str = ""
    differs: str = ""
    waits_for: str = ""
    unreachable: str = ""


@dataclass
class Register:
    """All entries by row. Filled when the test modules of this folder are imported."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        # By test, since a module may be imported under two names.
        self.entries.setdefault(entry.row, {})[entry.test] = entry

    def of(self, row: str) -> list[Entry]:
        return [*self.entries.get(row, {}).values()]


REGISTER: Final = Register()


def attack(
    row: str, expected: str, *, differs: str = "", heavy: str = "", network: str = ""
) -> Callable[[Callable[..., Any]], Any]:
    """Mark a test as the one of ``row`` with the outcome ``expected``; it takes an argument ``expected``.

    ``differs``: why the outcome is another than the table's, to be followed from docs/ alone. ``heavy``: why it may take
    more than three seconds of CPU; ``network``: which sockets it opens on purpose. The test's name is the sentence that
    the documentation shows.
    """

    def mark(test: Callable[..., Any]) -> Any:
        module = test.__module__.rpartition(".")[2]
        sentence = test.__name__.removeprefix("test_").replace("_", " ")
        REGISTER.add(Entry(row, expected, f"{module}.py::{test.__name__}", sentence, differs=differs))
        marks = pytest.mark.attack(row, heavy=heavy, network=network)
        return pytest.mark.parametrize("expected", [pytest.param(Expected(row, expected), id=row, marks=marks)])(test)

    return mark


def waits(feature: str, *rows: str) -> None:
    """Say that rows wait for a feature that does not exist yet."""
    for row in rows:
        REGISTER.add(Entry(row, waits_for=feature))


def unreachable(row: str, reason: str) -> None:
    """Say why our surface cannot be reached in the way of a row."""
    REGISTER.add(Entry(row, unreachable=reason))


def of_report(report: Report) -> Outcome:
    """Return the outcome of a verdict."""
    if report.outcome is Verdict.VERIFIED:
        names = {finding.problem or "" for finding in report.warnings}
        names |= {finding.problem or "" for inner in report.credentials for finding in inner.warnings}
        return Outcome("accept", warnings=frozenset(names))
    kind = "reject" if report.outcome is Verdict.REFUSED else "inconclusive"
    return Outcome(kind, report.problem or "")


def of_call(call: Callable[[], object]) -> Outcome:
    """Return the outcome of a call that returns, or raises what is wrong."""
    try:
        result = call()
    except GreenError as error:
        return Outcome("reject", error.name)
    return of_report(result) if isinstance(result, Report) else Outcome("accept")


def of_response(response: httpx.Response) -> Outcome:
    """Return the outcome of an HTTP exchange: accept below 400, else the status code and the problem's name."""
    if response.status_code < 400:
        return Outcome("accept")
    assert response.status_code < 500 or response.status_code == 503, f"a fault of ours: {response.text[:500]}"
    name = ""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        name = str(msgspec.json.decode(response.content)["type"]).rpartition("#")[2]
    return Outcome("reject", f"{response.status_code} {name}".strip())
