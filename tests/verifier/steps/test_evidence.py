"""The step evidence: the record behind the claims, read again."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from did.signers import SoftwareSigner
from schemas import base64url, digests, jcs, telemetry
from tests.fakes.verifier import (
    NODE,
    World,
    edited,
    example,
    fetched,
    problems,
    put,
    signer,
    telemetry_record,
)
from verifier.evidence import Evidence
from verifier.policy import Policy
from verifier.report import Outcome, Result

KEY = NODE.public_key.thumbprint_uri


def digest_of(world):
    return digests.digest(jcs.canonical_bytes(world.record))


def test_a_record_that_says_what_is_claimed_passes():
    check = World().report().check("evidence")
    assert check.result is Result.PASSED
    assert "signed by the node's key" in check.findings[1].detail


def test_inline_evidence_needs_no_attachment():
    world = World()
    value = world.credential(put("evidence.0.inlineEvidence", base64url.encode(jcs.canonical_bytes(world.record))))
    world.without = {digest_of(world)}
    assert world.report(value).check("evidence").result is Result.PASSED


@pytest.mark.parametrize("name", ["record", "key"])
def test_evidence_that_is_not_at_hand_is_a_warning_by_default(name):
    world = World()
    world.without = {digest_of(world) if name == "record" else KEY}
    report = world.report()
    assert ("evidence", "warning", "EVIDENCE_NOT_CHECKED") in problems(report)
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize("name", ["record", "key"])
def test_evidence_that_is_not_at_hand_is_inconclusive_where_it_is_required(name):
    world = World(policy=Policy(require_evidence=True))
    world.without = {digest_of(world) if name == "record" else KEY}
    assert world.report().outcome is Outcome.INCONCLUSIVE


def test_other_bytes_than_those_committed_to_are_refused():
    world = World()
    other = jcs.canonical_bytes(telemetry_record(energy_kwh="0.0001"))
    world.overrides[digest_of(world)] = fetched("https://oracle.example/evidence/x", other)
    report = world.report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")


@pytest.mark.parametrize(
    ("claim", "record"),
    [
        ("nodeId", {"node_id": "node-8"}),
        ("modelId", {"model_id": "another/model"}),
        ("inferenceId", {"inference_id": "another"}),
        ("periodEnd", {"timestamp": "2026-11-20T20:01:04.5Z"}),
        ("durationSeconds", {"duration_s": None}),
        ("periodStart", {"duration_s": "2.5"}),
        ("acceleratorActiveKwh", {"energy_kwh": "0.000728"}),
        ("measurementMethod", {"method": "modelled"}),
        ("assurance", {"simulated": True}),
    ],
)
def test_a_claim_that_is_not_the_records_is_refused_by_name(claim, record):
    report = World(record=telemetry_record(**record)).report()
    details = [finding.detail for finding in report.check("evidence").findings if finding.result is Result.FAILED]
    assert any(detail.startswith(f"{claim}:") for detail in details), details
    assert report.check("evidence").problem == "EVIDENCE_MISMATCH"


def test_a_lower_method_than_the_record_allows_is_honest():
    world = World()
    value = world.credential(put("credentialSubject.measurementMethod", "modelled"))
    assert world.report(value).check("evidence").result is Result.PASSED


def test_a_boundary_that_the_record_does_not_speak_of_is_pointed_out():
    world = World()

    def host(document):
        document["credentialSubject"] |= {
            "hostKwh": "0.000271",
            "energyKwh": "0.001",
            "operationalEmissionsGco2e": "0.19503",
        }

    report = world.report(world.credential(host))
    assert report.check("claims").result is Result.PASSED
    assert ("evidence", "warning", "EVIDENCE_NOT_CHECKED") in problems(report)


def test_a_record_that_the_node_did_not_sign_is_refused():
    record = telemetry_record()
    forged = edited(record, put("signature", base64url.encode(signer(9).sign(b"other", "ES256"))))
    report = World(record=forged).report()
    assert report.check("evidence").problem == "EVIDENCE_MISMATCH"
    assert report.check("assurance").problem == "ASSURANCE_NOT_SHOWN"


def test_a_key_with_another_thumbprint_is_refused():
    world = World()
    world.overrides[KEY] = fetched("https://oracle.example/evidence/key", {**signer(9).public_key.jwk})
    assert world.report().check("evidence").problem == "EVIDENCE_MISMATCH"


@pytest.mark.parametrize("body", [b"no json", b'{"kty":"oct","k":"AAAA"}'])
def test_a_key_that_cannot_be_used_is_refused(body):
    world = World()
    world.overrides[KEY] = fetched("https://oracle.example/evidence/key", body)
    assert world.report().check("evidence").problem == "EVIDENCE_MISMATCH"


def test_bytes_that_are_no_telemetry_are_refused():
    world = World(record={"hello": "world"})
    assert world.report().check("evidence").problem == "EVIDENCE_MISMATCH"


def test_a_record_digest_of_something_else_is_refused():
    world = World()
    value = world.credential(put("evidence.0.recordDigest", digests.digest(b"other")))
    assert world.report(value).check("evidence").problem == "EVIDENCE_MISMATCH"


@pytest.mark.parametrize("name", ["credential.vc11.json", "window.vc11.json"])
def test_a_tpms_evidence_without_all_that_belongs_to_it_shows_no_tpm(name):
    report = World().report(example(name))
    assert ("evidence", "warning", "EVIDENCE_NOT_CHECKED") in problems(report)
    assert ("assurance", "inconclusive", "ASSURANCE_NOT_SHOWN") in problems(report)


@pytest.mark.parametrize(("signed_with", "outcome"), [("PS256", "verified"), ("RS256", "refused")])
def test_what_a_keys_own_file_says_it_is_for_does_not_choose_the_algorithm(signed_with, outcome):
    node = SoftwareSigner(rsa.generate_private_key(65537, 2048))
    body = {name: member for name, member in telemetry_record().items() if name != "signature"}
    signature = node.sign(telemetry.signing_input(body), signed_with)
    world = World(record={**body, "signature": base64url.encode(signature)})
    uri = node.public_key.thumbprint_uri
    key = fetched("https://oracle.example/evidence/key", {**node.public_key.jwk})
    evidence = world.evidence().joined(Evidence(attachments={uri: key}))
    assert world.report(world.credential(put("evidence.0.signedBy", uri)), evidence).outcome.value == outcome


def test_a_key_file_that_is_for_another_algorithm_is_refused():
    node = SoftwareSigner(rsa.generate_private_key(65537, 2048))
    body = {name: member for name, member in telemetry_record().items() if name != "signature"}
    signature = node.sign(telemetry.signing_input(body), "RS256")
    world = World(record={**body, "signature": base64url.encode(signature)})
    uri = node.public_key.thumbprint_uri
    key = fetched("https://oracle.example/evidence/key", {**node.public_key.jwk, "alg": "RS256"})
    evidence = world.evidence().joined(Evidence(attachments={uri: key}))
    report = world.report(world.credential(put("evidence.0.signedBy", uri)), evidence)
    assert ("evidence", "failed", "EVIDENCE_MISMATCH") in problems(report)


def test_a_summary_has_its_evidence_in_its_members():
    report = World(policy=Policy(require_evidence=True)).report(example("summary.vc11.json"))
    assert ("evidence", "inconclusive", "EVIDENCE_NOT_CHECKED") in problems(report)
