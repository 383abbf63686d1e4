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
from tests.fakes.windows import WindowWorld
from verifier.policy import Policy
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


# --- a window beside its own inferences ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def node():
    """A node of two windows, each with two inferences."""
    place = WindowWorld(World(policy=Policy(trusted_issuers=("did:web:oracle.example",))))
    place.close()
    place.close()
    return place


def test_a_window_beside_one_of_its_inferences_is_told_in_both_orders(node):
    whole, part = node.credential(node.made[0]), node.inference(node.made[0])
    for shown in ((whole, part), (part, whole)):
        report = judge_presentation(node.world, presentation(*shown), evidence=node.evidence())
        assert report.outcome is Outcome.VERIFIED
        assert (STEP, "warning", "DUPLICATE_CREDENTIAL") in problems(report)
        told = report.check(STEP).detail
        assert f"{part['id']} is an inference of the window {whole['id']}" in told


def test_windows_alone_and_inferences_alone_are_each_counted_once(node):
    assert found(*(node.unsecured(made) for made in node.made)) == [("passed", None)]
    inferences = [node.inference(made, index) for made in node.made for index in (0, 1)]
    assert found(*inferences) == [("passed", None)]


def test_an_inference_of_another_window_counts_beside_a_window(node):
    first, second = node.made
    assert found(node.unsecured(second), node.inference(first)) == [("passed", None)]
    foreign = WindowWorld(World())
    others = foreign.unsecured(foreign.close(header={"node_id": "node-8"}))
    others["id"] = OTHER_ID
    assert found(others, node.inference(first)) == [("passed", None)]


def test_each_inference_beside_its_window_is_told(node):
    first, second = node.made
    shown = [node.inference(first), node.unsecured(second), node.inference(second, 1), node.unsecured(first)]
    assert found(*shown) == [("warning", "DUPLICATE_CREDENTIAL")] * 2
    assert found(*shown, node.inference(first, 1)) == [("warning", "DUPLICATE_CREDENTIAL")] * 3


@pytest.mark.parametrize("kept", ["windowDigest", "windowCredential", "digestMultibase"])
def test_an_inference_is_its_windows_by_each_name_that_it_gives(node, kept):
    whole, part = node.unsecured(node.made[0]), node.inference(node.made[0])
    others = {
        "windowDigest": ("evidence.0.windowDigest", node.made[1].header["merkle_root"]),
        "windowCredential": ("credentialSubject.windowCredential", OTHER_ID),
        "digestMultibase": ("evidence.0.digestMultibase", node.made[1].header["merkle_root"]),
    }
    changed = edited(part, *(put(*change) for name, change in others.items() if name != kept))
    # One that names this window's credential and shows another window's digest contradicts itself besides.
    refused = [("failed", "EVIDENCE_MISMATCH")] if kept == "windowCredential" else []
    assert found(whole, changed) == [("warning", "DUPLICATE_CREDENTIAL"), *refused]
    nothing = edited(part, *(put(*change) for change in others.values()))
    assert found(whole, nothing) == [("passed", None)]


def test_an_inference_beside_a_window_that_was_superseded_is_told_of_the_one_that_counts(node):
    old = node.unsecured(node.made[0])
    new = edited(old, put("id", OTHER_ID), put("credentialSubject.supersedes", old["id"]))
    told = found(old, new, node.inference(node.made[0]))
    assert told == [("warning", "DUPLICATE_CREDENTIAL")] * 2


@pytest.mark.parametrize(
    "claims", [{"pueSource": "https://oracle.example/another"}, {"windowCredential": "the second window's"}]
)
def test_an_inference_that_is_not_as_the_window_that_it_names_is_refused(node, claims):
    first, second = node.made
    whole, other = node.unsecured(first), node.unsecured(second)
    claims = {name: other["id"] if "window's" in value else value for name, value in claims.items()}
    told = found(whole, other, node.inference(first, **claims))
    assert ("failed", "EVIDENCE_MISMATCH") in told
    assert ("failed", "EVIDENCE_MISMATCH") not in found(whole, other, node.inference(first))
