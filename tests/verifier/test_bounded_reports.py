"""How long a report can become: whatever a document says of itself, not much longer than the document."""

import json

import pytest

from tests.fakes.verifier import (
    ENGINES,
    HOLDER,
    NOW,
    World,
    drop,
    edited,
    judge_presentation,
    presentation,
    put,
)
from verifier import document
from verifier.case import Case, Step, walk
from verifier.errors import ExpiredError, RevokedError
from verifier.evidence import NOTHING, Evidence
from verifier.notices import Notice
from verifier.policy import Policy
from verifier.presentation import Expectation
from verifier.report import (
    MAX_DETAIL,
    MAX_LISTED,
    Finding,
    Outcome,
    Report,
    Result,
    Space,
    Spec,
    conclude,
    failed,
    passed,
    skipped,
    undecided,
    warning,
)
from verifier.verify import refused_at_gate, verify_presentation
from verifier.web.verdict import MAX_NAMED, answer

SPEC = Spec("a rule", "https://rule.example/")
LONG = "did:example:" + "x" * 50_000


def judged(value):
    parsed = document.parse_presentation(json.dumps(value).encode())
    return verify_presentation(parsed, NOTHING, Policy(), Expectation(), NOW, engines=ENGINES)


# --- words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        passed,
        skipped,
        lambda text: warning(Notice.NOT_BOUND, text),
        lambda text: undecided(Notice.NOT_CHECKED, text),
        lambda text: failed(ExpiredError(text)),
        lambda text: Finding(Result.FAILED, text, "EXPIRED"),
        lambda text: conclude("proof", SPEC, [passed(text)]),
        lambda text: refused_at_gate(b"", ExpiredError(text), Policy(), NOW),
    ],
    ids=["passed", "skipped", "warning", "undecided", "failed", "by itself", "check", "report"],
)
def test_words_are_cut_however_a_finding_is_made(make):
    assert make("x" * MAX_DETAIL).detail == "x" * MAX_DETAIL
    assert make("x" * 100_000).detail == "x" * (MAX_DETAIL - 1) + "…"


def test_what_is_said_of_a_credential_is_not_cut_off_behind_a_long_name():
    value = edited(World().unsecured(), put("id", "urn:" + "x" * 2000))
    (finding,) = [
        finding
        for finding in judge_presentation(World(), presentation(value)).problems
        if "credential 1" in finding.detail
    ][:1]
    assert "is refused: " in finding.detail


# --- identifiers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("member", "problem"), [("issuer", "INVALID_DID"), ("id", "RESOURCE_LIMIT")])
def test_a_credential_with_a_very_long_name_is_refused_and_the_name_not_repeated(member, problem):
    for length, long in ((2048, False), (2049, True)):
        report = World().report(edited(World().credential(), put(member, "d" * length)))
        assert (report.check("model").result is Result.FAILED) is long
        assert (report.problem == problem) is long
        assert ("d" * 600 in report.to_json().decode()) is not long


@pytest.mark.parametrize(("member", "problem"), [("holder", "INVALID_DID"), ("id", "RESOURCE_LIMIT")])
def test_a_presentation_with_a_very_long_name_is_refused_and_the_name_not_repeated(member, problem):
    report = judge_presentation(World(), edited(presentation(World().credential()), put(member, LONG)))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem)
    assert len(report.to_json()) < 20_000


def test_a_very_long_subject_is_not_repeated():
    value = {"type": "VerifiableCredential", "issuer": "did:example:1", "credentialSubject": {"id": LONG}}
    assert World().report(value).subject == {}


def test_whose_the_credentials_are_is_not_asked_where_the_holder_is_not_established():
    value = edited(presentation(World().credential()), put("holder", "did:example:unknown"))
    report = judge_presentation(World(), value)
    assert report.check("holder-key").result is Result.FAILED
    assert report.check("holder").result is Result.SKIPPED


# --- all together --------------------------------------------------------------------------------------------


def test_a_thousand_credentials_do_not_repeat_a_long_holder():
    value = {
        "type": "VerifiablePresentation",
        "holder": LONG[:2048],
        "verifiableCredential": [{"credentialSubject": {"id": "did:x"}} for _ in range(1000)],
    }
    report = judged(value)
    assert len(report.credentials) == 1000
    assert len(answer(report).content) < 5_000_000
    value["holder"] = LONG
    assert len(answer(judged(value)).content) < 20_000


def case(space=None):
    parsed = document.parse(json.dumps(World().credential()).encode())
    more = {} if space is None else {"space": space}
    return Case(document=parsed, evidence=NOTHING, policy=Policy(), now=NOW, engines=ENGINES, **more)


def many(_):
    return [*(passed("x" * 100) for _ in range(5000)), failed(RevokedError("revoked")), passed("last")]


def test_the_lists_of_all_reports_that_share_a_space_are_bounded_together():
    space, step = Space(100_000), Step("status", many, SPEC)
    lists = [walk([step], case(space))[0].findings for _ in range(4)]
    assert sum(len(finding.detail) for listed in lists for finding in listed) < 110_000
    assert lists[1:] == [(), (), ()]


def test_what_does_not_fit_is_the_least_grave_and_is_counted():
    (check,) = walk([Step("status", many, SPEC)], case(Space(10_000)))
    assert (check.result, check.detail, check.problem) == (Result.FAILED, "revoked", "REVOKED")
    kept = [finding for finding in check.findings if finding.problem == "REVOKED"]
    assert len(kept) == 1
    assert check.findings[-1].result is Result.SKIPPED
    assert check.findings[-1].detail.startswith(f"{5002 - len(check.findings) + 1} more findings")


def test_a_document_by_itself_has_a_space_of_its_own():
    (check,) = walk([Step("status", lambda _: [passed("x" * 400)] * 20_000, SPEC)], case())
    assert sum(len(finding.detail) for finding in check.findings) <= MAX_LISTED


def report(**changes):
    made = {"outcome": Outcome.REFUSED, "kind": "", "document_digest": "", "at": "", "checks": ()}
    return Report(**{**made, **changes})


def test_of_very_many_problems_the_first_are_named_outside_of_the_report():
    refused = report(checks=tuple(conclude("status", SPEC, [failed(RevokedError(str(n)))]) for n in range(1000)))
    whole = report(checks=(conclude("credentials", SPEC, [failed(ExpiredError("own"))]),), credentials=(refused,))
    assert len(whole.problems) == 1001
    content = json.loads(answer(whole).content)
    for member in ("problemDetails", "errors"):
        assert len(content[member]) == MAX_NAMED + 1
    assert content["errors"][0] == "own"
    assert content["errors"][-1] == f"the report has {1001 - MAX_NAMED} more"
    assert content["problemDetails"][-1]["type"].endswith("#NOT_LISTED")


def test_the_policy_stands_in_the_report_once():
    value = presentation(World().credential())
    value["verifiableCredential"].append({"type": "VerifiableCredential", "too many values": [0] * 20_000})
    report = judge_presentation(World(), value)
    assert report.policy is not None
    assert report.credentials[1].problem == "RESOURCE_LIMIT"
    assert [inner.policy for inner in report.credentials] == [None, None]


# --- evidence ------------------------------------------------------------------------------------------------


class Watched(dict):
    """A part of the evidence that counts how often all of it is looked through."""

    walks = 0

    def __iter__(self):
        self.walks += 1
        return super().__iter__()

    def items(self):
        self.walks += 1
        return super().items()


def test_a_few_names_are_looked_up_in_much_evidence_without_a_walk():
    entry = World().evidence().status_lists[World().lists["revocation"]]
    lists = Watched({f"https://host-{number}.example/": entry for number in range(1000)})
    evidence = Evidence(status_lists=lists)
    assert len(evidence.used({"https://host-7.example/", "x"})) == 1
    assert lists.walks == 0


@pytest.mark.parametrize("count", [1, 30])
def test_the_evidence_is_listed_once_however_many_credentials_there_are(count):
    known = World().evidence()
    lists = Watched({**known.status_lists})
    evidence = Evidence(did_documents=known.did_documents, status_lists=lists, attachments=known.attachments)
    shown = presentation(*[edited(World().unsecured(), drop("evidence"))] * count, holder=HOLDER)
    report = judge_presentation(World(), shown, evidence=evidence)
    assert len(report.evidence) == 3
    assert lists.walks <= 1
