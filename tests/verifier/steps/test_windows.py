"""The evidence step on windows: the signature, every figure held against what was signed, the TPM behind it."""

import copy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import base64url, digests
from schemas.cmw import build_evidence
from schemas.enrolment_record import parse_enrolment
from schemas.window_record import encode_records
from tests.fakes.soft_tpm import Node, SoftTpm, canonical, record
from tests.fakes.verifier import NODE, World, edited, example, fetched, problems, put, signer
from tests.fakes.windows import (
    CERTIFICATE,
    WindowWorld,
    software_header,
    software_token,
    software_window,
    window_subject,
)
from tests.vectors import FORMATS
from verifier.evidence import Evidence, name_of_records
from verifier.policy import Policy
from verifier.report import Outcome, Result

TRUSTING = Policy(trusted_issuers=("did:web:oracle.example",))


@pytest.fixture(scope="module")
def place():
    found = WindowWorld(World(policy=TRUSTING))
    found.close()
    return found


def made(place):
    return place.made[0]


def details(report, step="evidence", result=Result.FAILED):
    check = report.check(step)
    return [finding.detail for finding in check.findings or [check] if finding.result is result]


def refused(report, word):
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), (report.problem, report.detail)
    assert any(word in detail for detail in details(report)), details(report)


def window(place, **claims):
    return place.world.report(place.credential(made(place), **claims), place.evidence())


# --- what holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["tpm-emulated", "tpm-virtual", "tpm-hardware"])
def test_a_quoted_window_with_its_enrolment_record_shows_the_class_of_its_tpm(level):
    place = WindowWorld(World(policy=TRUSTING), enrolment_class=level)
    report = place.world.report(place.credential(place.close()), place.evidence())
    assert (report.outcome, report.warnings) == (Outcome.VERIFIED, ())
    assert report.check("assurance").detail == f"{level}, as the evidence shows"


@pytest.mark.parametrize(
    "tpm", [SoftTpm(), SoftTpm(scheme=0x0016), SoftTpm(scheme=0x0014), SoftTpm(hash_algorithm=0x000C)]
)
def test_every_scheme_of_an_attestation_key_is_taken(tpm):
    place = WindowWorld(node=Node(tpm=tpm))
    assert place.world.report(place.credential(place.close()), place.evidence()).outcome is Outcome.VERIFIED


def test_the_evidence_may_lie_beside_the_credential_by_its_digest():
    place = WindowWorld(inline=False)
    value = place.credential(place.close())
    assert place.world.report(value, place.evidence()).outcome is Outcome.VERIFIED
    without = place.world.report(value, place.evidence(without=[value["evidence"][0]["digestMultibase"]]))
    assert problems(without) >= {
        ("evidence", "warning", "EVIDENCE_NOT_CHECKED"),
        ("assurance", "inconclusive", "ASSURANCE_NOT_SHOWN"),
    }


def test_the_example_of_the_formats_carries_a_real_quote_over_its_claims():
    world = World()
    value = example("window.vc11.json")
    del value["proof"]
    model = WindowWorld(world)
    signed = model.credential(model.close())
    for name in ("issuer", "credentialSchema", "credentialStatus"):
        value[name] = signed[name]
    value["issuanceDate"] = "2026-11-20T20:01:00Z"
    report = world.report(world.issuer.sign(value))
    assert "the claims are those of the window" in " ".join(details(report, result=Result.PASSED))
    # Its enrolment record is a placeholder, so which TPM it is stays the issuer's word.
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "ASSURANCE_NOT_SHOWN")


def test_the_example_of_an_inference_is_the_record_of_its_receipt():
    evidence = {
        "uEiDD-bxEMMkmDsXCsxVSSP7aAQt5wFH8_MzWyUh5pD93VA": (FORMATS / "receipt.json").read_bytes(),
        digests.digest((FORMATS / "evidence.cmw.json").read_bytes()): (FORMATS / "evidence.cmw.json").read_bytes(),
    }
    at_hand = Evidence(attachments={name: fetched(name, raw) for name, raw in evidence.items()})
    report = World().report(example("credential.vc11.json"), at_hand)
    assert details(report) == []
    assert "the tenant's commitment is opened by the receipt's salt" in details(report, result=Result.PASSED)


def test_an_inference_of_a_window_is_held_against_its_record_and_the_record_against_the_window(place):
    report = place.world.report(place.inference(made(place), 1), place.evidence())
    assert (report.outcome, len(report.warnings)) == (Outcome.VERIFIED, 1)
    assert "carbon intensity, region and windowCredential are the issuer's word" in report.warnings[0].detail


def test_a_window_that_software_signed_shows_software():
    world = World()
    report = world.report(world.issuer.sign(software_window(world, software_header())))
    assert report.outcome is Outcome.VERIFIED
    assert report.check("assurance").detail == "software, as the evidence shows"


def test_records_at_hand_show_the_sums_that_the_header_does_not_have(place):
    counted = {"inputTokens": "20", "outputTokens": "40", "requestCount": "2", "attributionMethod": "step-log"}
    value = place.credential(made(place), **counted)
    assert "inputTokens" in details(place.world.report(value, place.evidence()), result=Result.WARNING)[0]
    records = encode_records(made(place).records.records)
    attached = Evidence(attachments={name_of_records(made(place).header["merkle_root"]): fetched("records", records)})
    report = place.world.report(value, attached.joined(place.evidence()))
    assert (report.outcome, report.warnings) == (Outcome.VERIFIED, ())
    wrong = place.credential(made(place), **counted | {"outputTokens": "41"})
    refused(place.world.report(wrong, attached.joined(place.evidence())), "outputTokens:")


# --- claims that are not the header's ------------------------------------------------------------------------

OTHER = digests.digest(b"other")


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("nodeId", "node-8"),
        ("acceleratorId", ["GPU-2"]),
        ("acceleratorId", ["GPU-1", "GPU-2"]),
        ("acceleratorModel", "NVIDIA B200"),
        ("periodStart", "2026-11-20T20:00:00.000001Z"),
        ("periodEnd", "2026-11-20T20:00:09Z"),
        ("durationSeconds", "10.000001"),
        ("measurementMethod", "metered"),
        ("measurementCoverage", "0.999999"),
        ("largestGapSeconds", "0.000001"),
        ("windowSequence", "1"),
        ("bootEpoch", "2.0"),
        ("previousWindowDigest", OTHER),
        ("recordCount", "3"),
        ("recordsMerkleRoot", OTHER),
        ("freshness", "chained"),
        ("estimatedKwh", "0.000000000278"),
    ],
)
def test_a_claim_that_is_not_the_headers_is_refused_by_name(place, claim, value):
    refused(window(place, **{claim: value}), f"{claim}:")


@pytest.mark.parametrize(
    "claim", ["acceleratorActiveKwh", "acceleratorIdleKwh", "hostKwh", "networkKwh", "unattributedKwh"]
)
def test_an_energy_that_is_a_millijoule_off_is_refused_by_name(place, claim):
    def one_more(value):
        subject = value["credentialSubject"]
        names = {
            "acceleratorActiveKwh": "accelerator_active_mj",
            "acceleratorIdleKwh": "accelerator_idle_mj",
            "hostKwh": "host_cpu_mj",
            "networkKwh": "network_mj",
            "unattributedKwh": "unattributed_mj",
        }
        header = made(place).header
        other = header | {names[claim]: header[names[claim]] + 1}
        subject |= {name: text for name, text in window_subject(other, "").items() if name.endswith(("Kwh", "Gco2e"))}

    value = place.unsecured(made(place))
    one_more(value)
    report = place.world.report(place.world.issuer.sign(value), place.evidence())
    assert report.check("claims").result is Result.PASSED
    refused(report, f"{claim}:")


def test_an_energy_that_was_measured_and_left_out_is_refused(place):
    header = made(place).header
    without = header | {"host_cpu_mj": 0, "host_dram_mj": 0}
    value = place.unsecured(made(place))
    value["credentialSubject"] |= {
        name: text for name, text in window_subject(without, "").items() if name.endswith(("Kwh", "Gco2e"))
    }
    del value["credentialSubject"]["hostKwh"]
    refused(place.world.report(place.world.issuer.sign(value), place.evidence()), "hostKwh: nothing is claimed")


def test_a_lower_method_and_what_is_not_stated_are_honest(place):
    report = window(place, measurementMethod="modelled", acceleratorModel=None, networkKwh=None)
    assert report.outcome is Outcome.VERIFIED


# --- claims that are not the record's ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("inferenceId", "another"),
        ("modelId", "another/model"),
        ("nodeId", "node-8"),
        ("periodStart", "2026-11-20T20:00:00.5Z"),
        ("durationSeconds", "2.999999"),
        ("acceleratorModel", "NVIDIA B200"),
        ("measurementMethod", "metered"),
        ("measurementCoverage", "0.9"),
        ("largestGapSeconds", "1"),
        ("attributionMethod", "exclusive"),
        ("inputTokens", "11"),
        ("outputTokens", "21"),
        ("requestCount", "2"),
        ("functionalUnitCount", "31"),
        ("tenantCommitment", OTHER),
        ("windowCredential", "https://oracle.example/credentials/another"),
    ],
)
def test_a_claim_that_is_not_the_records_is_refused_by_name(place, claim, value):
    refused(place.world.report(place.inference(made(place), **{claim: value}), place.evidence()), f"{claim}:")


def test_a_tenant_in_the_clear_is_the_records(place):
    named = {"tenantCommitment": None, "tenantId": "did:web:tenant-b.example"}
    assert place.world.report(place.inference(made(place), **named), place.evidence()).outcome is Outcome.VERIFIED
    other = named | {"tenantId": "did:web:tenant-c.example"}
    refused(place.world.report(place.inference(made(place), **other), place.evidence()), "tenantId:")


@pytest.mark.parametrize(("named", "told"), [("acme", 'the customer "acme"'), (..., "no customer")])
def test_what_iri_a_plain_name_or_no_name_stands_for_is_the_issuers_word(named, told):
    place = WindowWorld(World(policy=TRUSTING))
    window = place.close(records=[record(tenant_id=named)])
    inference = place.inference(window, tenantCommitment=None, tenantId="did:web:tenant-b.example")
    report = place.world.report(inference, place.evidence())
    assert report.outcome is Outcome.VERIFIED, report.detail
    word = f"the record names {told}: that it is did:web:tenant-b.example is the issuer's word"
    assert word in details(report, result=Result.PASSED)


@pytest.mark.parametrize("named", ["did:web:tenant-c.example", "gc:tenant-b", "x:"])
def test_what_has_a_colon_is_compared_and_no_name_of_the_issuers(named):
    place = WindowWorld(World(policy=TRUSTING))
    window = place.close(records=[record(tenant_id=named)])
    inference = place.inference(window, tenantCommitment=None, tenantId="did:web:tenant-b.example")
    refused(place.world.report(inference, place.evidence()), "tenantId:")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (put("inclusion.index", 0), "inclusion"),
        (put("record.requests", 2), "inclusion"),
        (put("window_digest", OTHER), "window_digest"),
        (put("merkle_root", OTHER), "inclusion"),
        (put("window_credential", "https://oracle.example/other"), "windowCredential"),
    ],
)
def test_a_receipt_that_does_not_lead_to_the_window_is_refused(place, change, word):
    value = place.inference(made(place), 1)
    name = value["evidence"][0]["recordDigest"]
    broken = edited(place.receipt(made(place), 1), change)
    evidence = Evidence(attachments={name: fetched("receipt", broken)}).joined(place.evidence())
    refused(place.world.report(value, evidence), word)


def test_the_receipt_of_another_record_is_refused(place):
    value = place.inference(made(place), 1)
    name = value["evidence"][0]["recordDigest"]
    other = Evidence(attachments={name: fetched("receipt", place.receipt(made(place), 0))})
    refused(place.world.report(value, other.joined(place.evidence())), "recordDigest")


def test_a_salt_that_opens_nothing_is_refused_and_none_is_a_warning(place):
    value = place.inference(made(place), 1)
    name = value["evidence"][0]["recordDigest"]
    wrong = place.receipt(made(place), 1, tenant_salt="AAAAAAAAAAAAAAAAAAAAAA")
    evidence = Evidence(attachments={name: fetched("receipt", wrong)}).joined(place.evidence())
    refused(place.world.report(value, evidence), "tenantCommitment:")
    del wrong["tenant_salt"]
    evidence = Evidence(attachments={name: fetched("receipt", wrong)}).joined(place.evidence())
    report = place.world.report(value, evidence)
    assert report.outcome is Outcome.VERIFIED
    assert any("not opened" in detail for detail in details(report, result=Result.WARNING))


def test_a_record_that_is_not_at_hand_leaves_what_a_tpm_is_claimed_for_open(place):
    value = place.inference(made(place), 1)
    report = place.world.report(value, place.evidence(without=[value["evidence"][0]["recordDigest"]]))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "ASSURANCE_NOT_SHOWN")


# --- evidence that does not hold -----------------------------------------------------------------------------


def lying(**lies):
    place = WindowWorld()
    value = place.credential(place.close(**lies))
    return place.world.report(value, place.evidence())


@pytest.mark.parametrize(
    ("lies", "word"),
    [
        ({"attested": {"extra": bytes(32)}}, "extraData"),
        ({"attested": {"digest": bytes(32)}}, "digest of the values"),
        ({"attested": {"magic": 0x1}}, "quote"),
        ({"attested": {"kind": 0x8017}}, "quote"),
        ({"attested": {"reset": 9}}, "epoch 9.0"),
        ({"attest": lambda raw: raw + b"\0"}, "quote"),
        ({"sign": lambda tpm, raw: SoftTpm(seed=9).sign(raw)}, "signature"),
        ({"pcrs": {15: bytes(32)}}, "opening left"),
        ({"header": {"node_id": "node-8"}}, "of node node-7"),
    ],
)
def test_a_quote_that_does_not_hold_is_refused(lies, word):
    refused(lying(**lies), word)


def test_a_window_that_was_hidden_right_after_the_opening_shows_in_the_register():
    place = WindowWorld()
    hidden = Node(**vars(place.node))
    hidden.window()
    place.node.pcrs = hidden.pcrs
    refused(place.world.report(place.credential(place.close()), place.evidence()), "extended by this window alone")


def test_evidence_of_another_window_is_refused(place):
    other = WindowWorld(node=Node(sequence=3, previous=OTHER))
    value = place.unsecured(made(place))
    entry = other.unsecured(other.close())["evidence"][0]
    value["evidence"] = [entry | {"windowDigest": value["evidence"][0]["windowDigest"]}]
    refused(place.world.report(place.world.issuer.sign(value), place.evidence()), "windowDigest")


@pytest.mark.parametrize(
    ("member", "value", "word"),
    [
        ("signedBy", NODE.public_key.thumbprint_uri, "signedBy"),
        ("mediaType", "application/json", "mediaType"),
        ("digestMultibase", OTHER, "digest that the issuer signed"),
        ("enrolmentDigest", digests.digest(CERTIFICATE), "enrolment record"),
        ("inlineEvidence", base64url.encode(b"{}"), "digest that the issuer signed"),
    ],
    # Of the member alone: a certificate made for this run has another digest in each process of the tests.
    ids=["signedBy", "mediaType", "digestMultibase", "enrolmentDigest", "inlineEvidence"],
)
def test_an_entry_that_names_something_else_is_refused(place, member, value, word):
    changed = place.unsecured(made(place))
    changed["evidence"][0][member] = value
    extra = Evidence(attachments={digests.digest(CERTIFICATE): fetched("x", CERTIFICATE)})
    refused(place.world.report(place.world.issuer.sign(changed), extra.joined(place.evidence())), word)


def test_a_quote_that_is_called_a_software_signature_and_the_reverse_are_refused(place):
    quoted = place.unsecured(made(place))
    quoted["evidence"][0]["type"] = ["SoftwareSignatureEvidence"]
    key = Evidence(attachments={place.node.tpm.uri: fetched("key", {**place.node.tpm.key.public_key.jwk})})
    quoted["credentialSubject"] |= {"assurance": "software"}
    del quoted["credentialSubject"]["hardwareId"]
    refused(place.world.report(place.world.issuer.sign(quoted), key.joined(place.evidence())), "mediaType")
    world = World()
    signed = software_window(world, software_header(), assurance="tpm-hardware")
    signed["evidence"][0] |= {
        "type": ["TpmQuoteEvidence"],
        "enrolmentDigest": OTHER,
        "mediaType": "application/cmw+json",
    }
    refused(world.report(world.issuer.sign(signed)), "does not hold")


def test_a_software_header_with_an_attestation_key_is_refused():
    world, header = World(), software_header()
    with_key = header | {"ak": OTHER, "boot": {"reset": 3, "restart": 0}}
    refused(world.report(world.issuer.sign(software_window(world, with_key))), "attestation key")


def test_a_software_window_signed_by_another_key_or_of_another_type_is_refused():
    world, header = World(), software_header()
    for token in (
        software_token(canonical(header), signer=signer(9)),
        software_token(canonical(header), typ="JWT"),
        software_token(canonical(header), alg="none"),
        software_token(canonical(header))[:-2] + b"AA",
        software_token(canonical(header | {"sequence": 42})),
    ):
        report = world.report(world.issuer.sign(software_window(world, header, token=token)))
        assert report.problem == "EVIDENCE_MISMATCH", (token[:20], report.detail)


def test_without_the_key_a_software_window_is_not_re_checked():
    world = World(policy=TRUSTING, without={NODE.public_key.thumbprint_uri})
    report = world.report(world.issuer.sign(software_window(world, software_header())))
    assert problems(report) == {
        ("evidence", "warning", "EVIDENCE_NOT_CHECKED"),
        ("assurance", "warning", "ASSURANCE_NOT_SHOWN"),
    }
    world.policy = Policy(require_evidence=True)
    report = world.report(world.issuer.sign(software_window(world, software_header())))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EVIDENCE_NOT_CHECKED")


# --- the assurance ------------------------------------------------------------------------------------------


def test_a_quote_alone_shows_no_tpm(place):
    value = place.credential(made(place))
    report = place.world.report(value, place.evidence(without=[value["evidence"][0]["enrolmentDigest"]]))
    assert problems(report) == {
        ("evidence", "warning", "EVIDENCE_NOT_CHECKED"),
        ("assurance", "inconclusive", "ASSURANCE_NOT_SHOWN"),
    }
    assert "issuer's word" in details(report, result=Result.WARNING)[0]


def test_more_than_the_enrolment_record_says_is_not_shown(place):
    emulated = WindowWorld(enrolment_class="tpm-emulated")
    value = emulated.credential(emulated.close(), assurance="tpm-hardware")
    report = emulated.world.report(value, emulated.evidence())
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "ASSURANCE_NOT_SHOWN")


def test_less_than_the_evidence_shows_may_be_claimed(place):
    report = window(place, assurance="software")
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"node_id": "node-8"}, "of node node-8"),
        ({"chain_pcr": 14}, "PCR 14"),
        ({"key": NODE.public_key.thumbprint_uri}, "thumbprint"),
        ({"ek": digests.digest(b"other ek"), "ek_public": base64url.encode(b"other ek")}, "enrolment record"),
    ],
)
def test_an_enrolment_record_that_does_not_fit_is_refused(changes, word):
    place = WindowWorld()
    place.enrolment = place.enrol(**changes)
    refused(place.world.report(place.credential(place.close()), place.evidence()), word)


def test_the_enrolment_of_another_tpm_is_refused():
    place, other = WindowWorld(), WindowWorld(node=Node(tpm=SoftTpm(seed=11)))
    place.enrolment = other.enrolment
    refused(place.world.report(place.credential(place.close()), place.evidence()), "another attestation key")


def test_an_opening_quote_of_another_key_is_refused():
    place = WindowWorld()
    other = WindowWorld(node=Node(tpm=SoftTpm(seed=11)))
    place.enrolment = place.enrol(opening=parse_enrolment(other.enrolment).opening)
    refused(place.world.report(place.credential(place.close()), place.evidence()), "enrolment record: signature")


def test_other_bytes_than_the_enrolment_record_are_refused(place):
    value = place.credential(made(place))
    name = value["evidence"][0]["enrolmentDigest"]
    other = Evidence(attachments={name: fetched("enrolment", place.enrol(manufacturer="NTC"))})
    refused(place.world.report(value, other.joined(place.evidence())), "digest that the issuer signed")


def test_a_hardware_id_of_another_tpm_is_refused(place):
    refused(window(place, hardwareId=OTHER), "hardwareId:")


def test_a_simulated_window_stays_simulated():
    place = WindowWorld()
    simulated = place.close(header={"simulated": True})
    refused(place.world.report(place.credential(simulated), place.evidence()), "assurance:")
    value = place.credential(simulated, assurance="simulated")
    assert place.world.report(value, place.evidence()).problem == "SIMULATED_NOT_ALLOWED"
    place.world.policy = Policy(allow_simulated=True)
    assert place.world.report(value, place.evidence()).outcome is Outcome.VERIFIED
    place.world.policy = Policy(allow_simulated=True, minimum_assurance="software")
    assert place.world.report(value, place.evidence()).problem == "INSUFFICIENT_ASSURANCE"


def test_more_energy_than_accelerators_can_draw_is_implausible_though_it_is_signed():
    place = WindowWorld()
    hot = place.close(records=[record(accelerator_active_mj=60_000_000)])
    report = place.world.report(place.credential(hot), place.evidence())
    assert report.problem == "CLAIM_IMPLAUSIBLE"


# --- any single change --------------------------------------------------------------------------------------

GOOD = WindowWorld()
GOOD_MADE = GOOD.close()
GOOD_VALUE = GOOD.unsecured(GOOD_MADE)
HEADER_FIGURES = sorted(name for name, value in GOOD_MADE.header.items() if isinstance(value, int) and name != "v")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(HEADER_FIGURES), delta=st.sampled_from([-1, 1, 1000, 10**6]))
def test_a_header_with_any_figure_changed_never_carries_the_credential(name, delta):
    place = WindowWorld()
    other = place.close(header={name: max(0, place.node.header(place.node.own_records())[name] + delta)})
    value = copy.deepcopy(GOOD_VALUE)
    raw = build_evidence(other.evidence)
    value["evidence"][0] |= {"digestMultibase": digests.digest(raw), "inlineEvidence": base64url.encode(raw)}
    value["evidence"][0]["windowDigest"] = value["credentialSubject"]["windowDigest"] = digests.encode(other.digest)
    report = GOOD.world.report(GOOD.world.issuer.sign(value), GOOD.evidence())
    same = other.header == GOOD_MADE.header
    assert (report.outcome is Outcome.VERIFIED) == same, (name, delta, report.detail)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    position=st.integers(min_value=0),
    bit=st.integers(0, 7),
    part=st.sampled_from(["attest", "signature", "ak", "header"]),
)
def test_evidence_with_any_bit_changed_is_refused(position, bit, part):
    raw = bytearray(getattr(GOOD_MADE.evidence, part))
    raw[position % len(raw)] ^= 1 << bit
    value = copy.deepcopy(GOOD_VALUE)
    changed = build_evidence(replace(GOOD_MADE.evidence, **{part: bytes(raw)}))
    value["evidence"][0] |= {"digestMultibase": digests.digest(changed), "inlineEvidence": base64url.encode(changed)}
    report = GOOD.world.report(GOOD.world.issuer.sign(value), GOOD.evidence())
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")


CLAIMS = sorted(GOOD_VALUE["credentialSubject"])
# Said by the issuer, who is believed for it: the grid, the facility, the name of the subject.
ISSUERS_OWN = {
    "id",
    "gridRegion",
    "carbonIntensitySource",
    "carbonIntensityYear",
    "carbonIntensityGranularity",
    "carbonIntensityTier",
    "emissionFactorType",
    "pueKind",
    "pueSource",
    "claimStatus",
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from([name for name in CLAIMS if name not in ISSUERS_OWN]), digit=st.sampled_from("0123456789"))
def test_a_credential_with_any_digit_of_a_claim_changed_is_never_verified(name, digit):
    value = copy.deepcopy(GOOD_VALUE)
    before = value["credentialSubject"][name]
    text = before[0] if isinstance(before, list) else before
    after = text[:-1] + digit
    if after == text:
        return
    value["credentialSubject"][name] = [after] if isinstance(before, list) else after
    report = GOOD.world.report(GOOD.world.issuer.sign(value), GOOD.evidence())
    assert report.outcome is not Outcome.VERIFIED, (name, after)
