"""Revoked credentials of a bundle of which one that verified says that it stands in their place."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.strict_json import JsonObject
from verifier.document import identifier
from verifier.errors import RevokedError
from verifier.notices import Notice
from verifier.report import Finding, Outcome, Report, warning


def named_in_receipts(window: JsonObject) -> set[str]:
    """Return by which ids receipts of a window may name its credential: one handed out before names the one before."""
    subject = window.get("credentialSubject")
    before = subject.get("supersedes") if isinstance(subject, dict) else None
    return {str(window.get("id"))} | ({before} if isinstance(before, str) else set())


class Superseded:
    """Remembers what was revoked, and what verified credentials supersede; both are few, or it keeps two names of each."""

    def __init__(self) -> None:
        self._revoked: dict[tuple[str, str], str] = {}
        self._successors: dict[tuple[str, str], str] = {}

    def heard(self, name: str, report: Report, value: JsonObject) -> None:
        """Take the verdict on the credential in a file."""
        issuer, subject = identifier(value.get("issuer")) or "", value.get("credentialSubject")
        if report.outcome is Outcome.REFUSED and report.problem == RevokedError.name and report.id is not None:
            self._revoked[issuer, report.id] = name
        elif report.outcome is Outcome.VERIFIED and report.id is not None and isinstance(subject, dict):
            old = subject.get("supersedes")
            # The issuer's own alone: anybody can name a stranger's.
            if isinstance(old, str) and old != report.id:
                self._successors[issuer, old] = report.id

    def tell(self) -> Iterator[tuple[str, Finding]]:
        """Yield the file of each revoked credential whose successor is here too, with a finding that names that one."""
        for key, name in self._revoked.items():
            successor = self._successors.get(key)
            if successor is not None:
                told = f"{key[1]} is superseded by {successor}, which is here too: only the latter counts"
                yield name, warning(Notice.DUPLICATE_CREDENTIAL, told)
