import copy
import json

import msgspec
import pytest

from schemas.credential import (
    KINDS,
    GreenComputeCredential,
    GreenComputeSummaryCredential,
    GreenComputeWindowCredential,
    decode,
    kind_of,
)
from schemas.digests import digest
from schemas.errors import SchemaInvalidError
from tests.schemas.documents import CREDENTIALS, changed, example, leaves, refused, renamed, without

FULL = example("credential.vc11")
MINIMAL = example("credential-minimal.vc11")
WINDOW = example("window.vc11")
SUMMARY = example("summary.vc11")
SUBJECT = "credentialSubject"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("credential.vc11", GreenComputeCredential),
        ("credential-minimal.vc11", GreenComputeCredential),
        ("window.vc11", GreenComputeWindowCredential),
        ("summary.vc11", GreenComputeSummaryCredential),
    ],
)
def test_a_reference_document_decodes_to_its_struct(name, kind):
    assert type(decode(example(name))) is kind


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_view_holds_every_member_of_the_document(name):
    document = example(name)
    assert json.loads(msgspec.json.encode(decode(document))) == document


@pytest.mark.parametrize("name", CREDENTIALS)
def test_decoding_leaves_the_document_as_it_was(name):
    document = example(name)
    before = copy.deepcopy(document)
    decode(document)
    assert document == before


@pytest.mark.parametrize("name", CREDENTIALS)
def test_the_unsecured_document_decodes_too(name):
    assert decode(without(example(name), ("proof",))).proof is None


def test_a_presentation_holds_credentials_that_decode():
    for credential in example("presentation.vc11")["verifiableCredential"]:
        decode(credential)


def test_the_properties_of_a_view():
    full, minimal = decode(FULL), decode(MINIMAL)
    assert isinstance(full, GreenComputeCredential)
    assert isinstance(minimal, GreenComputeCredential)
    assert (full.is_simulated, minimal.is_simulated) == (False, True)
    assert (full.evidence[0].is_tpm_quote, minimal.evidence[0].is_tpm_quote) == (True, False)
    assert full.credential_status.index == 94567


def test_an_expiration_date_may_stand():
    assert decode(changed(FULL, ("expirationDate",), "2027-11-20T20:00:11Z")).expiration_date is not None
    refused(changed(FULL, ("expirationDate",), "2027-11-20"), "expirationDate: ")


REQUIRED = {
    "credential.vc11": [
        "id", "modelId", "nodeId", "periodEnd", "acceleratorActiveKwh", "energyKwh", "gridRegion", "carbonIntensityTier",
        "carbonIntensityGco2ePerKwh", "carbonIntensitySource", "carbonIntensityGranularity", "emissionFactorType",
        "operationalEmissionsGco2e", "claimStatus", "measurementMethod", "assurance",
    ],
    "window.vc11": [
        "id", "nodeId", "acceleratorId", "periodStart", "periodEnd", "durationSeconds", "acceleratorIdleKwh", "gridRegion",
        "unattributedKwh", "energyKwh", "measurementCoverage", "largestGapSeconds", "windowSequence", "bootEpoch",
        "windowDigest", "recordCount", "recordsMerkleRoot", "freshness", "claimStatus", "assurance",
    ],
    "summary.vc11": [
        "id", "periodStart", "periodEnd", "acceleratorActiveKwh", "energyKwh", "operationalEmissionsGco2e", "claimStatus",
        "measurementMethod", "credentialCount", "credentialsMerkleRoot",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "member"), [(name, member) for name, members in REQUIRED.items() for member in members]
)
def test_a_required_claim_cannot_be_left_out(name, member):
    refused(without(example(name), (SUBJECT, member)), f"{SUBJECT}.{member}: required member missing")


@pytest.mark.parametrize(
    "member", ["@context", "id", "issuer", "issuanceDate", "credentialSchema", "credentialStatus", SUBJECT, "evidence"]
)
def test_a_required_member_of_the_envelope_cannot_be_left_out(member):
    refused(without(FULL, (member,)), f"{member}: required member missing")


@pytest.mark.parametrize(
    "path", [path for path in leaves(FULL) if path[0] in {"credentialStatus", "credentialSchema", "proof"}]
)
def test_every_member_of_status_schema_and_proof_is_required(path):
    refused(without(FULL, path), ".".join(map(str, path)))


@pytest.mark.parametrize("member", ["modelId", "jobId", "tenantId", "inferenceId", "credentialCount"])
def test_a_term_stands_only_where_the_table_has_it(member):
    refused(changed(WINDOW, (SUBJECT, member), "1"), f"{SUBJECT}.{member}: no such member")


def test_exactly_one_of_inference_and_job():
    refused(changed(FULL, (SUBJECT, "jobId"), "job-1"), f"{SUBJECT}.inferenceId: exactly one")
    refused(without(FULL, (SUBJECT, "inferenceId")), f"{SUBJECT}.inferenceId: exactly one")
    decode(renamed(FULL, (SUBJECT, "inferenceId"), "jobId"))


def test_at_most_one_of_tenant_and_commitment():
    refused(changed(FULL, (SUBJECT, "tenantId"), "did:web:tenant.example"), f"{SUBJECT}.tenantId: at most one")
    refused(changed(SUMMARY, (SUBJECT, "tenantCommitment"), digest(b"")), f"{SUBJECT}.tenantId: at most one")
    decode(without(FULL, (SUBJECT, "tenantCommitment")))


@pytest.mark.parametrize("document", [FULL, WINDOW], ids=["credential", "window"])
def test_exactly_one_of_year_and_grid_data(document):
    refused(changed(document, (SUBJECT, "gridDataDigest"), digest(b"")), f"{SUBJECT}.carbonIntensityYear: exactly one")
    refused(without(document, (SUBJECT, "carbonIntensityYear")), f"{SUBJECT}.carbonIntensityYear: exactly one")
    decode(changed(without(document, (SUBJECT, "carbonIntensityYear")), (SUBJECT, "gridDataDigest"), digest(b"")))


@pytest.mark.parametrize("document", [FULL, WINDOW], ids=["credential", "window"])
@pytest.mark.parametrize("member", ["pue", "pueKind", "facilityOverheadKwh"])
def test_the_facility_terms_come_together(document, member):
    refused(without(document, (SUBJECT, member)), f"{SUBJECT}.{member}: missing, since")


def test_a_source_of_the_pue_needs_a_pue():
    bare = without(FULL, *((SUBJECT, name) for name in ("pue", "pueKind", "facilityOverheadKwh")))
    refused(bare, f"{SUBJECT}.pue: missing, since pueSource")
    decode(without(bare, (SUBJECT, "pueSource")))


def test_a_summary_has_an_overhead_without_a_common_pue():
    assert decode(SUMMARY).credential_subject.pue is None
    refused(changed(SUMMARY, (SUBJECT, "pue"), "1.12"), f"{SUBJECT}.pueKind: missing")
    refused(changed(SUMMARY, (SUBJECT, "pueKind"), "default"), f"{SUBJECT}.pue: missing")


MARKET = ("marketBasedIntensityGco2ePerKwh", "marketBasedEmissionsGco2e", "marketBasedInstrument")


@pytest.mark.parametrize("member", MARKET)
def test_the_market_based_terms_come_together(member):
    refused(without(FULL, (SUBJECT, member)), f"{SUBJECT}.{member}: missing, since")
    refused(without(FULL, *((SUBJECT, name) for name in MARKET if name != member)), f"{SUBJECT}.marketBased")


def test_the_marginal_terms_come_together():
    one = changed(FULL, (SUBJECT, "marginalIntensityGco2ePerKwh"), "400")
    refused(one, f"{SUBJECT}.marginalEmissionsGco2e: missing")
    decode(changed(one, (SUBJECT, "marginalEmissionsGco2e"), "0.4"))


def test_a_duration_needs_a_start():
    refused(without(FULL, (SUBJECT, "periodStart")), f"{SUBJECT}.periodStart: missing, since durationSeconds")
    decode(without(FULL, (SUBJECT, "periodStart"), (SUBJECT, "durationSeconds")))


def test_the_simulated_marker_stands_if_and_only_if_the_assurance_says_so():
    refused(changed(MINIMAL, ("type",), MINIMAL["type"][:2]), "type: SimulatedCredential")
    refused(changed(MINIMAL, (SUBJECT, "assurance"), "software"), "type: SimulatedCredential")
    refused(changed(FULL, ("type",), [*FULL["type"], "SimulatedCredential"]), "type: SimulatedCredential")


def test_a_hardware_id_needs_a_quote():
    refused(changed(MINIMAL, (SUBJECT, "hardwareId"), digest(b"")), f"{SUBJECT}.hardwareId: only with TpmQuoteEvidence")


@pytest.mark.parametrize(
    "types",
    [
        ["GreenComputeCredential", "VerifiableCredential"],
        ["GreenComputeCredential"],
        "GreenComputeCredential",
        ["VerifiableCredential", "GreenComputeCredential", "GreenComputeWindowCredential"],
        ["VerifiableCredential", "GreenComputeCredential", "GreenComputeCredential"],
        ["VerifiableCredential", "https://w3id.org/green-compute#GreenComputeCredential"],
        ["VerifiableCredential", "gc:GreenComputeCredential"],
        ["VerifiableCredential", "GreenComputeCredential", "Evidence"],
        ["VerifiableCredential", ["GreenComputeCredential"]],
        ["VerifiableCredential", "VerifiableCredential"],
        [],
        None,
    ],
)
def test_type_is_one_exact_array(types):
    refused(changed(FULL, ("type",), types), "type: ")


def test_a_foreign_credential_is_of_no_kind():
    assert kind_of({"type": ["VerifiableCredential", "UniversityDegreeCredential"]}) is None
    assert kind_of({}) is None
    assert kind_of({"type": [1, None, {}]}) is None
    with pytest.raises(SchemaInvalidError, match=r"^type: "):
        decode({"type": ["VerifiableCredential"]})


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("member", ["type", "@type"])
@pytest.mark.parametrize("prefix", ["", "gc:", "https://w3id.org/green-compute#"])
def test_no_spelling_of_our_types_passes_for_foreign(name, member, prefix):
    assert kind_of({member: ["VerifiableCredential", prefix + name]}) is KINDS[name]
    assert kind_of({member: prefix + name}) is KINDS[name]
