"""The steps parse, model, schema and context: a positive control, and one change for each refusal."""

import copy

import pytest

from schemas import json_schema
from tests.fakes.verifier import World, drop, edited, example, presentation, problems, put
from verifier.policy import Policy
from verifier.report import Outcome, Result


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def good(world):
    return world.credential()


@pytest.mark.parametrize("step", ["parse", "model", "schema", "context"])
def test_a_good_credential_passes(world, good, step):
    assert world.report(good).check(step).result is Result.PASSED


def refusal(report, step):
    assert report.outcome is Outcome.REFUSED
    assert report.check(step).result is Result.FAILED
    return report.check(step).problem


def test_a_presentation_given_as_a_credential_is_a_type_mismatch(world, good):
    assert refusal(world.report(presentation(good)), "model") == "TYPE_MISMATCH"


def test_a_document_that_names_both_types_is_a_type_mismatch(world, good):
    value = edited(good, put("type", ["VerifiableCredential", "VerifiablePresentation"]))
    assert refusal(world.report(value), "model") == "TYPE_MISMATCH"


@pytest.mark.parametrize("member", ["issuer", "credentialSubject", "issuanceDate"])
def test_a_credential_without_an_indispensable_member_is_none_of_the_model(world, good, member):
    report = world.report(edited(good, drop(member)))
    assert refusal(report, "model") == "SCHEMA_INVALID"
    assert report.check("model").detail.startswith(member)


def test_what_the_model_refuses_leaves_the_steps_that_build_on_it_skipped(world, good):
    report = world.report(edited(good, drop("issuer")))
    assert report.check("issuer-key").result is Result.SKIPPED
    assert "model" in report.check("issuer-key").detail


def test_an_undefined_member_is_outside_the_closed_shape(world, good):
    report = world.report(edited(good, put("credentialSubject.bonus", "1")))
    assert refusal(report, "schema") == "SCHEMA_INVALID"
    assert report.problem == "SCHEMA_INVALID"


@pytest.mark.parametrize("spelling", [["0.000729"], {"@value": "0.000729"}, 0.000729, "7.29e-4"])
def test_another_spelling_of_a_value_is_refused_though_its_signature_fits(world, good, spelling):
    report = world.report(edited(good, put("credentialSubject.energyKwh", spelling)))
    assert refusal(report, "schema") == "SCHEMA_INVALID"


def test_a_schema_that_is_not_bundled_is_not_trusted(world):
    value = world.credential(put("credentialSchema.id", "https://evil.example/schema.json"))
    assert "UNTRUSTED_SCHEMA" in {problem for _, _, problem in problems(world.report(value))} | {
        world.report(value).problem
    }


def test_a_bundled_schema_with_another_digest_is_not_trusted(world):
    value = world.credential(put("credentialSchema.digestMultibase", "u" + "EiA" + "A" * 43))
    assert refusal(world.report(value), "schema") == "UNTRUSTED_SCHEMA"


def test_the_bundled_schema_of_another_type_is_not_trusted(world):
    def of_a_window(document):
        document["credentialSchema"] |= {
            "id": json_schema.WINDOW_URL,
            "digestMultibase": json_schema.schema_digest(json_schema.WINDOW_URL),
        }

    assert refusal(world.report(world.credential(of_a_window)), "schema") == "UNTRUSTED_SCHEMA"


def test_a_foreign_type_is_not_understood_and_the_report_says_so(world):
    value = foreign(world)
    report = world.report(value)
    assert report.check("schema").result is Result.WARNING
    assert report.check("schema").problem == "NOT_UNDERSTOOD"
    assert report.check("claims").result is Result.SKIPPED
    assert report.outcome is Outcome.VERIFIED


def test_a_foreign_type_is_refused_where_the_policy_wants_to_understand(world):
    strict = World(policy=Policy(require_understood=True))
    assert refusal(strict.report(foreign(strict)), "schema") == "TYPE_MISMATCH"


def foreign(world):
    """A credential with no type or term but the W3C's own."""
    return world.issuer.sign(
        {
            "@context": ["https://www.w3.org/2018/credentials/v1", "https://w3id.org/security/suites/jws-2020/v1"],
            "id": "urn:uuid:6c1a7d1e-6f57-4f63-9f63-3b1f6e1c8a01",
            "type": ["VerifiableCredential"],
            "issuer": world.issuer.did,
            "issuanceDate": "2026-11-20T20:01:05Z",
            "credentialSubject": {"id": "did:example:subject"},
        }
    )


def test_text_that_turns_round_is_pointed_out(world):
    value = world.credential(put("credentialSubject.acceleratorModel", "H100 \u202e001H"))
    report = world.report(value)
    assert ("schema", "warning", "SUSPICIOUS_TEXT") in problems(report)
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    "contexts",
    [
        lambda good: good[::-1],
        lambda good: [*good, "https://evil.example/context"],
        lambda good: good[:-1],
        lambda good: [*good[:-1], {**good[-1], "extra": "https://evil.example/extra"}],
        lambda good: [*good, None],
        lambda good: [*good, {"@vocab": "https://evil.example/"}],
    ],
    ids=["another order", "one more", "without ours", "ours with one more term", "null at the end", "a vocabulary"],
)
def test_other_contexts_are_not_trusted(world, good, contexts):
    value = copy.deepcopy(good)
    value["@context"] = contexts(value["@context"])
    report = world.report(value)
    assert refusal(report, "context") == "UNTRUSTED_CONTEXT"
    assert report.problem == "UNTRUSTED_CONTEXT"
    assert report.check("proof").result is Result.SKIPPED


def test_our_context_by_its_url_is_accepted(world):
    value = world.credential(put("@context.3", "https://w3id.org/green-compute/v1"))
    assert world.report(value).outcome is Outcome.VERIFIED


def test_an_example_of_the_formats_fails_only_for_its_placeholder_digest_and_its_status_list():
    world = World(policy=Policy(allow_simulated=True))
    report = world.report(example("credential-minimal.vc11.json"))
    failed = {step for step, result, _ in problems(report) if result == "failed"}
    assert report.check("schema").problem == "UNTRUSTED_SCHEMA"
    assert report.check("proof").result is Result.PASSED
    assert report.check("claims").result is Result.PASSED
    assert failed == {"schema", "status"}
