"""Each window follows from the one before, or is refused for a reason of its own."""

import hashlib
from dataclasses import replace

import msgspec
import pytest

from schemas import base64url, digests
from tests.fakes.did import signer
from tests.fakes.soft_tpm import START_US, WINDOW_US, Node, SoftTpm
from tests.fakes.window_chain import LATER_US, kinds, refused, run, taken
from verifier.attestation import chain
from verifier.attestation.chain_state import ChainState, FlagKind
from verifier.attestation.errors import (
    ChainIdentityError,
    ForkError,
    FutureWindowError,
    SequenceGapError,
    SequenceReusedError,
    WindowEnergyError,
    WindowOverlapError,
)
from verifier.attestation.window import check_window


def test_windows_follow_each_other_without_a_word():
    node = Node()
    state = node.begun()
    for number in range(5):
        made = node.window()
        step = taken(state, made)
        assert step.flags == ()
        state = step.state
        assert (state.next_sequence, state.previous) == (number + 1, digests.encode(made.digest))
    assert state.end_us == START_US + 5 * WINDOW_US
    assert base64url.decode(state.chain_value) == node.pcrs[15]


def test_an_empty_window_is_a_window():
    node = Node()
    assert taken(node.begun(), node.window(records=[])).state.next_sequence == 1


def test_a_state_goes_through_json_unchanged():
    state = run(Node(), 2)
    assert msgspec.json.decode(msgspec.json.encode(state), type=ChainState) == state
    assert state.first is not None
    assert state.counters_mj


def test_a_state_is_not_changed_by_a_step():
    node = Node()
    state = node.begun()
    before = msgspec.json.encode(state)
    taken(state, node.window())
    assert msgspec.json.encode(state) == before


# Sequence, the window before, forks


def test_a_window_that_was_left_out_is_a_gap():
    node = Node()
    state = run(node)
    node.window()
    assert "2; 1 comes next" in refused(SequenceGapError, node, state).detail


def test_a_sequence_number_is_not_used_again():
    node = Node()
    state = run(node, 3)
    refused(SequenceReusedError, node, state, header={"sequence": 1})


def test_a_window_that_is_replayed_is_refused():
    node = Node()
    state = node.begun()
    made = node.window()
    state = taken(state, made).state
    with pytest.raises(SequenceReusedError):
        taken(state, made)


def test_another_window_under_the_last_number_is_a_fork():
    node = Node()
    state = run(node, 2)
    refused(ForkError, node, state, header={"sequence": 1, "previous": digests.digest(b"before")})


def test_a_window_that_names_another_one_before_it_is_a_fork():
    node = Node()
    state = run(node)
    refused(ForkError, node, state, header={"previous": digests.digest(b"another")})


def test_a_window_beside_a_hidden_one_is_a_fork_by_the_register_alone():
    node = Node()
    state = run(node)
    sequence, previous, wall_us = node.sequence, node.previous, node.wall_us
    hidden = node.window()
    node.sequence, node.previous, node.wall_us = sequence, previous, wall_us
    alternative = node.window(records=node.own_records(1))
    with pytest.raises(ForkError, match="register"):
        taken(state, alternative)
    assert taken(state, hidden).state.next_sequence == 2


def test_a_window_that_never_reached_the_register_is_a_fork():
    node = Node()
    state = run(node)
    before = node.pcrs[15]
    assert "register" in refused(ForkError, node, state, pcrs={15: before}).detail


def test_the_chain_goes_on_from_what_the_system_had_put_into_the_register():
    node = Node()
    node.pcrs[15] = hashlib.sha256(b"machine-id and file systems").digest()
    assert taken(node.begun(), node.window()).flags == ()


# Who


def test_a_chain_takes_no_window_of_another_node():
    node = Node()
    state = run(node)
    refused(ChainIdentityError, node, state, header={"node_id": "node-8"})


def test_a_chain_takes_no_window_by_a_key_that_is_not_enrolled():
    node = Node()
    state = run(node)
    node.tpm = SoftTpm(seed=8)
    refused(ChainIdentityError, node, state)


def test_a_chain_under_a_tpm_takes_no_window_without_its_quote():
    node = Node()
    state = node.begun()
    window = check_window(node.window().evidence)
    for missing in ({"quote": None}, {"quote": None, "chain_value": None}):
        with pytest.raises(ChainIdentityError):
            chain.advance(state, replace(window, **missing), now_us=LATER_US)


# Times, energy


def test_a_window_that_begins_before_the_last_one_ended_is_refused():
    node = Node()
    state = run(node)
    refused(WindowOverlapError, node, state, header={"start_us": node.wall_us - 1})


def test_a_window_that_ends_in_the_future_is_refused():
    node = Node()
    state = node.begun()
    made = node.window()
    with pytest.raises(FutureWindowError):
        taken(state, made, now_us=made.header["end_us"] - 60_000_001)
    taken(state, made, now_us=made.header["end_us"] - 60_000_000)


def test_time_between_two_windows_is_told():
    node = Node()
    state = run(node)
    node.wall_us += 1_000_000
    node.clock_ms += 1000
    step = taken(state, node.window())
    assert [(flag.kind, flag.detail) for flag in step.flags] == [
        (FlagKind.TIME_GAP, "1000000 µs since the window before")
    ]


def test_energy_between_two_windows_is_told():
    node = Node()
    state = run(node)
    node.counter_mj += 77
    step = taken(state, node.window())
    assert kinds(step) == [FlagKind.ENERGY_GAP]
    assert "77 mJ" in step.flags[0].detail


def test_a_counter_that_was_set_back_is_told():
    node = Node()
    state = run(node)
    node.counter_mj = 0
    assert kinds(taken(state, node.window())) == [FlagKind.COUNTER_SET_BACK]


def test_more_energy_than_the_hardware_draws_is_refused():
    node = Node()
    state = node.begun()
    made = node.window()  # 2.500001 kJ in 10 s
    with pytest.raises(WindowEnergyError):
        taken(state, made, max_power_w=227)
    taken(state, made, max_power_w=228)


def test_changed_firmware_is_told():
    node = Node()
    state = run(node)
    node.firmware += 1
    assert kinds(taken(state, node.window())) == [FlagKind.FIRMWARE_CHANGED]


def test_what_booted_differently_is_told():
    node = Node()
    state = run(node)
    node.reboot()
    node.pcrs[7] = b"\xee" * 32
    assert kinds(chain.open_epoch(state, node.opening())) == [FlagKind.EPOCH_CHANGED, FlagKind.BOOT_PCRS_CHANGED]


def test_a_window_without_the_issuers_nonce_is_told():
    node = Node()
    made = node.window(header={"freshness": "chained", "nonce": ...})
    assert kinds(taken(Node().begun(), made)) == [FlagKind.CHAINED]


# Beginnings


def test_an_opening_with_an_unsafe_clock_is_told():
    step = chain.begin("node-7", Node().opening(attested={"safe": 0}))
    assert kinds(step) == [FlagKind.CLOCK_UNSAFE]


def test_a_chain_goes_on_under_a_new_key():
    node = Node()
    run(node, 2)
    node.tpm = SoftTpm(seed=9)
    state = chain.begin(node.node_id, node.opening(), next_sequence=2).state
    assert taken(state, node.window()).state.next_sequence == 3


def test_a_chain_that_goes_on_names_the_window_before():
    with pytest.raises(ForkError):
        chain.begin("node-7", Node().opening(), next_sequence=3)
    with pytest.raises(ForkError):
        chain.begin_software("node-7", signer("ES256").public_key, start=1, previous=digests.digest(b""))
