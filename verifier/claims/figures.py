"""What the checks of claims work on, the figures of a credential, and what they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from schemas import decimals
from schemas.subject import Claims
from schemas.terms import TERMS
from verifier.errors import ClaimImplausibleError, ClaimInconsistentError

Figures: TypeAlias = Mapping[str, Decimal]
"""The decimals and integers of a subject by their terms; one that is not stated is not there."""


IT_BOUNDARIES: Final = ("acceleratorActiveKwh", "acceleratorIdleKwh", "hostKwh", "networkKwh", "unattributedKwh")
"""The boundaries whose sum is IT."""


@dataclass(frozen=True, slots=True)
class ClaimFinding:
    """A claim that does not hold: its term, the problem's name, and what was expected."""

    term: str
    problem: str
    detail: str


def inconsistent(term: str, detail: str) -> ClaimFinding:
    """Return the finding that ``term`` contradicts other claims or the format."""
    return ClaimFinding(term, ClaimInconsistentError.name, f"{term}: {detail}")


def implausible(term: str, detail: str) -> ClaimFinding:
    """Return the finding that ``term`` lies outside what can be believed."""
    return ClaimFinding(term, ClaimImplausibleError.name, f"{term}: {detail}")


def figures_of(subject: Claims) -> dict[str, Decimal]:
    """Return the subject's figures. Raises MalformedValueError for one that decoding would have refused."""
    stated: dict[str, str] = msgspec.to_builtins(subject)
    return {
        name: decimals.parse(text)
        for name, text in stated.items()
        if name in TERMS and TERMS[name].datatype in {"xsd:decimal", "xsd:nonNegativeInteger"}
    }


def it_energy(figures: Figures) -> Decimal:
    """Return IT in kWh: the sum of the boundaries that are stated. FORMATS.md "Formulas"."""
    return decimals.add(*(figures[name] for name in IT_BOUNDARIES if name in figures))


def decimals_of(value: Decimal) -> int:
    """Return how many decimals a canonical decimal has."""
    return max(0, -int(value.as_tuple().exponent))


def written(value: Decimal) -> str:
    """Return ``value`` for an error's text, without an exponent."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
