import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import digests, jcs
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.merkle import EMPTY_ROOT
from schemas.window_header import (
    decode_header,
    encode_header,
    opening_qualification,
    quote_qualification,
    window_digest,
    within_clock_slack,
)
from tests.fakes.soft_tpm import canonical
from tests.vectors import FORMATS

EXAMPLE = json.loads((FORMATS / "window-header.json").read_bytes())
RAW = jcs.canonical_bytes(EXAMPLE)
GPU = EXAMPLE["accelerators"][0]
SHORT = {"duration_us": 1, "measured_us": 0, "largest_gap_us": 0}


def changed(**members):
    return canonical({name: value for name, value in (EXAMPLE | members).items() if value is not ...})


def refused(raw, error=SchemaInvalidError, said=""):
    with pytest.raises(error) as caught:
        decode_header(raw)
    assert said in caught.value.detail, caught.value.detail


def test_the_reference_header_is_read_and_written():
    header = decode_header(RAW)
    assert json.loads(msgspec.json.encode(header)) == EXAMPLE
    assert encode_header(header) == RAW
    assert header.boot_epoch == "1.0"
    assert header.accelerators_mj == 11_400_000


def test_its_digest_is_the_one_that_the_credential_names():
    claims = json.loads((FORMATS / "window.vc11.json").read_bytes())["credentialSubject"]
    assert digests.encode(window_digest(RAW)) == claims["windowDigest"]


def test_a_header_of_a_software_key_has_a_start_counter_and_no_attestation_key():
    header = decode_header(changed(ak=..., boot={"start": 12}))
    assert (header.ak, header.boot_epoch, header.boot.epoch) == (None, "12", (12,))


@pytest.mark.parametrize(
    "members",
    [
        {"ak": ...},
        {"boot": {"start": 12}},
        {"boot": {"reset": 1}},
        {"boot": {"restart": 1}},
        {"boot": {}},
        {"boot": {"reset": 1, "restart": 0, "start": 2}},
        {"ak": ..., "boot": {}},
        {"ak": ..., "boot": {"start": 1, "reset": 1}},
        {"boot": {"reset": 2**32, "restart": 0}},
        {"boot": {"reset": -1, "restart": 0}},
        {"boot": {"reset": 1, "restart": 0, "epoch": 1}},
        {"boot": 12},
        {"boot": "1.0"},
    ],
    ids=str,
)
def test_key_and_epoch_go_together(members):
    refused(changed(**members), said="boot")


def test_a_chained_window_has_no_nonce():
    header = decode_header(changed(freshness="chained", nonce=...))
    assert header.nonce_bytes == b""
    refused(changed(freshness="chained"), said="nonce")
    refused(changed(nonce=...), said="nonce")
    refused(changed(freshness="fresh"), said="freshness")


@pytest.mark.parametrize("nonce", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 22])
def test_a_nonce_has_32_bytes(nonce):
    refused(changed(nonce=nonce), FormatError)


def test_the_first_window_alone_has_none_before_it():
    assert decode_header(changed(sequence=0, previous=...)).previous is None
    refused(changed(previous=...), said="previous")
    refused(changed(sequence=0), said="previous")


def test_a_simulated_window_says_so_and_no_other_says_anything():
    assert decode_header(changed(simulated=True)).simulated
    for value in (False, 1, "true", None):
        refused(changed(simulated=value), said="simulated")


@pytest.mark.parametrize("name", sorted(set(EXAMPLE) - {"ak", "nonce", "previous"}))
def test_everything_else_is_required(name):
    refused(changed(**{name: ...}))


def test_a_further_member_is_refused():
    refused(changed(comment="x"), said="comment")
    refused(changed(accelerators=[GPU | {"power_mw": 1}]), said="power_mw")


# Energy


@pytest.mark.parametrize(
    "name", ["accelerator_active_mj", "accelerator_idle_mj", "accelerator_loaded_idle_mj", "unattributed_mj"]
)
@pytest.mark.parametrize("step", [-1, 1])
def test_the_parts_are_what_the_counters_moved_to_the_millijoule(name, step):
    refused(changed(**{name: EXAMPLE[name] + step}), said="mJ together")


@pytest.mark.parametrize("name", ["counter_start_mj", "counter_end_mj", "energy_mj"])
def test_an_accelerators_energy_is_the_difference_of_its_counter(name):
    refused(changed(accelerators=[GPU | {name: GPU[name] + 1}, EXAMPLE["accelerators"][1]]), said="accelerators[0]")


def test_energy_is_never_negative():
    back = {"counter_start_mj": GPU["counter_end_mj"], "counter_end_mj": GPU["counter_start_mj"]}
    refused(changed(accelerators=[GPU | back | {"energy_mj": -GPU["energy_mj"]}]), said="energy_mj")
    refused(changed(accelerators=[GPU | back]), said="set back")
    refused(changed(unattributed_mj=-1), said="unattributed_mj")


def test_energy_of_other_boundaries_does_not_count_among_the_accelerators():
    assert decode_header(changed(host_cpu_mj=0, host_dram_mj=0, network_mj=7)).network_mj == 7


def test_more_that_was_estimated_than_there_is_is_refused():
    total = 11_400_000 + 1_230_001 + 569_999
    decode_header(changed(estimated_mj=total))
    refused(changed(estimated_mj=total + 1), said="estimated_mj")


@pytest.mark.parametrize(
    "accelerators",
    [[], list(reversed(EXAMPLE["accelerators"])), [GPU, GPU], None, GPU],
    ids=["none", "in another order", "twice", "null", "an object"],
)
def test_accelerators_are_a_list_in_the_order_of_their_uuid(accelerators):
    refused(changed(accelerators=accelerators), said="accelerators")


def test_more_accelerators_than_a_node_has_are_refused():
    still = {"counter_start_mj": 0, "counter_end_mj": 0, "energy_mj": 0}
    many = [GPU | still | {"uuid": f"GPU-{number:04}"} for number in range(128)]
    nothing = {"accelerator_active_mj": 0, "accelerator_idle_mj": 0, "accelerator_loaded_idle_mj": 0}
    fits = {"unattributed_mj": 0, **nothing}
    assert len(decode_header(changed(accelerators=many, **fits)).accelerators) == 128
    refused(changed(accelerators=[*many, GPU | still | {"uuid": "GPU-9"}], **fits), said="at most 128")


# Times


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"start_us": EXAMPLE["end_us"]}, "start_us"),
        ({"start_us": EXAMPLE["end_us"] + 1}, "start_us"),
        (SHORT | {"start_us": EXAMPLE["end_us"]}, "must start before"),
        (SHORT | {"start_us": EXAMPLE["end_us"] + 1}, "must start before"),
        ({"end_us": EXAMPLE["end_us"] + 5_000_000}, "duration_us"),
        ({"duration_us": 0}, "duration_us"),
        ({"duration_us": 3_600_000_001}, "duration_us"),
        ({"measured_us": 10_000_001}, "measured_us"),
        ({"largest_gap_us": 10_000_001}, "largest_gap_us"),
        ({"start_us": 1795204800000000.0}, ""),
        ({"start_us": "1795204800000000"}, "start_us"),
        ({"end_us": 2**53}, ""),
    ],
)
def test_times_fit_each_other(members, said):
    refused(changed(**members), FormatError, said)


def test_the_clocks_slack_is_two_seconds_and_15_percent():
    assert within_clock_slack(13_500_000, 10_000_000)
    assert within_clock_slack(6_500_000, 10_000_000)
    assert not within_clock_slack(13_500_001, 10_000_000)
    assert not within_clock_slack(6_499_999, 10_000_000)
    assert within_clock_slack(0, -2_000_000)
    assert not within_clock_slack(0, -2_000_001)


# Records


@pytest.mark.parametrize("records", [0, 50_001, -1])
def test_the_count_is_one_of_the_root(records):
    refused(changed(records=records))


def test_an_empty_window_has_the_root_of_an_empty_tree():
    empty = digests.encode(EMPTY_ROOT)
    assert decode_header(changed(records=0, merkle_root=empty)).records == 0
    refused(changed(merkle_root=empty), said="merkle_root")


# Bytes


@pytest.mark.parametrize(
    "raw",
    [
        (FORMATS / "window-header.json").read_bytes(),
        json.dumps(EXAMPLE).encode(),
        RAW + b"\n",
        RAW[:-1] + b',"v":1}',
        b'{"v":1,' + RAW[1:],
        RAW.replace(b'"records":3', b'"records":3.0'),
        RAW.replace(b'"records":3', b'"records":3e0'),
        RAW.replace(b"green-agent", b"green\\u002dagent"),
        b"\xff" + RAW,
        b"",
        b"[]",
        b"null",
    ],
)
def test_bytes_that_are_not_the_canonical_form_are_refused(raw):
    with pytest.raises(ParsingError):
        decode_header(raw)


def test_floats_are_refused_in_canonical_form_too():
    refused(RAW.replace(b'"records":3', b'"records":3.5'), said="records")


def test_a_header_too_long_or_deep_is_refused_unread():
    refused(b" " * 65537, ResourceLimitError)
    refused(b'{"a":' * 5 + b"1" + b"}" * 5, ResourceLimitError)


@pytest.mark.parametrize("name", ["agent", "node_id", "key", "ak", "merkle_root", "method"])
def test_texts_follow_their_rules(name):
    for value in ("", "a\nb", 7, None, "é\u0000"):
        refused(changed(**{name: value}), FormatError)


def test_what_would_be_refused_is_not_written():
    with pytest.raises(SchemaInvalidError):
        encode_header(msgspec.structs.replace(decode_header(RAW), unattributed_mj=0))


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=20), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(offset, noise, length):
    raw = RAW[:offset] + noise + RAW[offset + length :]
    try:
        header = decode_header(raw)
    except FormatError:
        return
    assert encode_header(header) == raw


# Domains


def test_digests_have_domains_of_their_own():
    digest = hashlib.sha256(b"ecw/1 window\0" + RAW).digest()
    assert window_digest(RAW) == digest
    assert quote_qualification(digest, b"n" * 32) == hashlib.sha256(b"ecw/1 quote\0" + digest + b"n" * 32).digest()
    opening = hashlib.sha256(b"ecw/1 open\0" + digest + b"n" * 32).digest()
    assert opening_qualification(digests.encode(digest), b"n" * 32) == opening
    assert opening_qualification(None, b"") == hashlib.sha256(b"ecw/1 open\0" + bytes(32)).digest()
    with pytest.raises(MalformedValueError):
        opening_qualification("not a digest", b"")
