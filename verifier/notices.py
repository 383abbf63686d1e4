"""Names of what a report warns of, and of what it could not decide: the problems that no error class has."""

from __future__ import annotations

from enum import StrEnum


class Notice(StrEnum):
    """A name for a program to look for; the finding's detail says it in words."""

    ASSURANCE_NOT_SHOWN = "ASSURANCE_NOT_SHOWN"
    DUPLICATE_CREDENTIAL = "DUPLICATE_CREDENTIAL"
    DUPLICATE_PROOF = "DUPLICATE_PROOF"
    EVIDENCE_NOT_CHECKED = "EVIDENCE_NOT_CHECKED"
    EVIDENCE_FROM_FOLDER = "EVIDENCE_FROM_FOLDER"
    KEY_RETIRED = "KEY_RETIRED"
    NOT_BOUND = "NOT_BOUND"
    NOT_CHECKED = "NOT_CHECKED"
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    NO_STATUS = "NO_STATUS"
    PROOF_DATE = "PROOF_DATE"
    PROVISIONAL = "PROVISIONAL"
    REPLAY_POSSIBLE = "REPLAY_POSSIBLE"
    SIMULATED = "SIMULATED"
    STATUS_TYPE_UNKNOWN = "STATUS_TYPE_UNKNOWN"
    SUSPICIOUS_TEXT = "SUSPICIOUS_TEXT"
    UNPINNED_DID_DOCUMENT = "UNPINNED_DID_DOCUMENT"
    UNTRUSTED_ISSUER = "UNTRUSTED_ISSUER"
