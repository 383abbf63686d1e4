"""NV memory and what a TPM tells of itself."""

import pytest

from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.attestation import certify_nv, read_clock
from agent.tpm.constants import NvAttribute
from agent.tpm.errors import TpmAnswerError, TpmRefusedError
from agent.tpm.info import NV_INDICES, get_random, handles, pcr_banks, read_info
from agent.tpm.keys import lent_primary
from agent.tpm.nv import define_counter, increment, nv_read, nv_read_public, read_counter, undefine
from agent.tpm.opening import open_tpm
from schemas.tpm.attest import parse_attest
from tests.fakes.tpm import answer, scripted, signature_holds

COUNTER = 0x01800100
EK_CERTIFICATE = 0x01C00002


def test_an_index_longer_than_one_answer_is_read_whole(tpm):
    public = nv_read_public(tpm, EK_CERTIFICATE)
    assert public.size > 512
    content = nv_read(tpm, EK_CERTIFICATE)
    assert len(content) == public.size
    assert content[:2] == b"\x30\x82"


def test_what_is_not_there_is_none(tpm):
    assert nv_read_public(tpm, 0x01C00004) is None
    assert nv_read(tpm, 0x01C00004) is None


def test_the_indices_are_listed(tpm):
    assert handles(tpm, NV_INDICES) == [0x01C00002, 0x01C00016]


@pytest.mark.parametrize("orderly", [True, False])
def test_a_counter_rises_by_one_and_is_certified(tpm, orderly):
    define_counter(tpm, COUNTER, orderly=orderly)
    assert read_counter(tpm, COUNTER) is None
    increment(tpm, COUNTER)
    first = read_counter(tpm, COUNTER)
    increment(tpm, COUNTER)
    assert read_counter(tpm, COUNTER) == first + 1
    with lent_primary(tpm, templates.attestation_key("ecdsa", bytes(32))) as ak:
        made = certify_nv(tpm, ak, COUNTER, 8, b"nonce")
        assert signature_holds(ak.public, made.attest, made.signature)
    assert int.from_bytes(parse_attest(made.attest).attested.contents, "big") == first + 1


def test_a_counter_never_gives_a_number_again_after_a_power_cut(swtpm):
    with open_tpm(parse(swtpm.uri)) as tpm:
        define_counter(tpm, COUNTER)
        for _ in range(5):
            increment(tpm, COUNTER)
        last = read_counter(tpm, COUNTER)
    swtpm.restart()
    with open_tpm(parse(swtpm.uri)) as tpm:
        increment(tpm, COUNTER)
        assert read_counter(tpm, COUNTER) > last


def test_a_counter_made_twice_is_refused_and_one_removed_is_gone(tpm):
    define_counter(tpm, COUNTER)
    with pytest.raises(TpmRefusedError, match="TPM_RC_NV_DEFINED"):
        define_counter(tpm, COUNTER)
    undefine(tpm, COUNTER)
    assert nv_read_public(tpm, COUNTER) is None


def test_a_counter_counts_in_memory_unless_told_otherwise(tpm):
    define_counter(tpm, COUNTER)
    assert NvAttribute.ORDERLY in nv_read_public(tpm, COUNTER).attributes


def test_the_tpm_says_what_it_is(tpm):
    info = read_info(tpm)
    assert (info.manufacturer, info.model) == ("IBM", "SW TPM")
    assert info.firmware > 0
    assert not info.in_lockout
    assert pcr_banks(tpm) == {0x000B: frozenset(range(24))}


def test_randomness_comes_in_the_length_asked_for(tpm):
    assert [len(get_random(tpm, count)) for count in (0, 1, 32, 100)] == [0, 1, 32, 100]
    assert get_random(tpm, 32) != get_random(tpm, 32)


def test_the_epoch_rises_with_a_power_cut_and_the_clock_runs(swtpm):
    clocks = []
    for _ in range(2):
        with open_tpm(parse(swtpm.uri)) as tpm:
            clocks.append(read_clock(tpm))
        swtpm.restart()
    assert clocks[1].reset_count == clocks[0].reset_count + 1


def test_a_snapshot_put_back_repeats_its_epoch(swtpm):
    # What docs/tpm.md warns of: nothing in the TPM tells, only the issuer's memory does.
    epochs = []
    snapshot = swtpm.snapshot()
    for _ in range(2):
        swtpm.restore(snapshot)
        with open_tpm(parse(swtpm.uri)) as tpm:
            epochs.append(read_clock(tpm).reset_count)
    assert epochs[0] == epochs[1]


def test_a_list_of_handles_that_never_ends_is_refused():
    page = answer(body=b"\x01" + b"\0\0\0\x01" + b"\0\0\0\x01" + b"\x01\0\0\x01")
    tpm, transport = scripted(page)
    with pytest.raises(TpmAnswerError, match="does not end"):
        handles(tpm, NV_INDICES)
    assert len(transport.commands) < 100


def test_a_list_of_something_else_is_refused():
    tpm, _ = scripted(answer(body=b"\0" + b"\0\0\0\x06" + b"\0\0\0\0"))
    with pytest.raises(TpmAnswerError, match="another capability"):
        handles(tpm, NV_INDICES)


def test_the_handles_end_where_another_kind_begins():
    tpm, _ = scripted(answer(body=b"\x01" + b"\0\0\0\x01" + b"\0\0\0\x02" + b"\x01\xc0\0\x02" + b"\x40\0\0\x01"))
    assert handles(tpm, NV_INDICES) == [0x01C00002]


def test_an_index_that_is_another_one_is_refused():
    tpm, _ = scripted(answer(body=b"\0\x0e" + b"\x01\x80\0\0" + b"\0\x0b" + bytes(4) + b"\0\0" + b"\0\x08" + b"\0\0"))
    with pytest.raises(TpmAnswerError, match="0x1800000"):
        nv_read_public(tpm, COUNTER)
