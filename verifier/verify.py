"""The verdict: a pure function of the document, the evidence, the policy and the time.

    document = parse(raw)
    evidence = await gather(document, NOTHING, fetcher)
    report = verify_credential(document, evidence, Policy(), now)

The two lists below are all that is checked, in the order in which it is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from schemas import digests, times
from schemas.credential import GreenComputeWindowCredential
from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from verifier import presentation
from verifier.case import Case, Engines, Step, walk
from verifier.document import Document, Kind, embedded, objects, stated_identifier
from verifier.evidence import NOTHING, Evidence
from verifier.gather import window_beside
from verifier.grid_used import grid_used
from verifier.memo import Memo
from verifier.notices import Notice
from verifier.policy import Policy
from verifier.presentation import Expectation, Member, PresentationCase
from verifier.report import (
    Check,
    Outcome,
    Report,
    Space,
    Spec,
    conclude,
    failed,
    obstacles,
    outcome_of,
    skipped,
    undecided,
)
from verifier.steps import claims, double_counting, evidence, grid, keys, proof, shape, status, validity
from verifier.steps.sequence import check_sequence
from verifier.suspicious import strings_within
from verifier.verify_receipt import ESSENTIAL, RECEIPT_STEPS, Judged, ReceiptCase, finished
from verifier.window_factors import Windows, factors_of

_JSON: Final = Spec("I-JSON (RFC 7493)", "https://www.rfc-editor.org/rfc/rfc7493")
_MODEL: Final = Spec("Verifiable Credentials Data Model 1.1", "https://www.w3.org/TR/vc-data-model/")
_FORMATS: Final = Spec("Green Compute wire formats, version 1", "https://w3id.org/green-compute")
_JSON_LD: Final = Spec("JSON-LD 1.1", "https://www.w3.org/TR/json-ld11/")
_DID: Final = Spec("Decentralized Identifiers 1.0", "https://www.w3.org/TR/did-core/#verification-relationships")
_TRUST: Final = Spec("VC Data Model 1.1, Trust Model", "https://www.w3.org/TR/vc-data-model/#trust-model")
_JWS: Final = Spec("JSON Web Signature 2020", "https://www.w3.org/TR/vc-jws-2020/")
_DATES: Final = Spec("VC Data Model 1.1, Issuance and Expiration", "https://www.w3.org/TR/vc-data-model/#issuance-date")
_STATUS: Final = Spec("Status List 2021", "https://www.w3.org/TR/2023/WD-vc-status-list-20230427/")
_RATS: Final = Spec("Remote Attestation Procedures (RFC 9334)", "https://www.rfc-editor.org/rfc/rfc9334")
_INTEGRITY: Final = Spec("VC Data Integrity 1.0, Proofs", "https://www.w3.org/TR/vc-data-integrity/#proofs")

CREDENTIAL_STEPS: Final[tuple[Step[Case], ...]] = (
    Step("parse", shape.check_parsed, _JSON),
    Step("model", shape.check_model, _MODEL, needs=("parse",)),
    Step("schema", shape.check_schema, _FORMATS, needs=("parse", "model")),
    Step("context", shape.check_context, _JSON_LD, needs=("parse",)),
    Step("issuer-key", keys.check_issuer_key, _DID, needs=("parse", "model")),
    Step("trusted-issuer", keys.check_trusted_issuer, _TRUST, needs=("parse", "model")),
    Step("proof", proof.check_credential_proof, _JWS, needs=("parse", "context", "issuer-key")),
    Step("validity", validity.check_validity, _DATES, needs=("parse", "model")),
    Step("status", status.check_status, _STATUS, needs=("parse", "model")),
    Step("claims", claims.check_arithmetic, _FORMATS, needs=("parse",)),
    Step("evidence", evidence.check_evidence, _RATS, needs=("parse",)),
    Step("grid", grid.check_grid, _FORMATS, needs=("parse",)),
    Step("assurance", claims.check_assurance, _FORMATS, needs=("parse",)),
)

PRESENTATION_STEPS: Final[tuple[Step[PresentationCase], ...]] = (
    Step("parse", shape.check_parsed, _JSON),
    Step("model", presentation.check_model, _MODEL, needs=("parse",)),
    Step("context", presentation.check_context, _JSON_LD, needs=("parse", "model")),
    Step("holder-key", keys.check_holder_key, _DID, needs=("parse", "model")),
    Step("proof", proof.check_presentation_proof, _JWS, needs=("parse", "context", "holder-key")),
    Step("challenge", presentation.check_challenge, _INTEGRITY, needs=("parse", "model")),
    Step("validity", validity.check_proofs_current, _INTEGRITY, needs=("parse", "model")),
    Step("credentials", presentation.check_credentials, _MODEL, needs=("parse", "model")),
    Step("holder", presentation.check_holder, _TRUST, needs=("parse", "model", "holder-key")),
    Step("double-counting", double_counting.check_double_counting, _FORMATS, needs=("parse", "model")),
)

# Without these, nothing has been shown, whatever the other steps say.
_ESSENTIAL: Final = ("parse", "model", "context", "issuer-key", "proof", "validity")
_ESSENTIAL_IN_PRESENTATION: Final = (
    "parse",
    "model",
    "context",
    "holder-key",
    "proof",
    "challenge",
    "validity",
    "credentials",
)


def verify_credential(
    document: Document,
    evidence: Evidence,
    policy: Policy,
    now: datetime,
    *,
    engines: Engines | None = None,
    memo: Memo | None = None,
    windows: Windows | None = None,
) -> Report:
    """Return the verdict on a credential at the time ``now``.

    Whatever the document holds ends in the report: nothing is raised, nothing is fetched. ``engines``
    canonicalize; by default, in this process what has our closed shape and in a worker all else. ``memo``, a
    new one for each verdict, says afterwards which status lists are worth remembering. ``windows`` are the factors
    of windows that were verified, for an inference of one of them; without, the window's credential counts that the
    evidence has, if it verifies by itself.
    """
    tools = engines or _default_engines()
    case = Case(document=document, evidence=evidence, policy=policy, now=now, engines=tools, memo=memo or Memo())
    case.windows = _window_at_hand(case) if windows is None else windows
    return _judge(case)


def verify_presentation(
    document: Document,
    evidence: Evidence,
    policy: Policy,
    expectation: Expectation,
    now: datetime,
    *,
    engines: Engines | None = None,
    memo: Memo | None = None,
) -> Report:
    """Return the verdict on a presentation and on each credential in it, at the time ``now``.

    ``expectation`` is the challenge and the domain that this verifier gave out, and how the challenge stands.
    As verify_credential.
    """
    tools, shared, space = engines or _default_engines(), memo or Memo(), Space()

    def judge(value: JsonObject) -> Member:
        try:
            inner = embedded(value)
        except GreenError as error:
            return Member(value, refused_at_gate(b"", error, None, now), None)
        one = Case(document=inner, evidence=evidence, policy=policy, now=now, engines=tools, memo=shared, space=space)
        return Member(value, _report(one, walk(CREDENTIAL_STEPS, one), _ESSENTIAL, inner=True), one.credential)

    case = PresentationCase(
        document=document,
        evidence=evidence,
        policy=policy,
        now=now,
        engines=tools,
        memo=shared,
        expectation=expectation,
        judge=judge,
    )
    checks = walk(PRESENTATION_STEPS, case)
    report = _report(case, checks, _ESSENTIAL_IN_PRESENTATION)
    holder = stated_identifier(document.value.get("holder"))
    inner = tuple(member.report for member in case.members)
    return msgspec.structs.replace(report, holder=holder, credentials=inner)


def verify_receipt(
    document: Document,
    evidence: Evidence,
    policy: Policy,
    now: datetime,
    *,
    engines: Engines | None = None,
    memo: Memo | None = None,
) -> Report:
    """Return the verdict on a receipt at the time ``now``: on its window's credential, then on the record in it.

    The credential is that of ``evidence.credentials`` which the receipt names. As verify_credential.
    """
    tools, shared = engines or _default_engines(), memo or Memo()

    def judge(window: Document) -> Judged:
        return judge_window(window, evidence, policy, now, engines=tools, memo=shared)

    case = ReceiptCase(
        document=document, evidence=evidence, policy=policy, now=now, engines=tools, memo=shared, judge=judge
    )
    report = _report(case, walk(RECEIPT_STEPS, case), ESSENTIAL)
    used = () if case.judged is None else case.judged.report.evidence
    report = msgspec.structs.replace(report, evidence=tuple(dict.fromkeys((*report.evidence, *used))))
    return finished(case, report)


def judge_window(
    document: Document, evidence: Evidence, policy: Policy, now: datetime, *, engines: Engines, memo: Memo
) -> Judged:
    """Return the verdict on a window's credential with what it was seen to be made from: for whoever goes on from it.

    As verify_credential. What is there besides the report is None where it was not shown.
    """
    case = Case(document=document, evidence=evidence, policy=policy, now=now, engines=engines, memo=memo)
    report = _judge(case)
    credential = case.credential if isinstance(case.credential, GreenComputeWindowCredential) else None
    return Judged(report, credential, case.window, case.enrolment)


def verify_window(
    document: Document,
    previous: Document,
    evidence: Evidence,
    policy: Policy,
    now: datetime,
    *,
    engines: Engines | None = None,
    memo: Memo | None = None,
) -> Report:
    """Return the verdict on a window's credential, and whether it follows from ``previous``, one before it.

    As verify_credential; the report has the step ``sequence`` besides, and the report on ``previous`` inside.
    """
    tools, shared = engines or _default_engines(), memo or Memo()
    later, earlier = (
        Case(document=one, evidence=evidence, policy=policy, now=now, engines=tools, memo=shared)
        for one in (document, previous)
    )
    checks, before = walk(CREDENTIAL_STEPS, later), _judge(earlier)
    checks += (conclude("sequence", _RATS, [*check_sequence(later, earlier, before)]),)
    inner = msgspec.structs.replace(before, evidence=(), policy=None)
    report = _report(later, checks, _ESSENTIAL)
    used = tuple(dict.fromkeys((*report.evidence, *before.evidence)))
    return msgspec.structs.replace(report, evidence=used, credentials=(inner,))


def _default_engines() -> Engines:
    # Here, since workers are processes, and this module must do without any when it is given engines.
    from verifier.rdf.engines import default_engines

    return default_engines()


def refused_at_gate(raw: bytes, error: GreenError, policy: Policy | None, now: datetime) -> Report:
    """Return the report on bytes that are no document: refused at the first step, the others skipped."""
    reason = [skipped("not checked, since parse did not hold")]
    first, *others = CREDENTIAL_STEPS
    refusal = failed(error)
    checks = (
        conclude(first.name, first.spec, [refusal]),
        *(conclude(step.name, step.spec, reason) for step in others),
    )
    return Report(
        outcome=outcome_of(checks, _ESSENTIAL),
        kind=Kind.UNKNOWN.value,
        document_digest=digests.digest(raw),
        at=times.render_seconds(now),
        checks=checks,
        problem=refusal.problem,
        detail=refusal.detail,
        policy=policy,
    )


def _window_at_hand(case: Case) -> Windows:
    """Return the factors of the window's credential that an inference's names, if it is at hand and verifies."""
    found = window_beside(case.document, case.evidence)
    if found is None:
        return {}
    judged = judge_window(found, case.evidence, case.policy, case.now, engines=case.engines, memo=case.memo)
    if judged.report.outcome is not Outcome.VERIFIED or judged.credential is None:
        return {}
    window = judged.credential
    return {window.credential_subject.window_digest: {window.id: factors_of(window)}}


def _judge(case: Case) -> Report:
    return _report(case, walk(CREDENTIAL_STEPS, case), _ESSENTIAL)


def _report(case: Case, checks: tuple[Check, ...], essential: Iterable[str], *, inner: bool = False) -> Report:
    """Return the report. What an inner verdict rests on is what the whole rests on: once is enough, there."""
    outcome = outcome_of(checks, essential)
    first = next((finding for _, finding in obstacles(checks)), None)
    if first is None and outcome is not Outcome.VERIFIED:
        first = undecided(Notice.NOT_CHECKED, "a step without which nothing is shown could not be made")
    return Report(
        outcome=outcome,
        kind=case.document.kind.value,
        document_digest=case.document.digest,
        at=times.render_seconds(case.now),
        checks=checks,
        id=stated_identifier(case.value.get("id")),
        issuer=stated_identifier(case.value.get("issuer")),
        problem=first.problem if first else None,
        detail=first.detail if first else None,
        subject=_subject(case),
        grid=grid_used(case.credential, case.grid_data),
        evidence=() if inner else case.evidence.used(frozenset(strings_within(case.value))),
        policy=None if inner else case.policy,
    )


def _subject(case: Case) -> dict[str, str]:
    """Return the claims that are plain strings, of our shape; of others the id alone."""
    if case.credential is not None:
        stated = msgspec.to_builtins(case.credential.credential_subject)
        return {name: value for name, value in stated.items() if isinstance(value, str)}
    subject = next(iter(objects(case.value.get("credentialSubject"))), {})
    name = stated_identifier(subject.get("id"))
    return {} if name is None else {"id": name}


__all__ = [
    "NOTHING",
    "Expectation",
    "judge_window",
    "refused_at_gate",
    "verify_credential",
    "verify_presentation",
    "verify_receipt",
    "verify_window",
]
