"""A window by itself: header, quote and records belong together."""

import json
from dataclasses import replace

import pytest

from schemas import digests, merkle
from schemas.cmw import build_evidence, parse_evidence
from schemas.errors import FormatError, ParsingError, SchemaInvalidError
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.pcr import window_selection
from schemas.window_record import WindowRecords, decode_records
from tests.fakes.soft_tpm import QUOTED, SHA256, Node, SoftTpm, canonical, domain, lines, record
from tests.vectors import FORMATS
from verifier.attestation.errors import (
    EpochError,
    PcrDigestError,
    PcrSelectionError,
    QualifyingDataError,
    RecordsMismatchError,
    WindowSignerError,
)
from verifier.attestation.window import check_opening, check_records, check_window

EXAMPLE = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())


def test_the_real_quote_of_the_formats_holds():
    window = check_window(EXAMPLE)
    claims = json.loads((FORMATS / "window.vc11.json").read_bytes())
    subject, evidence = claims["credentialSubject"], claims["evidence"][0]
    assert window.digest == subject["windowDigest"] == evidence["windowDigest"]
    assert window.header.boot_epoch == subject["bootEpoch"]
    assert window.header.key == evidence["signedBy"]
    assert window.quote.clock_info.clock_ms == 12
    assert window.chain_value == EXAMPLE.pcrs[15]


def test_an_honest_window_holds_with_and_without_its_records():
    made = Node().window()
    assert check_window(made.evidence).records is None
    window = check_window(made.evidence, made.records)
    assert window.records is made.records
    assert window.digest == digests.encode(made.digest)


def test_a_window_travels_as_a_cmw():
    made = Node().window()
    assert check_window(parse_evidence(build_evidence(made.evidence)), made.records).header.records == 2


def test_a_key_that_was_checked_before_is_not_checked_again():
    node = Node()
    key = node.tpm.key
    assert check_window(node.window().evidence, key=key).header.sequence == 0


def test_a_key_that_is_not_the_enrolled_one_is_refused():
    with pytest.raises(WindowSignerError):
        check_window(Node().window().evidence, key=SoftTpm(seed=8).key)


def test_a_public_area_beside_the_enrolled_one_is_refused():
    node = Node()
    evidence = replace(node.window().evidence, ak=SoftTpm(seed=8).public)
    with pytest.raises(WindowSignerError):
        check_window(evidence, key=node.tpm.key)


@pytest.mark.parametrize("member", ["ak", "key"])
def test_a_header_that_names_another_key_is_refused(member):
    other = SoftTpm(seed=8)
    made = Node().window(header={member: other.ak if member == "ak" else other.uri})
    with pytest.raises(WindowSignerError):
        check_window(made.evidence)


def test_a_software_keys_header_is_no_tpms():
    made = Node().window(header={"ak": ..., "boot": {"start": 3}})
    with pytest.raises(WindowSignerError):
        check_window(made.evidence)


def test_a_quote_over_another_window_is_refused():
    node = Node()
    first, second = node.window(), node.window()
    with pytest.raises(QualifyingDataError):
        check_window(replace(second.evidence, attest=first.evidence.attest, signature=first.evidence.signature))


def test_a_quote_with_another_nonce_is_refused():
    made = Node().window()
    other = made.header | {"nonce": "A" * 43}
    with pytest.raises(QualifyingDataError):
        check_window(replace(made.evidence, header=canonical(other)))


@pytest.mark.parametrize(
    "extra",
    [
        lambda digest: digest,
        lambda digest: domain("window", digest),
        lambda digest: domain("open", bytes(32)),
        lambda digest: domain("quote", digest),
        lambda digest: domain("quote", digest, bytes(32)),
        lambda digest: domain("quote", digest, bytes(16))[:20],
    ],
)
def test_qualifying_data_without_its_domain_or_nonce_is_refused(extra):
    node = Node()
    digest = domain("window", node.window().evidence.header)
    made = Node().window(attested={"extra": extra(digest)})
    assert made.digest == digest
    with pytest.raises(QualifyingDataError):
        check_window(made.evidence)


def test_a_chained_window_qualifies_without_a_nonce():
    made = Node().window(header={"freshness": "chained", "nonce": ...})
    assert check_window(made.evidence).header.nonce_bytes == b""


@pytest.mark.parametrize("attested", [{"reset": 2}, {"restart": 1}, {"reset": 0}])
def test_a_quote_of_another_epoch_than_the_headers_is_refused(attested):
    with pytest.raises(EpochError):
        check_window(Node().window(attested=attested).evidence)


def test_values_that_were_not_quoted_are_refused():
    made = Node().window()
    with pytest.raises(PcrDigestError):
        check_window(replace(made.evidence, pcrs={**made.evidence.pcrs, 10: bytes(32)}))


def test_a_header_that_is_not_canonical_is_refused_although_it_was_signed():
    node = Node()
    raw = json.dumps(node.header([])).encode()
    with pytest.raises(ParsingError):
        check_window(node.window(records=[], raw_header=raw).evidence)


def test_a_header_with_a_member_twice_is_refused_although_it_was_signed():
    node = Node()
    raw = canonical(node.header([]))[:-1] + b',"v":1}'
    with pytest.raises(ParsingError):
        check_window(node.window(records=[], raw_header=raw).evidence)


def test_a_chain_in_another_register_is_checked_there():
    made = Node().window()
    with pytest.raises(FormatError):
        check_window(made.evidence, chain_pcr=10)
    with pytest.raises(PcrSelectionError):
        check_window(made.evidence, chain_pcr=14)


# Records


def test_an_altered_record_is_refused():
    node = Node()
    own = node.own_records()
    made = node.window(records=own)
    own[0] |= {"accelerator_active_mj": 1}
    with pytest.raises(RecordsMismatchError, match="Merkle root"):
        check_window(made.evidence, decode_records(lines(*own)))


def test_a_dropped_record_is_refused():
    made = Node().window()
    with pytest.raises(RecordsMismatchError, match="counts 2"):
        check_window(made.evidence, WindowRecords(made.records.records[:1], made.records.leaves[:1]))


def test_records_in_another_order_are_refused():
    node = Node()
    own = node.own_records()
    made = node.window(records=own)
    with pytest.raises(RecordsMismatchError, match="Merkle root"):
        check_window(made.evidence, decode_records(lines(*reversed(own))))


def test_a_count_that_lies_is_refused():
    made = Node().window(header={"records": 3})
    with pytest.raises(RecordsMismatchError, match="counts 3"):
        check_window(made.evidence, made.records)


def test_records_that_sum_to_another_active_energy_are_refused():
    node = Node()
    honest = node.header(node.own_records())
    less = {"accelerator_active_mj": honest["accelerator_active_mj"] - 7, "unattributed_mj": 250_007}
    made = node.window(header=less)
    with pytest.raises(RecordsMismatchError, match="accelerator_active_mj"):
        check_window(made.evidence, made.records)


@pytest.mark.parametrize(
    "name",
    [
        "accelerator_idle_mj",
        "accelerator_loaded_idle_mj",
        "host_cpu_mj",
        "host_dram_mj",
        "host_other_mj",
        "network_mj",
        "estimated_mj",
    ],
)
def test_records_that_claim_more_than_the_window_has_are_refused(name):
    node = Node()
    own = node.own_records()
    own[1] |= {name: 3_000_000 if name != "estimated_mj" else 1}
    made = node.window(records=own)
    with pytest.raises(RecordsMismatchError, match=name):
        check_window(made.evidence, made.records)


@pytest.mark.parametrize("shift", [{"start_us": -1}, {"start_us": 7_000_000, "end_us": 10_000_001}])
def test_a_record_outside_its_window_is_refused(shift):
    node = Node()
    own = node.own_records(1)
    own[0] |= {name: node.wall_us + offset for name, offset in shift.items()}
    made = node.window(records=own)
    with pytest.raises(RecordsMismatchError, match="outside"):
        check_window(made.evidence, made.records)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"duration_us": 2**53 - 1}, "2 s and 15 %"),
        ({"duration_us": 5_450_001}, "2 s and 15 %"),
        ({"duration_us": 549_999}, "2 s and 15 %"),
        ({"start_us": 0, "duration_us": 10_000_001, "end_us": 10_000_000}, "longer than the window"),
    ],
)
def test_a_record_that_lasts_longer_or_shorter_than_it_can_is_refused(changes, told):
    node = Node()
    own = node.own_records(1)
    own[0] |= {name: value + (node.wall_us if name != "duration_us" else 0) for name, value in changes.items()}
    made = node.window(records=own)
    with pytest.raises(RecordsMismatchError, match=told):
        check_window(made.evidence, made.records)


@pytest.mark.parametrize("duration_us", [550_000, 5_450_000])
def test_a_records_clocks_may_differ_by_2_s_and_15_percent(duration_us):
    node = Node()
    made = node.window(records=[one | {"duration_us": duration_us} for one in node.own_records(1)])
    assert check_window(made.evidence, made.records).header.records == 1


def test_an_inner_node_is_no_leaf():
    node = Node()
    own = node.own_records(4)
    made = node.window(records=own, header={"records": 2})
    pairs = [merkle.node_hash(*made.records.leaves[index : index + 2]) for index in (0, 2)]
    folded = WindowRecords(made.records.records[:2], pairs)
    # The root is the same; what is counted and summed is not.
    assert folded.merkle_root == made.records.merkle_root
    with pytest.raises(RecordsMismatchError):
        check_records(check_window(made.evidence).header, folded)


# Openings


def opened(node, **options):
    raw_options = {"previous": None, "nonce": b"", "pcrs": node.pcrs} | options
    attested = node._attested(domain("open", bytes(32), b""), node.pcrs, {})
    raw = attested.pack()
    return check_opening(raw, node.tpm.sign(raw), node.tpm.key, **raw_options)


def test_an_opening_holds_the_chains_beginning():
    node = Node()
    opening = opened(node)
    assert (opening.chain_value, opening.previous) == (node.pcrs[15], None)


def test_an_opening_is_bound_to_its_place_and_nonce():
    with pytest.raises(QualifyingDataError):
        opened(Node(), previous=digests.digest(b"a window"))
    with pytest.raises(QualifyingDataError):
        opened(Node(), nonce=bytes(32))


def test_a_windows_quote_opens_nothing():
    made = Node().window()
    evidence = made.evidence
    with pytest.raises(QualifyingDataError):
        check_opening(
            evidence.attest,
            evidence.signature,
            Node().tpm.key,
            previous=None,
            nonce=b"",
            pcrs=evidence.pcrs,
        )


@pytest.mark.parametrize("register", [-1, 0, 7, 10, 24])
def test_the_chain_is_in_no_register_that_is_quoted_for_something_else(register):
    with pytest.raises(TpmStructureError):
        window_selection(register)
    assert window_selection()[0].indices == QUOTED
    assert window_selection()[0].hash_algorithm == SHA256


def test_a_record_of_another_salt_is_another_leaf():
    one, other = (decode_records(lines(record(1, salt=salt))) for salt in ("A" * 22, "B" * 21 + "A"))
    assert one.leaves != other.leaves


def test_a_header_that_is_none_is_malformed():
    with pytest.raises((ParsingError, SchemaInvalidError)):
        check_window(replace(Node().window().evidence, header=b"{}"))
