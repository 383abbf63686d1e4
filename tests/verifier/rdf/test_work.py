"""What the foreign credentials of one verdict may cost together, and what is worked out once."""

import json

import pytest

from tests.fakes.verifier import ENGINE, NOW, Signatory, presentation, signer
from verifier import document
from verifier.case import Engines
from verifier.errors import OverloadedError, ResourceLimitError, UnsignedClaimError
from verifier.evidence import NOTHING
from verifier.policy import Policy
from verifier.presentation import Expectation
from verifier.rdf.work import FREE_CPU_S, MAX_CPU_S, Forms, Work
from verifier.report import Outcome
from verifier.verify import verify_presentation

ISSUER = Signatory(signer(8))
CONTEXTS = ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/suites/jws-2020/v1"]


class Costly:
    """An engine that says that every document costs so much; it keeps the ids of those that it was given."""

    def __init__(self, cpu_s=0.0, error=None):
        self.cpu_s, self.error = cpu_s, error
        self.given = []

    def canonicalize_for(self, work, value):
        work.spend(self.cpu_s)
        self.given.append(value.get("id"))
        if self.error is not None:
            raise self.error
        return ENGINE.canonicalize(value)

    def canonicalize(self, value):
        return self.canonicalize_for(Work(), value)


def foreign(number):
    return ISSUER.sign(
        {
            "@context": CONTEXTS,
            "id": f"urn:x:{number}",
            "type": ["VerifiableCredential"],
            "issuer": ISSUER.did,
            "issuanceDate": "2026-01-01T00:00:00Z",
            "credentialSubject": {"id": f"urn:s:{number}"},
        },
        created="2026-01-01T00:00:00Z",
    )


def judged(engine, *credentials):
    parsed = document.embedded_presentation(presentation(*credentials))
    expectation = Expectation("c-1", "audit.example")
    return verify_presentation(parsed, NOTHING, Policy(), expectation, NOW, engines=Engines(ENGINE, engine))


# --- one budget ----------------------------------------------------------------------------------------------


def test_when_the_credentials_have_used_up_the_workers_time_the_rest_are_not_looked_at():
    engine = Costly(cpu_s=3.0)
    report = judged(engine, *[foreign(number) for number in range(12)])
    problems = [inner.problem for inner in report.credentials]
    assert problems == [None] * 3 + ["RESOURCE_LIMIT"] * 9
    assert report.problem == "RESOURCE_LIMIT"
    # The presentation and its proof; the proof options, which are all alike, and three documents.
    assert len(engine.given) == 2 + 4
    assert "present fewer" in report.credentials[-1].detail


def test_ordinary_credentials_use_nothing_up_however_many_they_are():
    engine = Costly(cpu_s=FREE_CPU_S)
    report = judged(engine, *[foreign(number) for number in range(30)])
    assert report.outcome is Outcome.VERIFIED
    work = Work()
    for _ in range(10_000):
        work.spend(FREE_CPU_S)
    work.check()


def test_a_large_presentation_takes_nothing_from_its_credentials():
    # The presentation and its proof options would use up the budget before the first credential.
    report = judged(Costly(cpu_s=MAX_CPU_S * 0.6), foreign(1))
    assert report.outcome is Outcome.VERIFIED


def test_the_next_verdict_has_a_budget_of_its_own():
    engine = Costly(cpu_s=MAX_CPU_S)
    for _ in range(2):
        assert judged(engine, foreign(1), foreign(2)).credentials[1].problem == "RESOURCE_LIMIT"


# --- each once -----------------------------------------------------------------------------------------------


def test_a_credential_that_stands_there_a_hundred_times_is_canonicalized_once():
    engine = Costly()
    assert judged(engine, *[foreign(1)] * 100).outcome is Outcome.VERIFIED
    assert engine.given.count("urn:x:1") == 1


def test_what_was_refused_is_not_tried_again():
    engine, forms = Costly(error=UnsignedClaimError("no")), Forms()
    for _ in range(3):
        with pytest.raises(UnsignedClaimError):
            forms.form(engine, {"id": "a"})
    assert engine.given == ["a"]


def test_a_worker_that_was_not_free_says_nothing_about_the_document():
    engine, forms = Costly(error=OverloadedError("busy")), Forms()
    for _ in range(2):
        with pytest.raises(OverloadedError):
            forms.form(engine, {"id": "a"})
    assert engine.given == ["a", "a"]


def test_documents_that_differ_in_one_value_are_two():
    engine, forms = Costly(), Forms()
    first, second = ({"@context": CONTEXTS[0], "id": f"urn:x:{n}", "type": "VerifiableCredential"} for n in (1, 2))
    assert forms.form(engine, first) == ENGINE.canonicalize(first)
    assert forms.form(engine, second) == ENGINE.canonicalize(second)


def test_no_more_canonical_forms_are_kept_than_there_is_room_for():
    engine = Costly()
    value = {"@context": CONTEXTS[0], "id": "urn:x:1", "type": "VerifiableCredential"}
    forms = Forms(max_kept_bytes=len(ENGINE.canonicalize(value)) - 1)
    for _ in range(2):
        forms.form(engine, value)
    assert len(engine.given) == 2


def test_what_is_known_already_needs_no_time():
    work = Work(1.0)
    forms, engine = Forms(work), Costly()
    value = {"@context": CONTEXTS[0], "id": "urn:x:1", "type": "VerifiableCredential"}
    form = forms.form(engine, value)
    work.spend(2.0)
    assert forms.form(engine, value) == form
    with pytest.raises(ResourceLimitError):
        forms.form(engine, {**value, "id": "urn:x:2"})


def test_a_document_that_nests_too_deeply_is_refused():
    nested: object = "x"
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ResourceLimitError):
        Forms().form(Costly(), {"a": nested})


def test_the_report_names_what_was_too_costly():
    report = judged(Costly(cpu_s=MAX_CPU_S * 2), foreign(1), foreign(2))
    assert json.loads(report.to_json())["problem"] == "RESOURCE_LIMIT"
