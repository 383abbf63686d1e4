"""The steps claims and assurance."""

import pytest

from schemas import digests
from tests.fakes.verifier import World, problems, put, telemetry_record
from verifier.policy import Policy
from verifier.report import Outcome, Result


def report(*changes, policy=None, **details):
    world = World(policy=policy or Policy(), **details)

    def change(document):
        for edit in changes:
            edit(document)

    return world.report(world.credential(change))


def simulated(document):
    document["type"].append("SimulatedCredential")
    document["credentialSubject"]["assurance"] = "simulated"


# --- claims ------------------------------------------------------------------------------------------------


def test_sums_that_come_out_pass():
    assert report().check("claims").result is Result.PASSED


def test_emissions_that_are_not_the_product_are_inconsistent_though_the_issuer_signed_them():
    found = report(put("credentialSubject.operationalEmissionsGco2e", "0.14217688"))
    assert found.check("proof").result is Result.PASSED
    assert (found.outcome, found.problem) == (Outcome.REFUSED, "CLAIM_INCONSISTENT")
    assert "operationalEmissionsGco2e" in found.detail


def test_every_formula_that_fails_is_named():
    found = report(put("credentialSubject.energyKwh", "0.0008"))
    named = {finding.detail.partition(":")[0] for finding in found.check("claims").findings}
    assert {"energyKwh", "operationalEmissionsGco2e"} <= named


def test_an_absurd_intensity_is_implausible():
    found = report(
        put("credentialSubject.carbonIntensityGco2ePerKwh", "2500"),
        put("credentialSubject.operationalEmissionsGco2e", "1.8225"),
    )
    assert ("claims", "failed", "CLAIM_IMPLAUSIBLE") in problems(found)


def test_provisional_figures_are_pointed_out():
    found = report(put("credentialSubject.claimStatus", "provisional"))
    assert ("claims", "warning", "PROVISIONAL") in problems(found)
    assert found.outcome is Outcome.VERIFIED


def test_the_claims_of_another_shape_are_not_read():
    found = report(put("credentialSubject.pueSource", "nobody"))
    assert found.check("schema").result is Result.FAILED
    assert found.check("claims").result is Result.SKIPPED
    assert found.subject == {"id": "https://oracle.example/inferences/019aa2c4-6d00-7a10-8f00-000000000004"}


# --- assurance ---------------------------------------------------------------------------------------------


def test_software_evidence_that_was_read_again_shows_software():
    check = report().check("assurance")
    assert check.result is Result.PASSED
    assert "as the evidence shows" in check.detail


@pytest.mark.parametrize("claimed", ["tpm-emulated", "tpm-virtual", "tpm-hardware"])
def test_a_claim_above_what_the_evidence_can_show_is_refused(claimed):
    found = report(put("credentialSubject.assurance", claimed))
    assert found.check("assurance").problem == "EVIDENCE_MISMATCH"
    assert found.outcome is Outcome.REFUSED


def test_simulated_figures_are_refused_unless_allowed():
    found = report(simulated)
    assert (found.outcome, found.problem) == (Outcome.REFUSED, "SIMULATED_NOT_ALLOWED")


def test_simulated_figures_that_are_allowed_stay_visible():
    found = report(simulated, policy=Policy(allow_simulated=True))
    assert found.outcome is Outcome.VERIFIED
    assert ("assurance", "warning", "SIMULATED") in problems(found)


def test_a_simulated_record_can_never_pass_as_a_measured_one():
    found = report(record=telemetry_record(simulated=True), policy=Policy(allow_simulated=True))
    assert ("evidence", "failed", "EVIDENCE_MISMATCH") in problems(found)
    assert found.outcome is Outcome.REFUSED


def test_assurance_that_nothing_showed_is_a_warning_by_default():
    world = World()
    world.without = {world.unsecured()["evidence"][0]["digestMultibase"]}
    found = world.report()
    assert ("assurance", "warning", "ASSURANCE_NOT_SHOWN") in problems(found)


def test_assurance_that_nothing_showed_is_inconclusive_where_a_minimum_is_demanded():
    world = World(policy=Policy(minimum_assurance="software"))
    world.without = {world.unsecured()["evidence"][0]["digestMultibase"]}
    assert ("assurance", "inconclusive", "ASSURANCE_NOT_SHOWN") in problems(world.report())


def test_assurance_below_the_minimum_is_refused():
    found = report(policy=Policy(minimum_assurance="tpm-hardware"))
    assert (found.outcome, found.problem) == (Outcome.REFUSED, "INSUFFICIENT_ASSURANCE")


def test_simulated_figures_that_are_allowed_are_still_below_a_minimum():
    found = report(simulated, policy=Policy(allow_simulated=True, minimum_assurance="software"))
    assert found.problem == "INSUFFICIENT_ASSURANCE"


def quoted(document):
    record = document["evidence"][0]["recordDigest"]
    quote = {
        "id": "https://oracle.example/evidence/quote",
        "type": ["TpmQuoteEvidence"],
        "mediaType": "application/cmw+json",
        "digestMultibase": digests.digest(b"a quote that is not at hand"),
        "signedBy": "urn:ietf:params:oauth:jwk-thumbprint:sha-256:anybody",
        "windowDigest": record,
        "enrolmentDigest": record,
        "recordDigest": record,
        "recordIndex": "0",
    }
    document["evidence"].append(quote)
    document["credentialSubject"]["assurance"] = "tpm-hardware"


def test_a_software_signature_that_holds_does_not_show_what_a_quote_beside_it_claims():
    assert ("assurance", "inconclusive", "ASSURANCE_NOT_SHOWN") in problems(report(quoted))
    found = report(quoted, policy=Policy(minimum_assurance="tpm-hardware"))
    assert (found.outcome, found.problem) == (Outcome.INCONCLUSIVE, "ASSURANCE_NOT_SHOWN")


@pytest.mark.parametrize(
    ("policy", "step"),
    [(Policy(minimum_assurance="software"), "assurance"), (Policy(require_evidence=True), "evidence")],
    ids=["an assurance", "evidence"],
)
def test_a_credential_of_another_type_does_not_meet_a_policy_that_demands(policy, step):
    world = World(policy=policy)

    def untyped(document):
        document["type"] = ["VerifiableCredential"]

    found = world.report(world.credential(untyped))
    assert (step, "inconclusive", "NOT_UNDERSTOOD") in problems(found)
    assert found.outcome is Outcome.INCONCLUSIVE
