"""Every item of the protocol's list "What must be refused" (reference material, telemetry.md), its error named.

Windows are judged as they travel, by whoever has nothing but their bytes. What only the issuer can refuse stands in
tests of its own, named here by the item.
"""

import ast
import copy
import re

import pytest

from schemas import base64url, digests
from schemas.cmw import parse_evidence
from schemas.errors import GreenError
from schemas.window_record import decode_records
from tests.fakes.soft_tpm import Node, canonical
from tests.fakes.verifier import NODE, World, edited, put
from tests.fakes.window_attacks import Sent, sent
from tests.fakes.window_attacks_chain import ATTACKS
from tests.fakes.windows import WindowWorld, software_header, software_token, software_window
from tests.vectors import ROOT, shared
from tests.verifier.test_verify_receipt import judged
from verifier.attestation import chain
from verifier.attestation.freshness import IssuedNonce, check_freshness
from verifier.attestation.software import check_software_window
from verifier.attestation.window import check_window
from verifier.evidence import name_of_records
from verifier.policy import Policy
from verifier.report import Outcome

POWER_W = 5600
TRUSTING = Policy(trusted_issuers=("did:web:oracle.example",))
HERE = "tests/verifier/attestation/test_must_be_refused.py"
MUTATIONS = "tests/verifier/attestation/test_mutations.py"
AT_THE_ISSUER = "tests/issuer/windows/test_must_be_refused.py"

ELSEWHERE = {
    "replayed window": (
        f"{HERE}::test_a_window_that_is_replayed_is_refused",
        f"{AT_THE_ISSUER}::test_a_window_that_is_replayed_counts_once",
    ),
    "reused": (
        f"{HERE}::test_a_nonce_that_does_not_count_is_refused",
        f"{AT_THE_ISSUER}::test_a_nonce_that_was_used_is_refused",
    ),
    "expired or foreign nonce": (
        f"{HERE}::test_a_nonce_that_does_not_count_is_refused",
        f"{AT_THE_ISSUER}::test_a_nonce_that_is_over_or_anothers_is_refused",
    ),
    "bad Merkle path or index": (f"{HERE}::test_a_bad_path_or_index_is_refused",),
    "an AK not enrolled or revoked": (
        f"{AT_THE_ISSUER}::test_a_key_that_was_superseded_or_revoked_signs_nothing_any_more",
        f"{HERE}::test_a_key_that_the_enrolment_record_does_not_name_is_refused",
    ),
    "an EK certificate for another key": (f"{AT_THE_ISSUER}::test_a_certificate_is_refused_by_name",),
    "self-signed": (f"{AT_THE_ISSUER}::test_a_certificate_is_refused_by_name",),
    "expired": (f"{AT_THE_ISSUER}::test_a_certificate_is_refused_by_name",),
    "CA=true": (f"{AT_THE_ISSUER}::test_a_certificate_is_refused_by_name",),
    "wrong EKU": (f"{AT_THE_ISSUER}::test_a_certificate_is_refused_by_name",),
    "activation answered late": (f"{AT_THE_ISSUER}::test_an_activation_is_refused",),
    "twice": (f"{AT_THE_ISSUER}::test_an_activation_is_refused",),
    "from another enrolment": (f"{AT_THE_ISSUER}::test_an_activation_is_refused",),
    "software evidence labelled TPM": (
        f"{HERE}::test_a_software_signature_is_never_a_tpms",
        f"{AT_THE_ISSUER}::test_a_software_signature_is_no_windows_of_a_tpm",
    ),
    "SHA-1 anywhere": ("tests/verifier/endorsement/test_ek_chain.py::test_sha_1_is_refused_at_the_leaf_and_above",),
    "Every single-byte mutation and truncation of a valid quote is refused without a crash": (
        f"{MUTATIONS}::test_every_changed_byte_is_refused",
        f"{MUTATIONS}::test_every_truncation_is_refused",
    ),
}


def listed():
    """The items of the list: its parts between semicolons and commas, those in brackets left whole."""
    text = shared("telemetry.md").read_text("utf-8").partition("## What must be refused")[2]
    sentences = re.split(r"\.\s", " ".join(text.split()).rstrip("."))
    return [item.strip() for item in re.split(r"[;,](?![^(]*\))", ";".join(sentences))]


class Place:
    """A node after two honest windows, and what is known of it."""

    def __init__(self):
        self.node = Node(node_id="node-70")
        self.state = self.node.begun()
        self.before = []
        for _ in range(2):
            self.before.append(sent(self.node))
            self.take(self.before[-1])

    def take(self, window: Sent):
        """Judge a window as a stranger does who has all that went before."""
        checked = check_window(parse_evidence(window.evidence), decode_records(window.records))
        now_us = self.before[-1].made.header["end_us"] + 10_000_000
        self.state = chain.advance(self.state, checked, now_us=now_us, max_power_w=POWER_W).state


HONEST = Place()


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_it_is_refused_by_name(attack):
    place = copy.deepcopy(HONEST)
    with pytest.raises(GreenError) as caught:
        place.take(attack.make(place.node))
    assert caught.value.name == attack.name, caught.value.detail
    assert caught.value.status in {400, 401, 409}


def test_without_a_lie_it_is_taken():
    place = copy.deepcopy(HONEST)
    for _ in range(3):
        place.take(sent(place.node))
    assert place.state.next_sequence == 5


def verdict(make):
    """Return the verdict on the credential of a window, its records at hand."""
    place = WindowWorld(World(policy=TRUSTING), node=copy.deepcopy(HONEST.node))
    window = make(place.node)
    value = place.unsecured(window.made)
    digest = digests.digest(window.evidence)
    entry = value["evidence"][0]
    entry |= {"inlineEvidence": base64url.encode(window.evidence), "digestMultibase": digest}
    entry["id"] = f"{entry['id'].rpartition('/')[0]}/{digest}"
    place.attachments[name_of_records(window.made.header["merkle_root"])] = window.records
    return place.world.report(place.world.issuer.sign(value), place.evidence())


@pytest.mark.parametrize("attack", [one for one in ATTACKS if not one.in_chain], ids=str)
def test_whoever_issued_its_credential_the_evidence_is_refused(attack):
    report = verdict(attack.make)
    check = report.check("evidence")
    assert (report.outcome, check.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), check.detail


def test_the_credential_of_an_honest_window_holds_with_its_records():
    report = verdict(sent)
    assert report.outcome is Outcome.VERIFIED, report.detail
    assert any("2 records at hand" in finding.detail for finding in report.check("evidence").findings)


def test_every_item_of_the_list_is_an_attack_and_nothing_else_is():
    assert {attack.item for attack in ATTACKS} | ELSEWHERE.keys() == set(listed())


@pytest.mark.parametrize("test", sorted({test for tests in ELSEWHERE.values() for test in tests}))
def test_each_test_that_is_named_is_there(test):
    path, _, name = test.partition("::")
    if not (ROOT / path).exists():
        pytest.skip("the issuer's tests are not beside the verifier's")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == name]
    assert len(found) == 1


def test_a_window_that_is_replayed_is_refused():
    for window in HONEST.before:
        place = copy.deepcopy(HONEST)
        with pytest.raises(GreenError) as caught:
            place.take(window)
        assert caught.value.name == "WINDOW_SEQUENCE_REUSED"


@pytest.mark.parametrize(
    "issued",
    [
        None,
        {"used_by": digests.digest(b"another window")},
        {"expires_us": 0},
        {"node_id": "node-8"},
    ],
    ids=["nobody's", "used", "expired", "another node's"],
)
def test_a_nonce_that_does_not_count_is_refused(issued):
    node = copy.deepcopy(HONEST.node)
    nonce = base64url.encode(bytes(32))
    made = sent(node, header={"nonce": nonce, "freshness": "nonce"}).made
    window = check_window(made.evidence)
    good = {"nonce": nonce, "node_id": "node-70", "expires_us": window.header.end_us + 1}
    now_us = window.header.end_us
    check_freshness(window.header, window.digest, IssuedNonce(**good), now_us=now_us)
    with pytest.raises(GreenError) as caught:
        check_freshness(window.header, window.digest, issued and IssuedNonce(**(good | issued)), now_us=now_us)
    assert caught.value.name == "NONCE_REFUSED"


OTHER = digests.digest(b"other")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (put("inclusion.path.0", OTHER), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.path", []), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.path", [OTHER] * 17), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.index", 1), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.index", 5), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.index", -1), "SCHEMA_INVALID"),
        (put("inclusion.tree_size", 4), "MALFORMED_VALUE_ERROR"),
        (put("inclusion.tree_size", 6), "EVIDENCE_MISMATCH"),
        (put("merkle_root", OTHER), "MALFORMED_VALUE_ERROR"),
        # The sibling's hash is left out: the record's would have to be an inner node's.
        (lambda receipt: receipt["inclusion"]["path"].pop(0), "MALFORMED_VALUE_ERROR"),
    ],
)
def test_a_bad_path_or_index_is_refused(change, problem):
    place = WindowWorld(World(policy=TRUSTING))
    made = place.close(records=place.node.own_records(5))
    window, receipt = place.credential(made), place.receipt(made)
    assert judged(place, receipt, window).outcome is Outcome.VERIFIED
    report = judged(place, edited(receipt, change), window)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem), report.detail


def test_a_key_that_the_enrolment_record_does_not_name_is_refused():
    place = WindowWorld(World(policy=TRUSTING))
    place.enrolment = place.enrol(node_id="node-8")
    report = place.world.report(place.credential(place.close()), place.evidence())
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "EVIDENCE_MISMATCH"), report.detail


def test_a_software_signature_is_never_a_tpms():
    header = canonical(software_header(boot={"reset": 1, "restart": 0}) | {"ak": Node().tpm.ak})
    with pytest.raises(GreenError) as caught:
        check_software_window(software_token(header).decode(), NODE.public_key)
    assert caught.value.name == "WINDOW_SIGNER_MISMATCH"
    world = World(policy=TRUSTING)
    value = software_window(world, software_header())
    assert world.report(world.issuer.sign(value)).outcome is Outcome.VERIFIED
    claimed = edited(value, put("credentialSubject.assurance", "tpm-hardware"))
    labelled = edited(claimed, put("evidence.0.type", ["TpmQuoteEvidence"]))
    labelled["evidence"][0]["enrolmentDigest"] = OTHER
    for lie, problem in ((claimed, "CLAIM_INCONSISTENT"), (labelled, "EVIDENCE_MISMATCH")):
        report = world.report(world.issuer.sign(lie))
        assert (report.outcome, report.problem) == (Outcome.REFUSED, problem), report.detail
