"""The steps that a presentation has of its own: its model, its challenge, what it holds, and whose that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schemas.credential import AnyCredential
from schemas.errors import GreenError, SchemaInvalidError
from schemas.strict_json import Json, JsonObject
from verifier.case import Case
from verifier.context import Profile, check_contexts
from verifier.document import Kind, identifier, objects, proofs_of
from verifier.errors import (
    HolderBindingError,
    InvalidChallengeError,
    InvalidDomainError,
    ResourceLimitError,
    TypeMismatchError,
)
from verifier.notices import Notice
from verifier.report import Finding, Outcome, Report, Result, failed, passed, undecided, warning
from verifier.spelling import check_spelling

MAX_CREDENTIALS: Final = 1000


class Expectation(NamedTuple):
    """What the verifier asked the holder to sign; None where it did not ask."""

    challenge: str | None = None
    domain: str | None = None


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
    for proof in proofs_of(case.value):
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


def _check_equal(name: str, proof: JsonObject, expected: str | None, error: type[GreenError]) -> None:
    if expected is None:
        return
    stated = proof.get(name)
    # An empty one proves nothing even where it is equal.
    if not isinstance(stated, str) or not stated or stated != expected:
        raise error(f"proof.{name}: it is missing, or not the one that was expected")


def check_credentials(case: PresentationCase) -> Iterable[Finding]:
    """Yield for every credential what the verdict on it alone is; one that is refused refuses the whole."""
    for index, value in enumerate(objects(case.value.get("verifiableCredential"))):
        member = case.judge(value)
        case.members.append(member)
        yield _verdict(index, member.report)


def _verdict(index: int, report: Report) -> Finding:
    name = f"credential {index + 1} ({report.id or 'without id'})"
    if report.outcome is Outcome.VERIFIED:
        return passed(f"{name} verifies by itself")
    result = Result.FAILED if report.outcome is Outcome.REFUSED else Result.INCONCLUSIVE
    return Finding(result, f"{name} is {report.outcome.value}: {report.detail}", report.problem)


def check_holder(case: PresentationCase) -> Iterable[Finding]:
    """Yield for every credential whether it belongs to the holder.

    A DID in ``tenantId`` (or as the subject of a foreign credential) must be the holder's. What names nobody,
    or only commits to a name, is not bound to a holder, and the policy decides.
    """
    holder = identifier(case.value.get("holder"))
    for index, member in enumerate(case.members):
        owner = _owner(member)
        name = f"credential {index + 1}"
        if owner == holder:
            yield passed(f"{name} belongs to the holder")
        elif owner is not None:
            yield failed(HolderBindingError(f"{name} belongs to {owner}, and {holder} presents it"))
        elif case.policy.require_holder_binding:
            yield failed(HolderBindingError(f"{name} is not bound to a holder, and the policy requires it"))
        else:
            yield warning(Notice.NOT_BOUND, f"{name} is not bound to a holder: anybody who has it could present it")


def _owner(member: Member) -> str | None:
    """Return the DID that a credential belongs to, None where it names none."""
    owners = _owners(member)
    return next((owner for owner in owners if owner.startswith("did:")), None)


def _owners(member: Member) -> Iterator[str]:
    if member.credential is not None:
        tenant: str | None = getattr(member.credential.credential_subject, "tenant_id", None)
        if tenant is not None:
            yield tenant
        return
    for subject in objects(member.value.get("credentialSubject")):
        for name in ("tenantId", "id"):
            stated = subject.get(name)
            if isinstance(stated, str):
                yield stated
