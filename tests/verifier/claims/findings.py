"""What check_claims finds in a reference document with other claims."""

from __future__ import annotations

from schemas.credential import decode
from schemas.strict_json import JsonObject
from tests.schemas.documents import changed
from verifier.claims.arithmetic import ClaimFinding, check_claims


def findings(document: JsonObject, **claims: str) -> list[ClaimFinding]:
    """Return what is found in ``document`` with other claims."""
    for term, value in claims.items():
        document = changed(document, ("credentialSubject", term), value)
    return check_claims(decode(document))


def inconsistent(document: JsonObject, **claims: str) -> set[str]:
    """Return the terms that are found inconsistent; nothing else may be found."""
    found = findings(document, **claims)
    assert {finding.problem for finding in found} <= {"CLAIM_INCONSISTENT"}, found
    return {finding.term for finding in found}


def implausible(document: JsonObject, **claims: str) -> set[str]:
    """Return the terms that are found implausible, whatever else is found."""
    return {finding.term for finding in findings(document, **claims) if finding.problem == "CLAIM_IMPLAUSIBLE"}
