"""Presentations: the holder's proof, the challenge, each credential by itself, and whose it is."""

import pytest

from tests.fakes.verifier import (
    EXPECTED,
    HOLDER,
    INDEX,
    Signatory,
    World,
    drop,
    edited,
    example,
    judge_presentation,
    presentation,
    problems,
    put,
    signer,
)
from verifier.policy import Policy
from verifier.presentation import Standing
from verifier.report import Outcome, Result
from verifier.verify import Expectation


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def good(world):
    return world.credential()


@pytest.fixture(scope="module")
def presented(good):
    return presentation(good)


def test_a_good_presentation_verifies_with_each_credential_reported(world, presented):
    report = judge_presentation(world, presented)
    assert report.outcome is Outcome.VERIFIED
    assert [inner.outcome for inner in report.credentials] == [Outcome.VERIFIED]
    assert report.holder == HOLDER.did
    assert report.credentials[0].subject["energyKwh"] == "0.000729"


def test_an_unsigned_presentation_is_refused(world, presented):
    report = judge_presentation(world, edited(presented, drop("proof")))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "NO_PROOF")


# --- challenge and domain ----------------------------------------------------------------------------------


@pytest.mark.parametrize("challenge", ["c-2", "", "C-1", "c-1 "])
def test_another_challenge_is_refused(world, good, challenge):
    report = judge_presentation(world, presentation(good, challenge=challenge))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "INVALID_CHALLENGE_ERROR")


def test_a_missing_challenge_is_refused(world, presented):
    report = judge_presentation(world, edited(presented, drop("proof.challenge")))
    assert report.check("challenge").problem == "INVALID_CHALLENGE_ERROR"


@pytest.mark.parametrize("domain", ["evil.example", "AUDIT.example", "audit.example/"])
def test_another_domain_is_refused(world, good, domain):
    report = judge_presentation(world, presentation(good, domain=domain))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "INVALID_DOMAIN_ERROR")


def test_a_list_of_domains_is_refused(world, presented):
    report = judge_presentation(world, edited(presented, put("proof.domain", ["audit.example"])))
    assert report.check("challenge").problem == "INVALID_DOMAIN_ERROR"


def test_a_challenge_put_in_after_signing_is_refused_by_the_proof(world, presented):
    value = edited(presented, put("proof.challenge", "c-3"))
    report = judge_presentation(world, value, Expectation("c-3", "audit.example"))
    assert report.problem == "PROOF_VERIFICATION_ERROR"


def test_an_expected_challenge_that_is_empty_proves_nothing(world, good):
    report = judge_presentation(world, presentation(good, challenge=""), Expectation("", None))
    assert report.problem == "INVALID_CHALLENGE_ERROR"


def test_without_an_expected_challenge_the_report_warns_of_replay(world, presented):
    report = judge_presentation(world, presented, Expectation())
    assert ("challenge", "warning", "REPLAY_POSSIBLE") in problems(report)
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    ("standing", "problem"),
    [
        (Standing.UNKNOWN, "INVALID_CHALLENGE_ERROR"),
        (Standing.SPENT, "REPLAY"),
        (Standing.FOR_ANOTHER_DOMAIN, "INVALID_DOMAIN_ERROR"),
    ],
)
def test_a_challenge_that_does_not_count_any_more_is_refused(world, presented, standing, problem):
    report = judge_presentation(world, presented, EXPECTED._replace(standing=standing))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem)


def test_where_there_is_no_proof_no_challenge_is_said_to_be_answered(world, presented):
    report = judge_presentation(world, edited(presented, drop("proof")))
    assert report.check("challenge").result is Result.SKIPPED


# --- the holder's key --------------------------------------------------------------------------------------


def test_a_proof_for_assertions_is_refused(world, good):
    report = judge_presentation(world, presentation(good, purpose="assertionMethod"))
    assert report.problem == "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


def test_a_key_of_somebody_else_than_the_holder_is_refused(world, good):
    other = Signatory(signer(4))
    value = presentation(good, holder=other, change=put("holder", HOLDER.did))
    report = judge_presentation(world, value)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "HOLDER_BINDING")


def test_a_presentation_without_a_holder_is_refused(world, presented):
    report = judge_presentation(world, edited(presented, drop("holder")))
    assert report.check("model").problem == "SCHEMA_INVALID"


def test_a_did_web_holder_needs_its_document(world, good):
    holder = Signatory(signer(6), "did:web:tenant-b.example")
    report = judge_presentation(world, presentation(good, holder=holder))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "FETCH_FAILED")


def test_a_member_added_after_signing_is_refused(world, presented):
    report = judge_presentation(world, edited(presented, put("note", "x")))
    assert report.check("proof").problem in {"UNSIGNED_CLAIM", "PROOF_VERIFICATION_ERROR"}


# --- credentials -------------------------------------------------------------------------------------------


def test_one_revoked_credential_refuses_the_whole_and_is_named(good):
    world = World(bits={"revocation": {INDEX}})
    report = judge_presentation(world, presentation(good))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert report.credentials[0].problem == "REVOKED"
    assert "credential 1" in report.detail


def test_a_superseded_one_is_refused_and_says_by_which_one_that_is_here_too(world, good):
    def later(document):
        document["id"] += "-2"
        document["credentialSubject"]["supersedes"] = good["id"]
        document["credentialStatus"]["statusListIndex"] = "95"
        document["credentialStatus"]["id"] = document["credentialStatus"]["id"].rpartition("#")[0] + "#95"

    new = world.credential(later)
    revoking = World(bits={"revocation": {INDEX}})
    for order in ((good, new), (new, good)):
        report = judge_presentation(revoking, presentation(*order))
        assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
        assert f"superseded by {new['id']}: present that one alone" in report.check("credentials").detail
    assert judge_presentation(revoking, presentation(new)).outcome is Outcome.VERIFIED


def test_a_strangers_credential_supersedes_nobody(good):
    stranger = edited(good, put("id", f"{good['id']}-2"), put("credentialSubject.supersedes", good["id"]))
    report = judge_presentation(World(bits={"revocation": {INDEX}}), presentation(good, stranger))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert "superseded by" not in report.check("credentials").detail


def test_one_credential_that_cannot_be_decided_leaves_the_whole_inconclusive(good):
    world = World(without={"https://oracle.example/status/revocation/7"})
    report = judge_presentation(world, presentation(good))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "STATUS_RETRIEVAL_ERROR")


def test_a_credential_changed_and_presented_anew_is_refused_by_its_own_proof(world, good):
    value = presentation(edited(good, put("credentialSubject.modelId", "another/model")))
    report = judge_presentation(world, value)
    assert report.check("proof").result is Result.PASSED
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "PROOF_VERIFICATION_ERROR")
    assert report.credentials[0].check("proof").result is Result.FAILED


def test_a_credential_swapped_after_presenting_is_refused_by_the_presentations_proof(world, good):
    other = world.credential(put("credentialSubject.modelId", "another/model"))
    value = edited(presentation(good), put("verifiableCredential.0", other))
    assert judge_presentation(world, value).check("proof").problem == "PROOF_VERIFICATION_ERROR"


def test_an_unsigned_credential_inside_is_refused(world):
    report = judge_presentation(world, presentation(world.unsecured()))
    assert report.credentials[0].problem == "NO_PROOF"
    assert report.outcome is Outcome.REFUSED


def test_a_credential_with_contexts_of_its_own_making_is_refused(world, presented):
    value = edited(presented, put("verifiableCredential.0.@context.3", {"modelId": "https://evil.example/#modelId"}))
    report = judge_presentation(world, value)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "UNTRUSTED_CONTEXT")


def test_a_credential_that_is_too_deep_is_refused_alone(world, presented):
    deep = {}
    for _ in range(16):
        deep = {"credentialSubject": deep}
    wrapped = edited(presented, put("verifiableCredential", deep))
    report = judge_presentation(world, wrapped)
    assert report.credentials[0].problem == "RESOURCE_LIMIT"


@pytest.mark.parametrize(
    "held",
    [
        [],
        ["eyJhbGciOiJFUzI1NiJ9.e30.sig"],
        None,
        [{"type": "EnvelopedVerifiableCredential", "id": "data:text/html,x"}],
    ],
)
def test_what_holds_no_embedded_credential_is_refused(world, presented, held):
    report = judge_presentation(world, edited(presented, put("verifiableCredential", held)))
    assert report.outcome is Outcome.REFUSED
    assert report.check("model").problem == ("SCHEMA_INVALID" if held == [] else "TYPE_MISMATCH")


def test_more_credentials_than_a_thousand_are_too_many(world, presented):
    report = judge_presentation(world, edited(presented, put("verifiableCredential", [{}] * 1001)))
    assert report.problem == "RESOURCE_LIMIT"


def test_a_credential_is_no_presentation(world, good):
    assert judge_presentation(world, good).problem == "TYPE_MISMATCH"


# --- whose it is -------------------------------------------------------------------------------------------


def bound_to(world, tenant):
    return world.credential(put("credentialSubject.tenantId", tenant))


def test_a_credential_of_the_holder_is_bound(world):
    report = judge_presentation(world, presentation(bound_to(world, HOLDER.did)))
    assert report.check("holder").result is Result.PASSED


def test_a_credential_of_somebody_else_is_refused(world):
    report = judge_presentation(world, presentation(bound_to(world, "did:web:tenant-a.example")))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "HOLDER_BINDING")


def test_credentials_of_two_owners_cannot_be_combined(world, good):
    mine, foreign = bound_to(world, HOLDER.did), bound_to(world, "did:web:tenant-a.example")
    report = judge_presentation(world, presentation(mine, foreign))
    assert ("holder", "failed", "HOLDER_BINDING") in problems(report)


def test_a_credential_that_names_nobody_is_a_warning_or_by_policy_a_refusal(good, presented):
    assert ("holder", "warning", "NOT_BOUND") in problems(judge_presentation(World(), presented))
    strict = World(policy=Policy(require_holder_binding=True))
    assert judge_presentation(strict, presented).problem == "HOLDER_BINDING"


def foreign_of(world, subjects):
    """Return a credential of a type that the verifier does not know, about ``subjects``."""
    return world.issuer.sign(
        {
            "@context": [
                "https://www.w3.org/2018/credentials/v1",
                "https://w3id.org/security/suites/jws-2020/v1",
                "https://w3id.org/green-compute/v1",
            ],
            "id": "urn:uuid:6c1a7d1e-6f57-4f63-9f63-3b1f6e1c8a01",
            "type": ["VerifiableCredential"],
            "issuer": world.issuer.did,
            "issuanceDate": "2026-11-20T20:01:05Z",
            "credentialSubject": subjects,
        }
    )


def test_the_subject_of_a_foreign_credential_must_be_the_holder(world):
    foreign = foreign_of(world, {"id": "did:web:tenant-a.example"})
    assert ("holder", "failed", "HOLDER_BINDING") in problems(judge_presentation(world, presentation(foreign)))


def test_the_order_of_subjects_decides_nothing(world):
    def two(*subjects):
        return foreign_of(world, [{"id": subject} for subject in subjects])

    for value in (two(HOLDER.did, "did:web:other.example"), two("did:web:other.example", HOLDER.did)):
        assert judge_presentation(world, presentation(value)).problem == "HOLDER_BINDING"
    assert judge_presentation(world, presentation(foreign_of(world, {"id": HOLDER.did}))).outcome is Outcome.VERIFIED


def test_the_tenant_of_one_subject_counts_before_the_name_of_another(world):
    subjects = [{"id": HOLDER.did}, {"id": "urn:x:y", "tenantId": "did:web:other.example"}]
    for value in (subjects, subjects[::-1]):
        assert judge_presentation(world, presentation(foreign_of(world, value))).problem == "HOLDER_BINDING"


def test_the_formats_own_presentation_has_a_good_proof_and_challenge(world):
    report = judge_presentation(
        world, example("presentation.vc11.json"), Expectation("6d5b1f7e0c9a4d2b8e3f", EXPECTED.domain)
    )
    assert report.check("proof").result is Result.PASSED
    assert report.check("challenge").result is Result.PASSED
    assert [inner.check("proof").result for inner in report.credentials] == [Result.PASSED] * 2
    # An inference and the window that vouches for it.
    assert report.check("double-counting").problem == "DUPLICATE_CREDENTIAL"


def test_a_policy_may_demand_a_challenge():
    world = World(policy=Policy(require_challenge=True))
    report = judge_presentation(world, presentation(world.credential()), Expectation(None, None))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "REPLAY_POSSIBLE")
