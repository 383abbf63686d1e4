"""What the verified windows of one node add up to, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from schemas import decimals, times
from schemas.credential import GreenComputeWindowCredential
from schemas.window_header import WindowHeader
from verifier.audit_report import NodeSummary
from verifier.claims.figures import figures_of, written
from verifier.window_match import seconds

SUMMED: Final = (
    "energyKwh",
    "operationalEmissionsGco2e",
    "marketBasedEmissionsGco2e",
    "acceleratorActiveKwh",
    "acceleratorIdleKwh",
    "hostKwh",
    "networkKwh",
    "unattributedKwh",
    "facilityOverheadKwh",
    "estimatedKwh",
    "durationSeconds",
    "inputTokens",
    "outputTokens",
    "requestCount",
)
"""The terms that may be added up over windows."""


class NodeSums:
    """Sums over windows that are added in the order of their numbers, each of which follows from the one before."""

    def __init__(self) -> None:
        self._sums: dict[str, Decimal] = {}
        self._assurances: set[str] = set()
        self._windows = self._records = self._covered_us = 0
        self._first: WindowHeader | None = None
        self._last: WindowHeader | None = None
        self._withdrawn: set[int] = set()

    @property
    def is_empty(self) -> bool:
        """Whether no window counts."""
        return self._first is None

    def add(self, credential: GreenComputeWindowCredential, header: WindowHeader) -> None:
        """Add a window that was verified."""
        for name, figure in figures_of(credential.credential_subject).items():
            if name in SUMMED:
                self._sums[name] = decimals.add(self._sums.get(name, Decimal(0)), figure)
        self._assurances.add(credential.credential_subject.assurance)
        self._windows += 1
        self._records += header.records
        self._covered_us += header.end_us - header.start_us
        self._first = self._first or header
        self._last = header
        self._withdrawn.discard(header.sequence)

    def leave_out(self, header: WindowHeader) -> None:
        """Take note of a window that is there, and that its issuer withdrew."""
        self._withdrawn.add(header.sequence)

    def summary(self, node_id: str) -> NodeSummary:
        """Return the sums. Only after a window was added."""
        first, last = self._first, self._last
        if first is None or last is None:
            raise ValueError("a node without a window has no sums")
        between = [number for number in self._withdrawn if first.sequence < number < last.sequence]
        return NodeSummary(
            node_id=node_id,
            windows=self._windows,
            first_sequence=first.sequence,
            last_sequence=last.sequence,
            missing_windows=last.sequence - first.sequence + 1 - self._windows - len(between),
            period_start=_moment(first.start_us),
            period_end=_moment(last.end_us),
            uncovered_seconds=seconds(last.end_us - first.start_us - self._covered_us),
            records=self._records,
            assurances=tuple(sorted(self._assurances)),
            sums={name: written(self._sums[name]) for name in SUMMED if name in self._sums},
            windows_not_counted=len(self._withdrawn),
        )


def summaries(sums: Mapping[str, NodeSums]) -> tuple[NodeSummary, ...]:
    """Return the sums of each node that has a window that counts, by its id."""
    return tuple(sums[node_id].summary(node_id) for node_id in sorted(sums) if not sums[node_id].is_empty)


def _moment(microseconds: int) -> str:
    return times.render_claim(times.from_microseconds(microseconds))
