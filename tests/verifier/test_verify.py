"""The verdict as a whole: a positive control, what is named first, replay, and changes at random."""

import copy
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas.errors import MalformedValueError, ParsingError
from tests.fakes.verifier import ENGINES, INDEX, NOW, World, drop, edited, problems, put
from verifier import document
from verifier.case import Engines
from verifier.evidence import NOTHING, Evidence
from verifier.policy import Policy
from verifier.rdf.canonicalize import InProcess
from verifier.report import Outcome, Result
from verifier.verify import (
    CREDENTIAL_STEPS,
    PRESENTATION_STEPS,
    refused_at_gate,
    verify_credential,
)

WORLD = World()
GOOD = WORLD.credential()
EVIDENCE = WORLD.evidence()


def judge(value, evidence=EVIDENCE, policy=Policy(), now=NOW):  # noqa: B008 - frozen
    parsed = document.parse(json.dumps(value).encode())
    return verify_credential(parsed, evidence, policy, now, engines=ENGINES)


def test_a_good_credential_is_verified_with_every_step_shown():
    report = judge(GOOD)
    assert report.outcome is Outcome.VERIFIED
    assert report.problem is None
    assert [check.step for check in report.checks] == [step.name for step in CREDENTIAL_STEPS]
    assert problems(report) == {("trusted-issuer", "warning", "UNTRUSTED_ISSUER")}


def test_a_trusted_issuer_leaves_no_warning_at_all():
    assert not problems(judge(GOOD, policy=Policy(trusted_issuers=(WORLD.issuer.did,))))


def test_the_report_says_what_it_rests_on():
    report = judge(GOOD)
    assert {used.url for used in report.evidence} == {entry.url for _, _, entry in EVIDENCE.items()}
    assert all(used.digest and used.retrieved_at for used in report.evidence)
    assert report.at == "2026-11-20T21:00:00Z"
    assert report.issuer == WORLD.issuer.did
    assert report.subject["operationalEmissionsGco2e"] == "0.14217687"


def test_the_same_arguments_give_the_same_bytes():
    assert judge(GOOD).to_json() == judge(GOOD).to_json()


def test_the_verdict_depends_on_the_time_it_is_made_for():
    assert judge(GOOD, now=NOW - timedelta(days=1)).outcome is Outcome.REFUSED


def test_without_any_evidence_nothing_is_verified():
    report = judge(GOOD, evidence=NOTHING)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.problem == "FETCH_FAILED"


def test_all_failures_are_shown_and_the_first_is_named():
    world = World(bits={"revocation": {INDEX}})
    value = edited(
        world.credential(),
        put("credentialSubject.energyKwh", "0.0009"),
        put("expirationDate", "2026-11-20T20:30:00Z"),
    )
    report = world.report(value)
    found = {problem for _, result, problem in problems(report) if result == "failed"}
    assert {"PROOF_VERIFICATION_ERROR", "EXPIRED", "REVOKED", "CLAIM_INCONSISTENT"} <= found
    assert report.problem == "PROOF_VERIFICATION_ERROR"


def test_a_failure_is_never_outweighed_by_what_could_not_be_checked():
    report = judge(edited(GOOD, put("credentialSubject.energyKwh", "0.0009")), evidence=NOTHING)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "CLAIM_INCONSISTENT")


def test_bytes_that_are_no_document_are_refused_at_the_first_step():
    report = refused_at_gate(b"{", ParsingError("the document is not JSON"), Policy(), NOW)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "PARSING_ERROR")
    assert {check.result for check in report.checks[1:]} == {Result.SKIPPED}


class Counting(InProcess):
    """An engine that counts what it is given."""

    def __init__(self):
        super().__init__()
        self.documents = 0

    def canonicalize(self, value):
        self.documents += 1
        return super().canonicalize(value)


@pytest.mark.parametrize(
    ("change", "closed"),
    [(None, True), (put("credentialSubject.unknown", "1"), False), (drop("credentialSubject.nodeId"), False)],
    ids=["our closed shape", "another member", "a member less"],
)
def test_only_our_closed_shape_is_canonicalized_in_this_process(change, closed):
    engines = Engines(closed=Counting(), general=Counting())
    value = GOOD if change is None else edited(GOOD, change)
    parsed = document.parse(json.dumps(value).encode())
    only_the_key = Evidence(did_documents=EVIDENCE.did_documents)
    verify_credential(parsed, only_the_key, Policy(), NOW, engines=engines)
    assert (engines.closed.documents > 0, engines.general.documents > 0) == (closed, not closed)


def test_every_step_names_a_rule_that_can_be_read():
    for step in (*CREDENTIAL_STEPS, *PRESENTATION_STEPS):
        assert step.spec.url.startswith("https://")
        assert step.spec.name


def test_a_step_needs_only_steps_before_it():
    for steps in (CREDENTIAL_STEPS, PRESENTATION_STEPS):
        names = [step.name for step in steps]
        for number, step in enumerate(steps):
            assert set(step.needs) <= set(names[:number])


# --- at random ---------------------------------------------------------------------------------------------


def paths(value, prefix=()):
    """Yield the path of every scalar of a document but those of the inline context."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths(member, (*prefix, name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            if prefix != ("@context",) or isinstance(member, str):
                yield from paths(member, (*prefix, number))
    else:
        yield prefix


SCALARS = sorted(paths(GOOD), key=str)


def replaced(path, change):
    value = copy.deepcopy(GOOD)
    parent = value
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = change(parent[path[-1]])
    return value


@st.composite
def one_character_changed(draw):
    """Draw a path and a value in which one character is another."""
    path = draw(st.sampled_from(SCALARS))

    def change(text):
        at = draw(st.integers(0, len(text) - 1))
        other = draw(st.sampled_from("019aZ.-:/u_").filter(lambda char: char != text[at]))
        return text[:at] + other + text[at + 1 :]

    return path, replaced(path, change)


# The step that speaks of a member, where it is not the signature alone.
STEPS = {
    "@context": {"context"},
    "type": {"model", "schema", "proof"},
    "proof": {"schema", "proof", "issuer-key", "validity"},
    "credentialSchema": {"schema", "proof"},
    "issuer": {"schema", "issuer-key", "model", "proof"},
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(one_character_changed())
def test_one_character_changed_anywhere_refuses_and_the_right_step_says_so(drawn):
    path, value = drawn
    report = judge(value)
    assert report.outcome is not Outcome.VERIFIED
    found = {step for step, result, _ in problems(report) if result != "warning"}
    assert found & STEPS.get(path[0], {"schema", "proof"}), (path, found)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted({path[:2] for path in SCALARS if path[0] != "@context"}, key=str)), st.booleans())
def test_a_member_removed_or_nulled_refuses(path, nulled):
    value = copy.deepcopy(GOOD)
    parent = value if len(path) == 1 else value[path[0]]
    if nulled:
        parent[path[-1]] = None
    else:
        del parent[path[-1]]
    report = judge(value)
    assert report.outcome is Outcome.REFUSED
    assert report.problem in {
        "SCHEMA_INVALID",
        "NO_PROOF",
        "TYPE_MISMATCH",
        "INVALID_VERIFICATION_METHOD",
        "PROOF_VERIFICATION_ERROR",
        "PROOF_TRANSFORMATION_ERROR",
    }


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(sorted(GOOD)),
)
def test_whatever_stands_in_a_member_ends_in_a_report(junk, member):
    try:
        report = judge({**GOOD, member: junk})
    except MalformedValueError:
        event("refused by the gate, before any verdict")
    else:
        assert report.outcome is Outcome.REFUSED or junk == GOOD[member]
