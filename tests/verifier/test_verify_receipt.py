"""Receipts: the verdict on the window's credential, then the record's way to its root."""

import copy
import io
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import digests
from schemas.credential import decode
from schemas.errors import GreenError
from schemas.receipt import parse_receipt
from schemas.window_header import decode_header
from tests.fakes.soft_tpm import START_US, Node, canonical, record
from tests.fakes.verifier import ENGINES, INDEX, NOW, MemoryFetcher, World, drop, edited, fetched, put
from tests.fakes.windows import WindowWorld
from tests.vectors import FORMATS
from verifier import document
from verifier.document import Kind
from verifier.errors import EvidenceMismatchError
from verifier.evidence import Evidence
from verifier.gather import Budget, gather, missing, window_of
from verifier.policy import Policy
from verifier.receipt import check_receipt, claimed_root, root_of
from verifier.render import show
from verifier.report import Outcome, Result
from verifier.verify import verify_credential, verify_receipt

OTHER = digests.digest(b"other")


@pytest.fixture(scope="module")
def place():
    found = WindowWorld(World(policy=Policy(trusted_issuers=("did:web:oracle.example",))))
    found.close(records=found.node.own_records(5))
    return found


@pytest.fixture(scope="module")
def window(place):
    return place.credential(place.made[0])


def parsed(value):
    return document.parse(json.dumps(value).encode())


def judged(place, receipt, *windows, evidence=None, now=NOW):
    at_hand = place.with_windows(*windows, evidence=evidence)
    return verify_receipt(parsed(receipt), at_hand, place.world.policy, now, engines=ENGINES)


def test_a_receipt_has_no_type_and_is_known_by_what_it_holds(place):
    assert parsed(place.receipt(place.made[0])).kind is Kind.RECEIPT
    typed = place.receipt(place.made[0]) | {"type": "Receipt"}
    assert parsed(typed).kind is Kind.UNKNOWN
    assert parsed({"record": {}}).kind is Kind.UNKNOWN


@pytest.mark.parametrize("index", range(5))
def test_every_record_of_a_window_has_a_receipt_that_verifies(place, window, index):
    report = judged(place, place.receipt(place.made[0], index), window)
    assert (report.outcome, report.kind) == (Outcome.VERIFIED, "receipt"), report.detail
    assert report.credentials[0].outcome is Outcome.VERIFIED
    assert report.issuer == place.world.issuer.did
    assert report.subject["inferenceId"] == f"inference-{index}"
    assert report.subject["assurance"] == "tpm-hardware"


def test_the_figures_of_a_receipt_are_those_of_the_single_credential(place, window):
    claims = place.inference(place.made[0], 2)["credentialSubject"]
    shown = judged(place, place.receipt(place.made[0], 2), window).subject
    same = set(claims) & set(shown) - {"id"}
    assert {"energyKwh", "operationalEmissionsGco2e", "periodStart", "durationSeconds"} <= same
    assert {name: shown[name] for name in same} == {name: claims[name] for name in same}


def test_the_same_arguments_give_the_same_bytes(place, window):
    receipt, evidence = place.receipt(place.made[0]), place.evidence()
    first, second = (judged(place, receipt, window, evidence=evidence).to_json() for _ in range(2))
    assert first == second


def test_the_report_says_what_the_salt_makes_of_the_tenant(place, window):
    check = judged(place, place.receipt(place.made[0]), window).check("tenant")
    assert place.inference(place.made[0])["credentialSubject"]["tenantCommitment"] in check.detail


def test_a_receipt_says_that_it_has_no_status_of_its_own_and_verifies(place, window):
    report = judged(place, place.receipt(place.made[0]), window)
    assert (report.outcome, report.check("status").result) == (Outcome.VERIFIED, Result.SKIPPED)
    assert "ask the issuer for that credential" in report.check("status").detail


def test_whom_a_plain_name_in_a_receipt_stands_for_is_the_issuers_word_and_it_is_shown_as_the_nodes():
    place = WindowWorld()
    made = place.close(records=[record(tenant_id="acme")])
    report = judged(place, place.receipt(made), place.credential(made))
    assert "the tenant acme, as the node named it; whom that stands for is the issuer's word" in (
        report.check("tenant").detail
    )
    stream = io.StringIO()
    show(report, stream)
    assert "acme, as the node named it" in [
        line.split("customer")[-1].strip() for line in stream.getvalue().split("\n")
    ]


def test_a_record_without_a_tenant_is_bound_to_nobody():
    place = WindowWorld()
    made = place.close(records=[record(tenant_id=...)])
    report = judged(place, place.receipt(made), place.credential(made))
    assert (report.check("tenant").result, report.check("tenant").problem) == (Result.WARNING, "NOT_BOUND")
    assert report.outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (put("record.accelerator_active_mj", 1), "MALFORMED_VALUE_ERROR"),
        (put("record.requests", 2), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.index", 1), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.tree_size", 6), "EVIDENCE_MISMATCH"),
        (put("inclusion.path", []), "MALFORMED_VALUE_ERROR"),
        (put("merkle_root", OTHER), "MALFORMED_VALUE_ERROR"),
        (put("window_digest", OTHER), "EVIDENCE_MISMATCH"),
        (put("window_digest", "uEiA"), "SCHEMA_INVALID"),
        (put("record.extra", 1), "SCHEMA_INVALID"),
        (put("extra", 1), "SCHEMA_INVALID"),
        (put("v", 2), "SCHEMA_INVALID"),
        (put("record.input_tokens", 1.5), "SCHEMA_INVALID"),
        (drop("merkle_root"), "SCHEMA_INVALID"),
    ],
)
def test_a_receipt_with_one_thing_changed_is_refused_by_name(place, window, change, problem):
    report = judged(place, edited(place.receipt(place.made[0]), change), window)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem), report.detail


def test_a_record_in_a_tree_of_its_own_is_not_in_the_window(place, window):
    forger = WindowWorld()
    forged = forger.receipt(forger.close(records=[record(accelerator_active_mj=1)]))
    forged |= {"window_digest": place.receipt(place.made[0])["window_digest"], "window_credential": window["id"]}
    report = judged(place, forged, window)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")


def test_a_receipt_without_its_window_is_inconclusive_and_says_what_to_do(place):
    report = judged(place, place.receipt(place.made[0]))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "EVIDENCE_NOT_CHECKED")
    assert "--window" in report.detail


def test_a_window_under_another_id_than_the_receipt_names_is_refused(place, window):
    receipt = place.receipt(place.made[0], window_credential="https://oracle.example/credentials/another")
    named = Evidence(credentials={receipt["window_credential"]: fetched("x", window)})
    report = judged(place, receipt, evidence=named.joined(place.evidence()))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH")


def test_a_receipt_of_a_window_that_is_revoked_is_refused_with_it(place, window):
    world = World(bits={"revocation": {int(window["credentialStatus"]["statusListIndex"])}})
    report = judged(place, place.receipt(place.made[0]), window, evidence=world.evidence().joined(place.evidence()))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "REVOKED")
    assert INDEX not in world.bits["revocation"]


def test_a_window_that_cannot_be_settled_leaves_its_receipts_open(place, window):
    enrolment = window["evidence"][0]["enrolmentDigest"]
    report = judged(place, place.receipt(place.made[0]), window, evidence=place.evidence(without=[enrolment]))
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "ASSURANCE_NOT_SHOWN")


def test_a_window_changed_after_it_was_signed_is_refused(place, window):
    changed = edited(window, put("credentialSubject.recordsMerkleRoot", OTHER))
    report = judged(place, place.receipt(place.made[0]), changed)
    assert report.outcome is Outcome.REFUSED
    assert report.problem == "PROOF_VERIFICATION_ERROR"


@pytest.mark.parametrize("other", ["inference", "receipt"])
def test_another_document_in_the_windows_place_is_refused(place, other):
    receipt = place.receipt(place.made[0])
    found = place.inference(place.made[0]) if other == "inference" else receipt
    named = Evidence(credentials={receipt["window_credential"]: fetched("x", found)})
    report = judged(place, receipt, evidence=named.joined(place.evidence()))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "TYPE_MISMATCH")


def test_a_record_that_says_more_than_its_window_is_refused_though_the_root_holds():
    place = WindowWorld()
    made = place.close(records=[record(network_mj=7)])
    report = judged(place, place.receipt(made), place.credential(made))
    assert report.problem == "EVIDENCE_MISMATCH"
    assert "network_mj" in report.detail


@pytest.mark.parametrize("duration_us", [2**53 - 1, 5_450_001, 549_999])
def test_a_record_whose_duration_is_not_its_periods_is_refused_also_without_its_windows_header(duration_us):
    place = WindowWorld()
    made = place.close(records=[record(duration_us=duration_us)])
    report = judged(place, place.receipt(made), place.credential(made))
    assert report.problem == "EVIDENCE_MISMATCH"
    receipt, claimed = (
        parse_receipt(canonical(place.receipt(made))),
        root_of(_header(made), digests.encode(made.digest)),
    )
    with pytest.raises(EvidenceMismatchError, match="2 s and 15 %"):
        check_receipt(receipt, replace(claimed, header=None))


def test_a_record_that_lasts_longer_than_its_window_is_refused():
    place = WindowWorld()
    made = place.close(records=[record(end_us=START_US + 10_000_000, duration_us=10_000_001)])
    report = judged(place, place.receipt(made), place.credential(made))
    assert (report.problem, "longer than the window" in report.detail) == ("EVIDENCE_MISMATCH", True)


def test_a_receipt_is_no_credential_and_a_credential_no_receipt(place, window):
    receipt = parsed(place.receipt(place.made[0]))
    as_credential = verify_credential(receipt, place.evidence(), Policy(), NOW, engines=ENGINES)
    assert (as_credential.outcome, as_credential.problem) == (Outcome.REFUSED, "TYPE_MISMATCH")
    as_receipt = verify_receipt(parsed(window), place.evidence(), Policy(), NOW, engines=ENGINES)
    assert (as_receipt.outcome, as_receipt.problem) == (Outcome.REFUSED, "TYPE_MISMATCH")


def test_the_example_of_the_formats_is_in_the_example_of_a_window():
    receipt = parse_receipt((FORMATS / "receipt.json").read_bytes())
    window = World().report(json.loads((FORMATS / "window.vc11.json").read_bytes()))
    assert receipt.merkle_root == window.subject["recordsMerkleRoot"]
    raw = (FORMATS / "receipt.json").read_bytes()
    at_hand = Evidence(
        credentials={receipt.window_credential: fetched("window", (FORMATS / "window.vc11.json").read_bytes())}
    )
    report = verify_receipt(document.parse(raw), at_hand, Policy(), NOW, engines=ENGINES)
    assert report.check("model").result is Result.PASSED
    assert report.outcome is not Outcome.VERIFIED  # its key, schema and status list are placeholders


# --- the check alone, for many receipts of one window --------------------------------------------------------


def test_many_receipts_are_checked_against_one_root(place):
    made = place.made[0]
    root = root_of(_header(made), digests.encode(made.digest))
    for index in range(5):
        leaf = check_receipt(parse_receipt(canonical(place.receipt(made, index))), root)
        assert leaf == made.records.leaves[index]


def _header(made):
    return decode_header(made.evidence.header)


def test_a_receipt_counts_for_its_own_window_only(place):
    other = WindowWorld(node=Node(sequence=1, previous=OTHER))
    receipt = parse_receipt(canonical(place.receipt(place.made[0])))
    made = other.close()
    with pytest.raises(EvidenceMismatchError, match="window_digest"):
        check_receipt(receipt, root_of(_header(made), digests.encode(made.digest)))


PLACE = WindowWorld()
PLACE_MADE = PLACE.close(records=PLACE.node.own_records(7))
RECEIPTS = [PLACE.receipt(PLACE_MADE, index) for index in range(7)]
ROOT = root_of(_header(PLACE_MADE), digests.encode(PLACE_MADE.digest))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(index=st.integers(0, 6), data=st.data())
def test_a_receipt_with_any_value_changed_never_checks(index, data):
    receipt = copy.deepcopy(RECEIPTS[index])
    part = data.draw(st.sampled_from(["record", "inclusion", "window_digest", "merkle_root"]))
    if part == "record":
        name = data.draw(st.sampled_from(sorted(set(receipt["record"]) - {"v"})))
        value = receipt["record"][name]
        receipt["record"][name] = (
            value + 1 if isinstance(value, int) else value[:-1] + ("A" if value[-1] != "A" else "Q")
        )
    elif part == "inclusion":
        name = data.draw(st.sampled_from(["index", "tree_size", "path"]))
        if name == "path":
            position = data.draw(st.integers(0, len(receipt["inclusion"]["path"]) - 1))
            receipt["inclusion"]["path"][position] = data.draw(st.sampled_from([OTHER, receipt["merkle_root"]]))
        else:
            receipt["inclusion"][name] = data.draw(st.integers(0, 9).filter(lambda n: n != receipt["inclusion"][name]))
    else:
        receipt[part] = OTHER
    with pytest.raises(GreenError):
        check_receipt(parse_receipt(canonical(receipt)), ROOT)


# --- gathering ----------------------------------------------------------------------------------------------


async def test_the_window_is_fetched_first_and_then_what_it_needs(place, window):
    receipt = parsed(place.receipt(place.made[0]))
    enrolment = window["evidence"][0]["enrolmentDigest"]
    served = place.world.served() | {
        window["id"]: window,
        f"{place.world.base}/enrolments/{enrolment}": place.enrolment,
    }
    fetcher = MemoryFetcher(served)
    evidence = await gather(receipt, Evidence(), fetcher)
    assert fetcher.asked[0] == window["id"]
    report = verify_receipt(receipt, evidence, place.world.policy, NOW, engines=ENGINES)
    assert report.outcome is Outcome.VERIFIED, report.detail
    assert missing(receipt, evidence) == []
    assert window_of(receipt, evidence).value == window


async def test_fetching_for_a_receipt_keeps_to_the_budget(place, window):
    fetcher = MemoryFetcher(place.world.served() | {window["id"]: window})
    receipt = parsed(place.receipt(place.made[0]))
    await gather(receipt, Evidence(), fetcher, budget=Budget(fetches=2))
    assert len(fetcher.asked) == 2


async def test_a_receipt_in_the_place_of_its_own_window_is_no_circle(place):
    value = place.receipt(place.made[0])
    fetcher = MemoryFetcher({value["window_credential"]: value})
    evidence = await gather(parsed(value), Evidence(), fetcher)
    assert fetcher.asked == [value["window_credential"]]
    assert judged(place, value, evidence=evidence).problem == "TYPE_MISMATCH"


async def test_a_tpms_key_is_not_asked_for_but_its_enrolment_and_the_records_receipt_are(place):
    value = place.inference(place.made[0])
    asked = {need.url for need in missing(parsed(value), Evidence())}
    entry = value["evidence"][0]
    assert f"{place.world.base}/enrolments/{entry['enrolmentDigest']}" in asked
    assert f"{place.world.base}/evidence/{entry['recordDigest']}" in asked
    assert not any(entry["signedBy"] in url for url in asked)


def test_claimed_and_signed_root_are_the_same(place, window):
    made = place.made[0]
    signed = root_of(_header(made), digests.encode(made.digest))
    claimed = claimed_root(decode(window))
    assert (claimed.digest, claimed.root, claimed.records) == (signed.digest, signed.root, signed.records)
