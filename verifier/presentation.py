"""The steps that a presentation has of its own: its model, its challenge, what it holds, and whose that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.credential import AnyCredential
from schemas.errors import GreenError, SchemaInvalidError
from schemas.strict_json import Json, JsonObject
from verifier.case import Case
from verifier.document import Kind, check_identifiers, identifier, objects, proofs_of
from verifier.errors import (
    HolderBindingError,
    InvalidChallengeError,
    InvalidDomainError,
    ReplayError,
    ResourceLimitError,
    RevokedError,
    TypeMismatchError,
)
from verifier.notices import Notice
from verifier.rdf.context import Profile, check_contexts
from verifier.rdf.spelling import check_spelling
from verifier.report import Finding, Outcome, Report, Result, cut, failed, passed, skipped, undecided, warning

MAX_CREDENTIALS: Final = 1000
# So that what is said of a credential is not cut off after its name.
_MAX_NAME: Final = 200


class Standing(StrEnum):
    """Whether a challenge still counts, as far as that is known outside of the verdict."""

    GOOD = "good"
    """Given out here and used now for the first time; or another's, who keeps account of it."""
    UNKNOWN = "unknown"
    """Not given out here, or its time is over."""
    SPENT = "spent"
    """Used before."""
    FOR_ANOTHER_DOMAIN = "for another domain"
    """Given out for another domain than the one that the presentation is to be checked for."""


class Expectation(NamedTuple):
    """What the verifier asked the holder to sign, None where it did not ask, and how the challenge stands."""

    challenge: str | None = None
    domain: str | None = None
    standing: Standing = Standing.GOOD


class Member(NamedTuple):
    """One credential of a presentation: the verdict on it alone, and its claims if they were understood."""

    value: JsonObject
    report: Report
    credential: AnyCredential | None


@dataclass(kw_only=True)
class PresentationCase(Case):
    """A case whose document is a presentation. ``judge`` verifies one credential by itself."""

    expectation: Expectation
    judge: Callable[[JsonObject], Member]
    members: list[Member] = field(default_factory=list)


def check_model(case: PresentationCase) -> Iterable[Finding]:
    """Yield that the document is a presentation of embedded credentials. VC Data Model 1.1 §4.10."""
    if case.document.kind is not Kind.PRESENTATION:
        raise TypeMismatchError('type: it must name "VerifiablePresentation", and no credential')
    check_identifiers(case.value)
    held = case.value.get("verifiableCredential")
    entries: list[Json] = held if isinstance(held, list) else [held]
    if not entries:
        raise SchemaInvalidError("verifiableCredential: a presentation of nothing shows nothing")
    if len(entries) > MAX_CREDENTIALS:
        raise ResourceLimitError(f"{len(entries)} credentials; at most {MAX_CREDENTIALS} are verified at once")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or "EnvelopedVerifiableCredential" in str(entry.get("type")):
            raise TypeMismatchError(f"verifiableCredential[{index}]: only embedded JSON-LD credentials are read")
    if identifier(case.value.get("holder")) is None:
        raise SchemaInvalidError("holder: a DID is required, so that it is clear who presents")
    check_spelling(case.value)
    yield passed(f"a presentation of {len(entries)} credential{'s' if len(entries) != 1 else ''}")


def check_context(case: PresentationCase) -> Iterable[Finding]:
    """Yield that the presentation's own contexts are pinned; those of each credential are checked with it."""
    check_contexts(case.value, Profile.PRESENTATION)
    yield passed("every JSON-LD context is one of those that come with this verifier, unchanged")


def check_challenge(case: PresentationCase) -> Iterable[Finding]:
    """Yield that the holder signed the challenge and the domain of this verifier, exactly. VC Data Integrity §2.1."""
    _check_standing(case.expectation.standing)
    proofs = proofs_of(case.value)
    if not proofs:
        yield skipped("there is no proof that could answer a challenge")
        return
    for proof in proofs:
        expected = case.expectation
        _check_equal("challenge", proof, expected.challenge, InvalidChallengeError)
        _check_equal("domain", proof, expected.domain, InvalidDomainError)
    if case.expectation.challenge is None:
        found = undecided if case.policy.require_challenge else warning
        yield found(
            Notice.REPLAY_POSSIBLE, "no challenge was expected: this may be the copy of an earlier presentation"
        )
    else:
        yield passed("the holder signed the challenge that was expected")
    if case.expectation.domain is not None:
        yield passed("the presentation was made for this domain")


def _check_standing(standing: Standing) -> None:
    if standing is Standing.UNKNOWN:
        raise InvalidChallengeError(
            "this verifier did not give out the challenge, or its time is over; ask for a new one"
        )
    if standing is Standing.SPENT:
        raise ReplayError("the challenge was used before, and each counts once; ask for a new one")
    if standing is Standing.FOR_ANOTHER_DOMAIN:
        raise InvalidDomainError("the challenge was given out for another domain than the one that is asked for")


def _check_equal(name: str, proof: JsonObject, expected: str | None, error: type[GreenError]) -> None:
    if expected is None:
        return
    stated = proof.get(name)
    # An empty one proves nothing even where it is equal.
    if not isinstance(stated, str) or not stated or stated != expected:
        raise error(f"proof.{name}: it is missing, or not the one that was expected")


def check_credentials(case: PresentationCase) -> Iterable[Finding]:
    """Yield for every credential what the verdict on it alone is; one that is refused refuses the whole."""
    case.members.extend(case.judge(value) for value in objects(case.value.get("verifiableCredential")))
    successors = {
        (identifier(member.value.get("issuer")), member.credential.credential_subject.supersedes): member.report.id
        for member in case.members
        if member.credential is not None and member.report.outcome is Outcome.VERIFIED
        # Only what is named, and the issuer's own: anybody can name a stranger's.
        if member.credential.credential_subject.supersedes is not None
    }
    for index, member in enumerate(case.members):
        by = successors.get((identifier(member.value.get("issuer")), member.report.id or ""))
        yield _verdict(index, member.report, by if member.report.problem == RevokedError.name else None)


def _verdict(index: int, report: Report, superseded_by: str | None) -> Finding:
    """Return what one credential's verdict adds; ``superseded_by``: another one here, which is to be presented alone."""
    name = f"credential {index + 1} ({cut(report.id or 'without id', _MAX_NAME)})"
    if report.outcome is Outcome.VERIFIED:
        return passed(f"{name} verifies by itself")
    result = Result.FAILED if report.outcome is Outcome.REFUSED else Result.INCONCLUSIVE
    hint = (
        ""
        if superseded_by is None
        else f"; it is superseded by {cut(superseded_by, _MAX_NAME)}: present that one alone"
    )
    return Finding(result, f"{name} is {report.outcome.value}: {report.detail}{hint}", report.problem)


def check_holder(case: PresentationCase) -> Iterable[Finding]:
    """Yield for every credential whether it belongs to the holder.

    A DID in ``tenantId`` (or as the subject of a foreign credential) must be the holder's. What names nobody,
    or only commits to a name, is not bound to a holder, and the policy decides.
    """
    holder = identifier(case.value.get("holder"))
    for index, member in enumerate(case.members):
        owners = _owners(member)
        name = f"credential {index + 1}"
        if owners == {holder}:
            yield passed(f"{name} belongs to the holder")
        elif owners:
            # All of them, since the order of subjects is not signed: whoever reads the first can be shown any.
            detail = f"{name} belongs to {' and '.join(sorted(owners))}, and {holder} presents it"
            yield failed(HolderBindingError(detail))
        elif case.policy.require_holder_binding:
            yield failed(HolderBindingError(f"{name} is not bound to a holder, and the policy requires it"))
        else:
            yield warning(Notice.NOT_BOUND, f"{name} is not bound to a holder: anybody who has it could present it")


def _owners(member: Member) -> set[str]:
    """Return the DIDs that a credential belongs to: its tenants, else (of a foreign credential) its subjects."""
    if member.credential is not None:
        return _dids(getattr(member.credential.credential_subject, "tenant_id", None))
    subjects = objects(member.value.get("credentialSubject"))
    return _dids(*(subject.get("tenantId") for subject in subjects)) or _dids(
        *(subject.get("id") for subject in subjects)
    )


def _dids(*stated: Json) -> set[str]:
    return {name for name in stated if isinstance(name, str) and name.startswith("did:")}
