"""The step on energy that is presented twice: under two names, or to two customers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from schemas import times
from schemas.credential import AnyCredential, GreenComputeCredential, GreenComputeWindowCredential
from verifier.errors import DuplicateWindowError, EvidenceMismatchError
from verifier.notices import Notice
from verifier.presentation import PresentationCase
from verifier.report import Finding, failed, passed, warning
from verifier.window_factors import factor_mismatches, factors_of


def check_double_counting(case: PresentationCase) -> Iterable[Finding]:
    """Yield whether any energy stands in the presentation twice.

    The same credential again is a warning, since it counts once; so is one beside the one that it supersedes,
    and an inference beside its window, which vouches for it and whose energy holds its own. Two credentials for
    one inference, one posted record or overlapping windows of one node refuse it, and so do two that say
    different things under one id: a reader could count either.
    """
    distinct: dict[str, AnyCredential] = {}
    findings: list[Finding] = []
    for member in case.members:
        identifier = member.report.id
        if identifier is None or member.credential is None:
            continue
        first = distinct.setdefault(identifier, member.credential)
        if _claim(first) != _claim(member.credential):
            findings.append(failed(DuplicateWindowError(f"two different credentials have the id {identifier}")))
        elif first is not member.credential:
            detail = f"{identifier} stands in the presentation more than once; it counts once"
            findings.append(warning(Notice.DUPLICATE_CREDENTIAL, detail))
    current, superseded = _without_superseded(distinct)
    findings += superseded
    findings += [*_same_claim(current), *_overlapping_windows(current), *_parts_of_windows(current)]
    yield from findings or [passed("no inference, record or window is claimed twice")]


def _claim(credential: AnyCredential) -> tuple[str, object]:
    """Return who claims what, whatever the spelling of the contexts and the age of the proof."""
    return credential.issuer, credential.credential_subject


def _without_superseded(distinct: dict[str, AnyCredential]) -> tuple[list[AnyCredential], list[Finding]]:
    replaced = {
        old.id: new.id
        for new in distinct.values()
        if (old := distinct.get(new.credential_subject.supersedes or "")) is not None and _replaces(new, old)
    }
    findings = [
        warning(Notice.DUPLICATE_CREDENTIAL, f"{old} is superseded by {new}, which is here too: only the latter counts")
        for old, new in replaced.items()
    ]
    return [credential for name, credential in distinct.items() if name not in replaced], findings


def _replaces(new: AnyCredential, old: AnyCredential) -> bool:
    """Return whether one credential may supersede another: the issuer's own, and not in a circle.

    Else two credentials that supersede each other, or anybody's that names a stranger's, would take both
    out of the checks below.
    """
    in_circle = old.credential_subject.supersedes is not None and old.issuance_date >= new.issuance_date
    return new.id != old.id and new.issuer == old.issuer and not in_circle


def _same_claim(credentials: Iterable[AnyCredential]) -> Iterator[Finding]:
    first: dict[tuple[str, ...], AnyCredential] = {}
    for credential in credentials:
        for what in _claims_of(credential):
            other = first.setdefault(what, credential)
            if other is not credential:
                yield failed(
                    DuplicateWindowError(f"{other.id} and {credential.id} claim the same {' '.join(what[:1])}")
                )
                break


def _claims_of(credential: AnyCredential) -> Iterator[tuple[str, ...]]:
    """Yield what only one credential may claim: the inference, the signed record, the signed window."""
    yield ("subject", credential.issuer, credential.credential_subject.id)
    if isinstance(credential, GreenComputeCredential):
        subject = credential.credential_subject
        yield ("inference", credential.issuer, subject.node_id, subject.inference_id or "", subject.job_id or "")
        for entry in credential.evidence:
            if entry.record_digest is not None:
                yield ("record", entry.record_digest)
    elif isinstance(credential, GreenComputeWindowCredential):
        yield ("window", credential.credential_subject.window_digest)


def _overlapping_windows(credentials: Iterable[AnyCredential]) -> Iterator[Finding]:
    """Yield each pair of windows of one node that overlap in time: a node has one at a time."""
    windows = [credential for credential in credentials if isinstance(credential, GreenComputeWindowCredential)]
    ordered = sorted(windows, key=lambda window: (window.issuer, window.credential_subject.node_id, _begin(window)))
    for earlier, later in pairwise(ordered):
        same_node = (earlier.issuer, earlier.credential_subject.node_id) == (
            later.issuer,
            later.credential_subject.node_id,
        )
        if same_node and _begin(later) < times.parse_claim(earlier.credential_subject.period_end):
            yield failed(DuplicateWindowError(f"the windows {earlier.id} and {later.id} of one node overlap"))


def _parts_of_windows(credentials: Iterable[AnyCredential]) -> Iterator[Finding]:
    """Yield each inference beside its own window: the window's totals hold its energy already."""
    ordered = list(credentials)
    windows = {
        name: window
        for window in ordered
        if isinstance(window, GreenComputeWindowCredential)
        for name in (window.id, window.credential_subject.window_digest, *_evidence_of(window))
    }
    for single in ordered:
        if isinstance(single, GreenComputeCredential):
            named = [entry.window_digest for entry in single.evidence] + [single.credential_subject.window_credential]
            # Whoever names neither shows the window's own evidence all the same.
            found = next((windows[name] for name in (*named, *_evidence_of(single)) if name in windows), None)
            if found is not None:
                detail = (
                    f"{single.id} is an inference of the window {found.id}, whose energy holds its own: it counts once"
                )
                yield warning(Notice.DUPLICATE_CREDENTIAL, detail)
                stated = single.credential_subject.window_credential
                yield from _other_factors(single, found if stated is None else windows.get(stated))


def _other_factors(single: GreenComputeCredential, window: GreenComputeWindowCredential | None) -> Iterator[Finding]:
    """Yield what an inference claims of building and grid, and the window of its own issuer that it names does not."""
    if window is None or window.issuer != single.issuer:
        return
    wrong = [*factor_mismatches(factors_of(single), factors_of(window))]
    of = {entry.window_digest for entry in single.evidence} - {None}
    if of and window.credential_subject.window_digest not in of:
        wrong = [f"windowCredential: {window.id} is claimed, and it is the credential of another window"]
    yield from (failed(EvidenceMismatchError(detail)) for detail in wrong)


def _evidence_of(credential: GreenComputeCredential | GreenComputeWindowCredential) -> Iterator[str]:
    return (entry.digest_multibase for entry in credential.evidence)


def _begin(window: GreenComputeWindowCredential) -> datetime:
    return times.parse_claim(window.credential_subject.period_start)
