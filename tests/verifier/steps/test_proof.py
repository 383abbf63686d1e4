"""The step proof."""

import pytest

from did.signers import SoftwareSigner
from tests.fakes.verifier import Signatory, World, drop, edited, problems, put, signer
from verifier.report import Outcome, Result


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def good(world):
    return world.credential()


def test_a_good_signature_passes(world, good):
    assert world.report(good).check("proof").result is Result.PASSED


@pytest.mark.parametrize("proof", [None, [], {}, "x", [{}]])
def test_what_is_no_proof_is_named_so(world, good, proof):
    report = world.report(edited(good, put("proof", proof)))
    assert report.outcome is Outcome.REFUSED
    assert ("proof", "failed", "NO_PROOF") in problems(report)


def test_an_unsigned_credential_is_refused_for_that(world):
    assert world.report(world.unsecured()).problem == "NO_PROOF"


def test_one_digit_changed_after_signing_is_found_by_the_signature(world, good):
    report = world.report(edited(good, put("credentialSubject.modelId", "meta-llama/Llama-3.1-70B-instruct")))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "PROOF_VERIFICATION_ERROR")
    assert report.check("proof").result is Result.FAILED


def test_a_status_that_is_taken_away_after_signing_is_refused(world, good):
    report = world.report(edited(good, drop("credentialStatus")))
    assert ("proof", "failed", "PROOF_VERIFICATION_ERROR") in problems(report)


def test_a_signature_by_another_key_of_the_same_issuer_is_refused(world):
    value = Signatory(signer(5), world.issuer.did).sign(world.unsecured())
    assert world.report(value).problem == "PROOF_VERIFICATION_ERROR"


def test_a_purpose_of_another_kind_is_refused(world):
    value = world.credential(purpose="authentication")
    assert world.report(value).check("proof").problem == "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


@pytest.mark.parametrize("purpose", [["assertionMethod"], "https://w3id.org/security#assertionMethod", None])
def test_a_purpose_that_cannot_be_read_is_refused(world, good, purpose):
    report = world.report(edited(good, put("proof.proofPurpose", purpose)))
    assert report.check("proof").problem == "PROOF_VERIFICATION_ERROR"


def test_an_unknown_suite_is_refused_by_name(world, good):
    report = world.report(edited(good, put("proof.type", "Ed25519Signature2018")))
    assert ("proof", "failed", "PROOF_VERIFICATION_ERROR") in problems(report)
    assert "Ed25519Signature2018" in report.check("proof").detail


def test_an_unsigned_member_of_the_proof_is_refused(world, good):
    report = world.report(edited(good, put("proof.nonce2", "x")))
    assert report.outcome is Outcome.REFUSED
    assert ("schema", "failed", "SCHEMA_INVALID") in problems(report)


def test_a_bad_proof_beside_a_good_one_refuses_whatever_their_order(world, good):
    bad = {**good["proof"], "created": "2026-11-20T20:01:06Z"}
    for proofs in ([bad, good["proof"]], [good["proof"], bad]):
        report = world.report(edited(good, put("proof", proofs)))
        assert ("proof", "failed", "PROOF_VERIFICATION_ERROR") in problems(report)


def test_the_same_proof_twice_is_pointed_out(world, good):
    report = world.report(edited(good, put("proof", [good["proof"]] * 2)))
    assert ("proof", "warning", "DUPLICATE_PROOF") in problems(report)


def test_members_in_another_order_verify(world, good):
    value = {name: good[name] for name in sorted(good, reverse=True)}
    assert world.report(value).outcome is Outcome.VERIFIED


def test_a_new_key_under_a_did_key_verifies():
    world = World(issuer=Signatory(SoftwareSigner.generate("ES256")))
    assert world.report(world.credential(), world.evidence()).check("proof").result is Result.PASSED
