"""NV memory and what a TPM tells of itself."""

import pytest

from agent.tpm.address import parse
from agent.tpm.attestation import read_clock
from agent.tpm.errors import TpmAnswerError
from agent.tpm.info import NV_INDICES, handles
from agent.tpm.nv import nv_read, nv_read_public
from agent.tpm.opening import open_tpm
from tests.fakes.tpm import answer, scripted

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
        nv_read_public(tpm, 0x01800100)
