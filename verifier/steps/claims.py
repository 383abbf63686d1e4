"""The steps on what is claimed: the sums done again, the evidence read again, the assurance derived again."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.credential import GreenComputeSummaryCredential
from verifier.case import Case
from verifier.claims.arithmetic import check_claims
from verifier.claims.notes import notes
from verifier.document import OURS
from verifier.errors import (
    EvidenceMismatchError,
    InsufficientAssuranceError,
    SimulatedNotAllowedError,
)
from verifier.notices import Notice
from verifier.policy import Assurance, reaches
from verifier.report import Finding, Result, failed, passed, skipped, undecided, warning


def unread(case: Case, *, wanted: bool = False) -> Finding:
    """Return that the claims were not looked at, and why: claims are read from a validated shape only.

    ``wanted`` says that the policy asks for what a look would have shown: then it is left undecided.
    """
    if case.document.kind in OURS:
        return skipped("not checked, since schema did not hold")
    detail = "the claims of this type are not understood"
    if wanted:
        return undecided(Notice.NOT_UNDERSTOOD, f"{detail}, so what the policy asks of them is not shown")
    return skipped(detail)


def check_arithmetic(case: Case) -> Iterable[Finding]:
    """Yield every formula of FORMATS.md that does not come out, or that all do."""
    if case.credential is None:
        yield unread(case)
        return
    found = check_claims(case.credential)
    for finding in found:
        yield Finding(Result.FAILED, finding.detail, finding.problem)
    if not found:
        subject = case.credential.credential_subject
        yield passed(
            f"every formula comes out exactly: {subject.energy_kwh} kWh, {subject.operational_emissions_gco2e} g CO2e"
        )
    supersedes = case.credential.credential_subject.supersedes
    if supersedes is not None:
        yield passed(f"it supersedes {supersedes}, which its issuer revokes for that")
    for note in notes(case.credential):
        yield skipped(note.detail) if note.notice is None else warning(note.notice, note.detail)
    if case.credential.credential_subject.claim_status == "provisional":
        yield warning(
            Notice.PROVISIONAL, "the grid data were not settled yet: a later credential will supersede this one"
        )


def check_assurance(case: Case) -> Iterable[Finding]:
    """Yield that the claimed assurance is no more than the evidence can carry, and enough for the policy."""
    if case.credential is None:
        yield unread(case, wanted=case.policy.minimum_assurance != "simulated")
        return
    claimed: Assurance = case.credential.credential_subject.assurance  # type: ignore[assignment]  # decode checked it
    ceiling = _ceiling(case)
    if not reaches(ceiling, claimed):
        raise EvidenceMismatchError(
            f"assurance: {claimed} is claimed, and evidence of this type shows {ceiling} at most"
        )
    if claimed == "simulated":
        yield _simulated(case)
        if case.policy.minimum_assurance == "simulated":
            return
    if not reaches(claimed, case.policy.minimum_assurance):
        detail = f"assurance: {claimed} is claimed, and the policy requires {case.policy.minimum_assurance}"
        yield failed(InsufficientAssuranceError(detail))
    elif case.shown is None or not reaches(case.shown, claimed):
        yield _not_shown(case, claimed)
    else:
        yield passed(f"{claimed}, as the evidence shows")


def _ceiling(case: Case) -> Assurance:
    """Return the most that the credential's types of evidence can show; a summary speaks for its members."""
    credential = case.credential
    if credential is None or isinstance(credential, GreenComputeSummaryCredential):
        return "tpm-hardware"
    return "tpm-hardware" if any(entry.is_tpm_quote for entry in credential.evidence) else "software"


def _simulated(case: Case) -> Finding:
    if case.policy.allow_simulated:
        return warning(Notice.SIMULATED, "the figures are SIMULATED: nobody measured them")
    return failed(
        SimulatedNotAllowedError("the figures are simulated, nobody measured them; --allow-simulated accepts it")
    )


def _not_shown(case: Case, claimed: Assurance) -> Finding:
    detail = f"{claimed} is what the issuer says; it could not be derived again from the evidence"
    # A TPM is claimed to be believed more than others: without a look at its quote, that is not ours to say.
    if claimed.startswith("tpm-") or case.policy.require_evidence or case.policy.minimum_assurance != "simulated":
        return undecided(Notice.ASSURANCE_NOT_SHOWN, detail)
    return warning(Notice.ASSURANCE_NOT_SHOWN, detail)
