"""What a document of a bundle names before anything of it is believed: its place among windows, files it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.strict_json import JsonObject
from verifier.audit_bundle import Entry
from verifier.document import objects
from verifier.evidence import name_of_records

_MAX_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Place:
    """Where a window's credential says that it belongs, and the digest of its window; nothing of it is verified yet."""

    node_id: str
    sequence: int
    start: str
    issued: str
    digest: str
    entry: Entry

    @property
    def name(self) -> str:
        """The window and its file, for a report."""
        return f"window {self.sequence} of {self.node_id} ({self.entry.name})"


def place_of(entry: Entry, value: JsonObject) -> Place:
    """Return the place of a window's credential."""
    subject = value.get("credentialSubject")
    claims = subject if isinstance(subject, dict) else {}
    number = str(claims.get("windowSequence"))
    return Place(
        node_id=str(claims.get("nodeId")),
        sequence=int(number) if number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS else 0,
        start=str(claims.get("periodStart")),
        issued=str(value.get("issuanceDate")),
        digest=str(claims.get("windowDigest")),
        entry=entry,
    )


def named_by(
    value: JsonObject, evidence: Mapping[str, Entry], receipts: Mapping[str, Entry], records: Mapping[str, Entry]
) -> Iterator[tuple[str, Entry]]:
    """Yield (name, file) of each evidence, receipt, list of records and document of slots that a document names.

    ``evidence``, slots too, is by digest, ``receipts`` by the record's, ``records`` by the Merkle root.
    """
    entries = [*objects(value.get("evidence"))]
    # Enrolment records count only where their certificates were looked at, which is done of those listed as such.
    enrolments = {str(entry.get("enrolmentDigest")) for entry in entries}
    for entry in entries:
        for member, table in (("digestMultibase", evidence), ("recordDigest", receipts)):
            name = str(entry.get(member))
            if name in table and name not in enrolments:
                yield name, table[name]
    for subject in objects(value.get("credentialSubject")):
        slots = str(subject.get("gridDataDigest"))
        if slots in evidence and slots not in enrolments:
            yield slots, evidence[slots]
        root = str(subject.get("recordsMerkleRoot"))
        if root in records:
            yield name_of_records(root), records[root]
