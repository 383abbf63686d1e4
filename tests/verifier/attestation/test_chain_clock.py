"""Epochs, the TPM's clock and wall time: what must rise, and what must agree."""

import hashlib

import msgspec
import pytest

from schemas import digests
from tests.fakes.soft_tpm import WINDOW_US, Node, SoftTpm
from tests.fakes.window_chain import kinds, refused, run, taken
from verifier.attestation import chain
from verifier.attestation.chain_state import AcceptedGap, FlagKind
from verifier.attestation.errors import (
    ChainIdentityError,
    ClockDriftError,
    EpochError,
    ForkError,
    RollbackError,
)


def test_a_change_of_epoch_without_an_opening_is_refused():
    node = Node()
    state = run(node)
    node.reboot()
    refused(EpochError, node, state)


def test_a_restart_without_an_opening_is_refused_too():
    node = Node()
    state = run(node)
    node.restart += 1
    refused(EpochError, node, state)


def test_an_opening_declares_the_epoch_and_is_told():
    node = Node()
    state = run(node)
    node.reboot()
    opened = chain.open_epoch(state, node.opening())
    assert kinds(opened) == [FlagKind.EPOCH_CHANGED]
    assert opened.flags[0].detail == "from 1.0 to 2.0"
    step = taken(opened.state, node.window())
    assert step.flags == ()
    assert step.state.epoch == (2, 0)


def test_an_opening_of_another_key_is_refused():
    node = Node()
    state = run(node)
    node.reboot()
    node.tpm = SoftTpm(seed=8)
    with pytest.raises(ChainIdentityError):
        chain.open_epoch(state, node.opening())


def test_an_opening_after_a_window_that_is_not_here_is_a_fork():
    node = Node()
    state = run(node)
    node.window()
    node.reboot()
    with pytest.raises(ForkError):
        chain.open_epoch(state, node.opening())


def test_an_opening_in_the_same_epoch_changes_nothing():
    node = Node()
    state = run(node)
    assert chain.open_epoch(state, node.opening()) == chain.Step(state)


def test_an_opening_does_not_explain_a_register_that_moved():
    node = Node()
    state = run(node)
    node.pcrs[15] = hashlib.sha256(node.pcrs[15] + bytes(32)).digest()
    with pytest.raises(ForkError, match="register"):
        chain.open_epoch(state, node.opening())


def test_an_opening_from_before_is_not_taken_again():
    node = Node()
    opening = node.opening()
    state = chain.begin(node.node_id, opening).state
    with pytest.raises(RollbackError):
        chain.open_epoch(state, opening)


@pytest.mark.parametrize("counter", ["reset", "restart"])
def test_a_boot_counter_that_went_back_is_refused(counter):
    node = Node(reset=5, restart=5)
    state = run(node)
    setattr(node, counter, 4)
    refused(RollbackError, node, state)
    with pytest.raises(RollbackError):
        chain.open_epoch(state, Node(reset=4, previous=state.previous, clock_ms=999_999).opening())


def test_a_clock_that_went_back_is_refused():
    node = Node()
    state = run(node)
    node.clock_ms = 1000
    refused(RollbackError, node, state)


def test_a_clock_that_stands_still_is_refused():
    node = Node()
    state = run(node)
    node.clock_ms -= WINDOW_US // 1000
    refused(RollbackError, node, state)


def test_a_clock_that_went_back_over_a_reboot_is_refused():
    node = Node()
    state = run(node)
    node.reboot()
    node.clock_ms = 10
    with pytest.raises(RollbackError):
        chain.open_epoch(state, node.opening())


def test_a_clock_that_repeats_values_after_losing_power_is_told():
    node = Node()
    state = run(node)
    node.reboot()
    node.clock_ms = 10
    opened = chain.open_epoch(state, node.opening(attested={"safe": 0}))
    assert kinds(opened) == [FlagKind.EPOCH_CHANGED, FlagKind.CLOCK_UNSAFE]
    assert opened.state.clock_ms < (state.clock_ms or 0)


def test_an_unsafe_clock_above_the_last_is_told():
    node = Node()
    state = run(node)
    assert kinds(taken(state, node.window(attested={"safe": 0}))) == [FlagKind.CLOCK_UNSAFE]


def test_an_unsafe_clock_below_the_last_is_refused():
    node = Node()
    state = run(node)
    refused(RollbackError, node, state, attested={"safe": 0, "clock_ms": 2})


def arrived(node, *, late_us=0):
    """Return the state after a window that came to us ``late_us`` after its end."""
    state = node.begun()
    return taken(state, node.window(), received_us=node.wall_us + late_us).state


def test_a_window_quoted_before_its_end_is_refused_beyond_a_minute_two_seconds_and_15_percent():
    # 10 s by the TPM's clock; x by the wall's with x - 10 s <= 62 s + 15 % of x, so 84.7 s.
    for ahead_us, is_taken in ((74_700_000, True), (74_710_000, False)):
        node = Node()
        state = arrived(node)
        node.wall_us += ahead_us
        if is_taken:
            assert FlagKind.QUOTED_LATE in kinds(taken(state, node.window()))
        else:
            assert "set the node's clock" in refused(ClockDriftError, node, state).detail


def test_how_late_a_window_came_is_how_much_may_lie_behind_it():
    node = Node()
    state = arrived(node, late_us=3_000_000_000)
    node.wall_us += 3_000_000_000
    taken(state, node.window())
    node = Node()
    state = arrived(node, late_us=3_000_000_000)
    node.wall_us += 3_100_000_000
    refused(ClockDriftError, node, state)


def test_the_arrival_that_allows_least_counts():
    node = Node()
    state = arrived(node)
    # The next one came an hour later than it was quoted: the one before says more.
    state = taken(state, node.window(), received_us=node.wall_us + 3_600_000_000).state
    node.wall_us += 100_000_000
    refused(ClockDriftError, node, state)


def test_a_sooner_arrival_takes_the_place_of_a_late_one():
    node = Node()
    state = arrived(node, late_us=3_600_000_000)
    state = taken(state, node.window(), received_us=node.wall_us).state
    node.wall_us += 100_000_000
    refused(ClockDriftError, node, state)


def test_who_was_not_there_when_windows_arrived_refuses_none_and_tells():
    node = Node()
    state = run(node)
    node.wall_us += 600_000_000
    assert kinds(taken(state, node.window())) == [FlagKind.TIME_GAP, FlagKind.QUOTED_LATE]


def test_a_new_epoch_is_held_against_its_own_arrivals():
    node = Node()
    state = arrived(node)
    node.reboot()
    node.wall_us += 3_000_000_000
    state = chain.open_epoch(state, node.opening()).state
    assert state.arrived is None
    state = taken(state, node.window(), received_us=node.wall_us).state
    node.wall_us += 100_000_000
    refused(ClockDriftError, node, state)


def test_what_an_operator_accepted_is_taken_once_and_told():
    node = Node()
    state = arrived(node)
    node.wall_us += 600_000_000
    made = node.window()
    word = AcceptedGap(at_us=1, reason="the issuer's clock was wrong", drift=True, window=digests.encode(made.digest))
    step = taken(msgspec.structs.replace(state, accepted_gap=word), made, received_us=node.wall_us)
    (told,) = [flag.detail for flag in step.flags if flag.kind is FlagKind.GAP_ACCEPTED]
    assert "quoted before it was over" in told
    assert "the issuer's clock was wrong" in told
    assert step.state.accepted_gap is None
    # From there on the clocks are held against each other again.
    state = taken(step.state, node.window(), received_us=node.wall_us).state
    node.wall_us += 600_000_000
    refused(ClockDriftError, node, state)


@pytest.mark.parametrize("shown", [None, digests.digest(b"another window")], ids=["not-known", "another"])
def test_what_an_operator_accepted_of_one_window_is_good_for_no_other(shown):
    node = Node()
    state = arrived(node)
    word = AcceptedGap(at_us=1, reason="two minutes", drift=True, window=shown)
    node.wall_us += 600_000_000
    refused(ClockDriftError, node, msgspec.structs.replace(state, accepted_gap=word))


def test_a_window_beside_the_accepted_one_moves_no_arrival():
    node = Node()
    state = arrived(node)
    word = AcceptedGap(at_us=1, drift=True, window=digests.digest(b"another window"))
    made = node.window()
    late_us = node.wall_us + 50_000_000
    plain = taken(state, made, received_us=late_us).state
    beside = taken(msgspec.structs.replace(state, accepted_gap=word), made, received_us=late_us).state
    assert beside.arrived == plain.arrived


def test_the_word_for_missing_windows_does_not_stand_for_a_clock():
    node = Node()
    state = msgspec.structs.replace(arrived(node), accepted_gap=AcceptedGap(at_us=1, last=1_000))
    node.wall_us += 600_000_000
    refused(ClockDriftError, node, state)


def test_a_quote_that_was_made_late_is_told():
    node = Node()
    state = run(node)
    node.clock_ms += 60_000
    assert kinds(taken(state, node.window())) == [FlagKind.QUOTED_LATE]


def test_after_a_late_quote_the_next_one_follows_sooner():
    node = Node()
    state = run(node)
    node.clock_ms += 8_000
    state = taken(state, node.window()).state
    node.clock_ms -= 8_000
    assert kinds(taken(state, node.window())) == []


def late_first(node):
    """Return the state after an epoch's first window, quoted 8 s late."""
    node.clock_ms += 8_000
    state = run(node)
    node.clock_ms -= 8_000
    return state


def test_where_the_first_quote_of_an_epoch_was_late_the_second_says_so_and_is_taken():
    node = Node()
    step = taken(late_first(node), node.window())
    assert kinds(step) == [FlagKind.QUOTED_LATE]
    assert kinds(taken(step.state, node.window())) == []


def test_after_a_late_first_quote_wall_time_is_held_against_the_second():
    node = Node()
    state = taken(late_first(node), node.window()).state
    node.clock_ms -= 3600
    assert kinds(taken(state, node.window())) == [FlagKind.QUOTED_LATE]


def test_two_late_windows_and_a_short_one_are_taken():
    node = Node()
    node.clock_ms += 14_000
    state = run(node)
    node.clock_ms -= 9_970
    state = taken(state, node.window()).state
    node.clock_ms -= 9_634
    assert kinds(taken(state, node.window())) == [FlagKind.QUOTED_LATE]


def test_a_wall_clock_that_gains_a_little_every_window_is_told():
    node = Node()
    state = run(node)
    node.clock_ms -= 3000
    state = taken(state, node.window()).state
    node.clock_ms -= 3000
    # 6 s of 20: each alone is within 2 s and 15 %, both together are not.
    assert kinds(taken(state, node.window())) == [FlagKind.QUOTED_LATE]


def test_time_that_passed_while_the_machine_was_off_is_no_drift():
    node = Node()
    state = run(node)
    node.reboot()
    node.wall_us += 3_000_000_000
    opened = chain.open_epoch(state, node.opening()).state
    assert kinds(taken(opened, node.window())) == [FlagKind.TIME_GAP]
