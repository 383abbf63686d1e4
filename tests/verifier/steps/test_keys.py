"""The steps issuer-key and trusted-issuer."""

from datetime import UTC, datetime

import pytest

from did.documents import PublishedKey
from tests.fakes.verifier import NOW, Signatory, World, drop, edited, fetched, problems, put, signer
from verifier.errors import FetchBlockedError, FetchFailedError
from verifier.evidence import absent
from verifier.policy import Policy
from verifier.report import Outcome, Result

DID = "did:web:oracle.example"
URL = "https://oracle.example/.well-known/did.json"
KEY = signer(1).public_key


def with_document(world, document):
    world.overrides[DID] = fetched(URL, document, origin=world.origin)
    return world.report()


def published(**details):
    return Signatory(signer(1), DID).document(PublishedKey("key-1", KEY, **details))


def test_a_key_in_the_issuers_document_is_established():
    assert World().report().check("issuer-key").result is Result.PASSED


def test_a_did_key_issuer_needs_no_document():
    world = World(issuer=Signatory(signer(1)))
    report = world.report(world.credential(), world.evidence())
    assert report.check("issuer-key").result is Result.PASSED
    assert report.outcome is Outcome.VERIFIED


def test_a_document_that_is_not_at_hand_is_inconclusive():
    world = World(without={DID})
    report = world.report()
    assert report.outcome is Outcome.INCONCLUSIVE
    assert ("issuer-key", "inconclusive", "FETCH_FAILED") in problems(report)
    assert report.check("proof").result is Result.SKIPPED


def test_a_host_that_does_not_answer_is_inconclusive():
    world = World()
    world.overrides[DID] = absent(URL, FetchFailedError("no answer"), origin="network")
    assert world.report().check("issuer-key").result is Result.INCONCLUSIVE


def test_a_host_at_a_forbidden_address_is_refused():
    world = World()
    world.overrides[DID] = absent(URL, FetchBlockedError("loopback"), origin="network")
    assert world.report().problem == "FETCH_BLOCKED"


def test_a_document_of_another_did_is_refused():
    report = with_document(World(), Signatory(signer(1), "did:web:evil.example").document())
    assert report.check("issuer-key").problem == "INVALID_CONTROLLED_IDENTIFIER_DOCUMENT_ID"


def test_a_key_that_is_not_for_assertions_is_refused():
    report = with_document(World(), edited(published(), put("assertionMethod", [])))
    assert report.problem == "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


def test_a_key_that_is_not_in_the_document_is_refused():
    report = with_document(World(), Signatory(signer(1), DID, "key-2").document())
    assert report.problem == "INVALID_VERIFICATION_METHOD"


def test_a_method_controlled_by_somebody_else_is_refused():
    report = with_document(World(), edited(published(), put("verificationMethod.0.controller", "did:web:evil.example")))
    assert report.problem == "INVALID_VERIFICATION_METHOD"


def test_a_deactivated_did_is_refused():
    assert with_document(World(), published() | {"deactivated": True}).problem == "DID_DEACTIVATED"


def test_a_key_that_had_expired_when_it_signed_is_refused():
    report = with_document(World(), published(state="retired", expires=datetime(2026, 11, 20, 20, 1, tzinfo=UTC)))
    assert report.problem == "KEY_EXPIRED"


def test_a_key_that_was_retired_after_it_signed_counts_with_a_warning():
    report = with_document(World(), published(state="retired", expires=datetime(2026, 11, 20, 20, 30, tzinfo=UTC)))
    assert ("issuer-key", "warning", "KEY_RETIRED") in problems(report)
    assert report.outcome is Outcome.VERIFIED


def test_a_revoked_key_proves_nothing_even_of_the_time_before():
    report = with_document(World(), published(state="revoked", revoked=NOW))
    assert report.problem == "KEY_REVOKED"


@pytest.mark.parametrize(
    "method",
    [
        "did:web:evil.example#key-1",
        "#key-1",
        "key-1",
        "did:web:ORACLE.example#key-1",
        {"id": "did:web:oracle.example#key-1"},
        None,
    ],
)
def test_a_verification_method_that_is_not_the_issuers_spelled_out_is_refused(method):
    world = World()
    report = world.report(edited(world.credential(), put("proof.verificationMethod", method)))
    assert report.check("issuer-key").problem == "INVALID_VERIFICATION_METHOD"


def test_a_tenants_key_does_not_speak_for_the_issuer_of_another_path():
    world = World()
    value = edited(world.credential(), put("issuer", "did:web:oracle.example:tenants:b"))
    document = Signatory(signer(1), "did:web:oracle.example:tenants:b").document()
    evidence = world.evidence().joined(
        World(issuer=Signatory(signer(1), "did:web:oracle.example:tenants:b")).evidence()
    )
    assert document["id"] in evidence.did_documents
    assert world.report(value, evidence).check("issuer-key").problem == "INVALID_VERIFICATION_METHOD"


def test_an_unknown_did_method_is_refused_by_name():
    world = World()
    value = edited(world.credential(), put("issuer", "did:example:123"))
    assert world.report(value).problem == "UNSUPPORTED_DID_METHOD"


def test_five_proofs_are_more_than_are_checked():
    world = World()
    value = world.credential()
    report = world.report(edited(value, put("proof", [value["proof"]] * 5)))
    assert ("issuer-key", "failed", "RESOURCE_LIMIT") in problems(report)
    assert report.problem == "RESOURCE_LIMIT"


# --- documents from a folder -------------------------------------------------------------------------------


def test_a_document_from_a_folder_is_inconclusive_without_pin_or_trust():
    report = World(origin="folder").report()
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.problem == "UNPINNED_DID_DOCUMENT"
    assert report.check("proof").result is Result.PASSED


def test_a_document_from_a_trusted_folder_counts_and_the_report_says_so():
    report = World(origin="folder", policy=Policy(trust_evidence=True)).report()
    assert report.outcome is Outcome.VERIFIED
    assert ("issuer-key", "warning", "EVIDENCE_FROM_FOLDER") in problems(report)


def test_a_document_from_a_folder_counts_where_its_key_is_pinned():
    policy = Policy(pinned_keys={DID: (KEY.thumbprint_uri,)})
    report = World(origin="folder", policy=policy).report()
    assert report.outcome is Outcome.VERIFIED
    assert report.check("issuer-key").result is Result.PASSED


def test_a_key_other_than_the_pinned_one_is_refused_wherever_it_comes_from():
    policy = Policy(pinned_keys={DID: (signer(9).public_key.thumbprint_uri,)})
    assert World(policy=policy).report().problem == "INVALID_VERIFICATION_METHOD"


# --- trust -------------------------------------------------------------------------------------------------


def test_without_a_list_an_unknown_issuer_is_a_warning():
    assert ("trusted-issuer", "warning", "UNTRUSTED_ISSUER") in problems(World().report())


def test_an_issuer_on_the_list_is_trusted():
    assert World(policy=Policy(trusted_issuers=(DID,))).report().check("trusted-issuer").result is Result.PASSED


@pytest.mark.parametrize(
    "policy", [Policy(require_trusted_issuer=True), Policy(trusted_issuers=("did:web:a.example",))]
)
def test_an_issuer_outside_the_list_is_refused(policy):
    report = World(policy=policy).report()
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "UNTRUSTED_ISSUER")


def test_no_proof_no_key():
    world = World()
    report = world.report(edited(world.credential(), drop("proof")))
    assert "no proof" in report.check("issuer-key").findings[-1].detail
