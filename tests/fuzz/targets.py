"""Every target of the fuzzer: importing this module registers them all."""

from __future__ import annotations

from tests.fuzz import targets_formats, targets_services, targets_verdicts, targets_windows
from tests.fuzz.target import TARGETS, FindingError, Target, check

__all__ = [
    "TARGETS",
    "FindingError",
    "Target",
    "check",
    "targets_formats",
    "targets_services",
    "targets_verdicts",
    "targets_windows",
]
