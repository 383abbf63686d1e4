"""How much of a window has to be measured for which claim: the issuer's policy (decision 0013). Pure.

    coverage >= full            the full claim
    least <= coverage < full    a range: the gap counts in the uncertainty, and the window is flagged
    coverage < least            no claim for a single inference; the window is taken, flagged, and says its coverage

Every window is taken: one that is refused would stop the chain of its node, and take what follows along.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec import Struct

from issuer.errors import LowCoverageError
from schemas import decimals
from schemas.strict_json import JsonObject

COVERAGE_REDUCED: Final = "coverage-reduced"
COVERAGE_LOW: Final = "coverage-low"


class CompletenessPolicy(Struct, frozen=True):
    """The share of a window's time that has to be measured: for a full claim, and for any claim of an inference."""

    full: Decimal = Decimal("0.99")
    least: Decimal = Decimal("0.9")

    def flag(self, coverage: Decimal) -> tuple[str, str] | None:
        """Return what is to be told of a window, its kind and words; None where its claim is full."""
        if coverage >= self.full:
            return None
        measured = f"{decimals.render(coverage)} of the window's time was measured"
        if coverage >= self.least:
            return COVERAGE_REDUCED, f"{measured}, less than {self.full}: what is missing counts in the uncertainty"
        return COVERAGE_LOW, f"{measured}, less than {self.least}: its inferences get no credential of their own"

    def check_single(self, window: JsonObject) -> None:
        """Raise LowCoverageError where a window's claims say that too little was measured for one of its inferences."""
        text = window.get("measurementCoverage")
        if isinstance(text, str) and decimals.parse(text) < self.least:
            raise LowCoverageError(
                f"measurementCoverage: {text} of the time of its window was measured, and {self.least} is the least for a "
                "credential of one inference. Its receipt and its window's credential stand, and say so. See why the meter "
                "gave no reading (green-agent status on the node); an operator who accepts it lowers least_coverage"
            )


DEFAULT: Final = CompletenessPolicy()
