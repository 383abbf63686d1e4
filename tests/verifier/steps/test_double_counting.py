"""The step double-counting: energy that is presented twice."""

import pytest

from schemas.credential import decode
from tests.fakes.verifier import (
    World,
    edited,
    example,
    judge_presentation,
    presentation,
    problems,
    put,
    telemetry_record,
)
from verifier.presentation import Member
from verifier.report import Outcome, Report
from verifier.steps.double_counting import check_double_counting

STEP = "double-counting"
OTHER_ID = "https://oracle.example/credentials/019aa2c5-9410-7c00-9a00-0000000000c4"
OTHER_INFERENCE = {
    "id": "https://oracle.example/inferences/another",
    "inferenceId": "another",
}


@pytest.fixture(scope="module")
def world():
    return World()


class Case:
    """What the step reads of a presentation: its members, each with a verdict of its own."""

    def __init__(self, *values):
        self.members = [Member(value, _verified(value), decode(value)) for value in values]


def _verified(value):
    return Report(
        outcome=Outcome.VERIFIED, kind="", document_digest="", at="", checks=(), id=value["id"], issuer=value["issuer"]
    )


def found(*values):
    return [(finding.result.value, finding.problem) for finding in check_double_counting(Case(*values))]


def test_one_credential_counts_once(world):
    assert found(world.unsecured()) == [("passed", None)]


def test_the_same_credential_again_is_a_warning(world):
    value = world.credential()
    report = judge_presentation(world, presentation(value, value))
    assert (STEP, "warning", "DUPLICATE_CREDENTIAL") in problems(report)
    assert report.outcome is Outcome.VERIFIED


def test_a_second_credential_for_the_same_inference_is_refused(world):
    second = world.credential(put("id", OTHER_ID))
    report = judge_presentation(world, presentation(world.credential(), second))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "DUPLICATE_WINDOW")


def test_the_same_inference_under_another_url_is_refused(world):
    other = edited(world.unsecured(), put("id", OTHER_ID), put("credentialSubject.id", OTHER_INFERENCE["id"]))
    assert found(world.unsecured(), other) == [("failed", "DUPLICATE_WINDOW")]


def test_the_same_record_sold_as_another_inference_is_refused(world):
    other = edited(world.unsecured(), put("id", OTHER_ID))
    other["credentialSubject"] |= OTHER_INFERENCE
    assert found(world.unsecured(), other) == [("failed", "DUPLICATE_WINDOW")]


def test_another_inference_with_its_own_record_counts_beside_it(world):
    record = telemetry_record(inference_id="another")
    other = edited(World(record=record).unsecured(), put("id", OTHER_ID))
    other["credentialSubject"] |= OTHER_INFERENCE
    assert found(world.unsecured(), other) == [("passed", None)]


def test_a_credential_beside_the_one_that_it_supersedes_is_a_warning(world):
    first = world.unsecured()
    second = edited(first, put("id", OTHER_ID), put("credentialSubject.supersedes", first["id"]))
    assert found(first, second) == [("warning", "DUPLICATE_CREDENTIAL")]


def window(**changes):
    value = example("window.vc11.json")
    value["id"] = changes.pop("id", value["id"])
    value["credentialSubject"] |= changes
    return value


@pytest.mark.parametrize(
    ("start", "outcome"),
    [("2026-11-20T20:00:10Z", "passed"), ("2026-11-20T20:00:09.999999Z", "failed")],
    ids=["that follow each other", "that overlap by a microsecond"],
)
def test_windows_of_one_node(start, outcome):
    later = window(
        id=OTHER_ID,
        periodStart=start,
        periodEnd="2026-11-20T20:00:20Z",
        windowDigest="uEiDL7Ip3agcg9owh8Za4u49lO-6VF38yFNaynTz0sPJCRg",
    )
    later["credentialSubject"]["id"] = "https://oracle.example/windows/node-7/1.0/42"
    later["evidence"][0]["id"] = "https://oracle.example/evidence/other"
    assert found(window(), later)[0][0] == outcome


def test_windows_of_two_nodes_may_overlap():
    later = window(id=OTHER_ID, nodeId="node-8", windowDigest="uEiDL7Ip3agcg9owh8Za4u49lO-6VF38yFNaynTz0sPJCRg")
    later["credentialSubject"]["id"] = "https://oracle.example/windows/node-8/1.0/41"
    assert found(window(), later) == [("passed", None)]


def test_the_same_signed_window_under_two_names_is_refused():
    later = window(id=OTHER_ID, nodeId="node-8")
    later["credentialSubject"]["id"] = "https://oracle.example/windows/node-8/1.0/41"
    assert found(window(), later) == [("failed", "DUPLICATE_WINDOW")]


def test_two_credentials_that_say_different_things_under_one_id_are_refused(world):
    first = world.unsecured()
    assert found(first, edited(first, put("credentialSubject.modelId", "another"))) == [("failed", "DUPLICATE_WINDOW")]


def test_a_stranger_cannot_supersede_an_issuers_credential(world):
    first = world.unsecured()
    second = edited(
        first,
        put("id", OTHER_ID),
        put("issuer", "did:web:evil.example"),
        put("credentialSubject.supersedes", first["id"]),
    )
    assert found(first, second) == [("failed", "DUPLICATE_WINDOW")]


def test_two_credentials_that_supersede_each_other_are_still_counted(world):
    first = edited(world.unsecured(), put("credentialSubject.supersedes", OTHER_ID))
    second = edited(first, put("id", OTHER_ID), put("credentialSubject.supersedes", first["id"]))
    assert found(first, second) == [("failed", "DUPLICATE_WINDOW")]
    later = edited(second, put("issuanceDate", "2026-11-20T20:02:00Z"))
    assert ("warning", "DUPLICATE_CREDENTIAL") in found(first, later)
