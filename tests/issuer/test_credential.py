import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from contexts import green_compute
from issuer import credential, intake, prepare
from issuer.carbon import factor, table
from issuer.carbon.account import account
from issuer.credential import Assignment
from issuer.errors import ImplausibleEnergyError
from issuer.intake import AcceptedTelemetry
from issuer.store.records import NodeRecord, Reserved, TenantRecord
from schemas import credential as strict
from schemas import decimals, times
from schemas.strict_json import JsonObject
from schemas.telemetry import parse_telemetry
from tests.fakes import issuer as fakes
from tests.vectors import FORMATS
from verifier.claims.arithmetic import check_claims
from verifier.rdf.canonicalize import canonical_nquads
from verifier.rdf.context import Profile, check_contexts

MINIMAL: JsonObject = json.loads((FORMATS / "credential-minimal.vc11.json").read_bytes())
RECORD = (FORMATS / "telemetry.json").read_bytes()

TENANT = TenantRecord(id="acme", issuer_slug="root", name="Acme", subject=None, created_us=0)
RESERVED = Reserved(id="019aa2c5-9410-7c00-9a00-0000000000c3", list_id="7", index=94568, reserved_us=0)
ASSIGNMENT = Assignment(
    issuer_did=str(MINIMAL["issuer"]),
    tenant=TENANT,
    reserved=RESERVED,
    issuance_date=datetime(2026, 11, 20, 20, 1, 5, tzinfo=UTC),
    addresses=fakes.Addresses("https://oracle.example"),
)


def built(raw: bytes, node: NodeRecord, **changes: object) -> JsonObject:
    accepted = AcceptedTelemetry(parse_telemetry(raw), node)
    claim = account(accepted.record, node, factor.of_table(table.find(node.grid_region)))
    return credential.build(claim, accepted, msgspec.structs.replace(ASSIGNMENT, **changes))


def subject(document: JsonObject) -> dict[str, str]:
    found = document["credentialSubject"]
    assert isinstance(found, dict)
    return {name: str(value) for name, value in found.items()}


def test_the_format_s_record_gives_the_format_s_credential() -> None:
    expected = {name: value for name, value in MINIMAL.items() if name != "proof"}
    document = built(RECORD, fakes.node(simulated=True))
    # Placeholders of the example: the node's key, the schema's digest, and the subject's URL, which here names the tenant.
    document["credentialSubject"]["id"] = expected["credentialSubject"]["id"]  # type: ignore[index,call-overload]
    document["credentialSchema"]["digestMultibase"] = expected["credentialSchema"]["digestMultibase"]  # type: ignore[index,call-overload]
    document["evidence"][0]["signedBy"] = expected["evidence"][0]["signedBy"]  # type: ignore[index,call-overload]
    assert document == expected


def test_members_stand_in_the_order_of_the_format_s_example() -> None:
    document = built(RECORD, fakes.node(simulated=True))
    assert list(document) == [name for name in MINIMAL if name != "proof"]
    assert list(subject(document)) == list(subject(MINIMAL))


def test_the_inline_context_stands_in_the_bytes_as_its_constant_spelling() -> None:
    encoded = credential.encode(built(RECORD, fakes.node()))
    assert green_compute.INLINE.strip() in encoded
    assert json.loads(encoded) == built(RECORD, fakes.node())


def test_the_same_document_always_gives_the_same_bytes() -> None:
    assert credential.encode(built(RECORD, fakes.node())) == credential.encode(built(RECORD, fakes.node()))


def test_the_context_can_stand_there_by_its_url() -> None:
    document = built(RECORD, fakes.node(), context_form="url")
    assert document["@context"][-1] == green_compute.URL  # type: ignore[index]
    assert len(credential.encode(document)) < 3000
    check_contexts(document, Profile.GREEN_COMPUTE)


def test_both_forms_of_the_context_mean_the_same_statements() -> None:
    inline, by_url = built(RECORD, fakes.node()), built(RECORD, fakes.node(), context_form="url")
    assert canonical_nquads(inline) == canonical_nquads(by_url)


def test_what_the_node_was_registered_with_is_claimed() -> None:
    node = fakes.node(pue="1.12", pue_kind="reported", pue_source="operator, 2025", accelerator_model="NVIDIA H100")
    claims = subject(built(fakes.posted(), node))
    assert (claims["pue"], claims["pueKind"], claims["pueSource"]) == ("1.12", "reported", "operator, 2025")
    assert claims["facilityOverheadKwh"] == "0.00008748"
    assert claims["energyKwh"] == "0.00081648"
    assert claims["acceleratorModel"] == "NVIDIA H100"


def test_a_measured_record_has_its_method_and_no_marker() -> None:
    document = built(fakes.posted(), fakes.node())
    assert document["type"] == ["VerifiableCredential", "GreenComputeCredential"]
    assert (subject(document)["assurance"], subject(document)["measurementMethod"]) == ("software", "counter")


def test_a_record_without_a_duration_states_neither_start_nor_duration() -> None:
    claims = subject(built(fakes.posted(duration_s=None), fakes.node()))
    assert "periodStart" not in claims
    assert "durationSeconds" not in claims


def test_a_tenant_that_wants_to_be_named_is_named() -> None:
    tenant = msgspec.structs.replace(TENANT, subject="did:web:acme.example")
    assert subject(built(fakes.posted(), fakes.node(), tenant=tenant))["tenantId"] == "did:web:acme.example"
    assert "tenantId" not in subject(built(fakes.posted(), fakes.node()))


def test_a_country_s_factor_claims_no_ipcc_edition() -> None:
    claims = subject(built(fakes.posted(), fakes.node(grid_region="DEU")))
    assert (claims["emissionFactorType"], claims["carbonIntensityTier"]) == ("lifecycle", "country-annual")
    assert "ipccCharacterizationFactors" not in claims


@pytest.mark.parametrize("region", [row.region for row in table.rows()])
def test_the_verifier_s_strict_decode_takes_a_credential_of_every_region(region: str) -> None:
    document = built(fakes.posted(), fakes.node(grid_region=region, pue="1.333"))
    assert check_claims(strict.decode(json.loads(credential.encode(document)))) == []


_MODEL_IDS = st.from_regex(r"[A-Za-z0-9/._: @=-]{1,40}", fullmatch=True).map(str.strip) | st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"), exclude_characters='<>"{}|\\^`'),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(
    model_id=_MODEL_IDS.filter(bool),
    inference_id=st.from_regex(r"[A-Za-z0-9._:~-]{1,128}", fullmatch=True),
    energy_mj=st.integers(0, 10**9),
    duration_us=st.none() | st.integers(1, 24 * 3600 * 10**6),
    end_us=st.integers(0, 7 * 24 * 3600 * 10**6 - 10**6),
    pue=st.none() | st.integers(1000, 3000).map(lambda thousandths: decimals.render(Decimal(thousandths).scaleb(-3))),
    simulated=st.booleans(),
    region=st.sampled_from(table.rows()).map(lambda row: row.region),
)
def test_no_record_that_is_taken_fails_our_own_check(
    *,
    model_id: str,
    inference_id: str,
    energy_mj: int,
    duration_us: int | None,
    end_us: int,
    pue: str | None,
    simulated: bool,
    region: str,
) -> None:
    raw = fakes.posted(
        model_id=model_id,
        inference_id=inference_id,
        energy_kwh=decimals.render(decimals.kwh_from_mj(energy_mj)),
        duration_s=None if duration_us is None else decimals.render(Decimal(duration_us).scaleb(-6)),
        timestamp=times.render_claim(fakes.START - timedelta(microseconds=end_us)),
        simulated=simulated,
    )
    accepted = intake.accept(parse_telemetry(raw), fakes.node(pue=pue, grid_region=region, tdp_w=900_000))
    intake.check_fresh(accepted, fakes.START)
    try:
        intake.check_plausible(accepted)
    except ImplausibleEnergyError:
        reject()
    date = credential.issuance_date(fakes.START, accepted.record.timestamp)
    document = built(raw, accepted.node, issuance_date=date)
    prepare.lint(credential.encode(document), fakes.engines())


@pytest.mark.parametrize(
    ("now_s", "end_s", "date_s"),
    [(5.25, 4.25, 5), (5.25, 5.0, 5), (5.25, 5.2, 6), (5.0, 5.0, 5), (5.25, 60.5, 61), (7200, 4, 7200)],
)
def test_the_date_is_the_later_of_now_and_the_period_s_end(now_s: float, end_s: float, date_s: int) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    at = [day + timedelta(seconds=seconds) for seconds in (now_s, end_s, date_s)]
    assert credential.issuance_date(at[0], at[1]) == at[2]


def test_a_proof_is_added_without_touching_what_was_checked() -> None:
    unsecured = credential.encode(built(RECORD, fakes.node()))
    secured = credential.with_proof(unsecured, {"type": "x"})
    assert secured.startswith(unsecured[:-1])
    assert json.loads(secured)["proof"] == {"type": "x"}


def test_a_document_without_contexts_is_encoded_too() -> None:
    assert credential.encode({"a": "b"}) == b'{"a":"b"}'
    assert credential.encode({"@context": ["urn:x"]}) == b'{"@context":["urn:x"]}'


def test_the_evidence_is_the_signed_record_by_its_digest() -> None:
    raw = fakes.posted()
    accepted = intake.accept(parse_telemetry(raw), fakes.node())
    (entry,) = built(raw, fakes.node())["evidence"]  # type: ignore[misc]
    assert isinstance(entry, dict)
    assert entry["digestMultibase"] == entry["recordDigest"] == accepted.posted.record_digest
    assert entry["signedBy"] == fakes.node().key_uri
