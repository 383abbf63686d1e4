"""A chain behind windows that are lost for good: what an operator's word opens, and what it never does."""

import msgspec
import pytest

from tests.fakes import soft_tpm
from tests.fakes.soft_tpm import digests
from verifier.attestation import chain, chain_gap
from verifier.attestation.chain_state import AcceptedGap, ChainState, FlagKind
from verifier.attestation.errors import (
    ChainIdentityError,
    ClockDriftError,
    ForkError,
    FutureWindowError,
    RollbackError,
    SequenceGapError,
    SequenceReusedError,
    WindowEnergyError,
    WindowOverlapError,
)
from verifier.attestation.window import check_window

NOW_US = soft_tpm.START_US + 3_600_000_000


def checked(made):
    return check_window(made.evidence)


def accepted(state, reason="the disk failed", last=1_000):
    return msgspec.structs.replace(state, accepted_gap=AcceptedGap(at_us=1, reason=reason, last=last))


def step(state, window, opening=None, **members):
    """Return what the issuer makes of a window: the state that it follows, and the one after it."""
    before = chain_gap.before(state, window, opening)
    after = chain.advance(before.state, window, **({"now_us": NOW_US} | members))
    return after.state, [flag for one in (before, after) for flag in one.flags]


def kinds(flags):
    return {flag.kind for flag in flags} - {FlagKind.CHAINED, FlagKind.TIME_GAP, FlagKind.ENERGY_GAP}


@pytest.fixture
def node():
    return soft_tpm.Node()


@pytest.fixture
def state(node):
    """The chain after two windows, two more of which are lost."""
    state = node.begun()
    for _ in range(2):
        state, _ = step(state, checked(node.window()), received_us=node.wall_us)
    for _ in range(2):
        node.window()
    return state


def test_without_an_operators_word_nothing_follows_missing_windows(node, state):
    with pytest.raises(SequenceGapError, match="sequence is 4; windows 2 to 3 never came"):
        step(state, checked(node.window()))


def test_with_it_the_next_window_is_taken_and_the_gap_told_with_numbers_and_digests(node, state):
    window = checked(node.window())
    after, flags = step(accepted(state), window)
    (told,) = [flag.detail for flag in flags if flag.kind is FlagKind.GAP_ACCEPTED]
    for part in ("windows 2 to 3", state.previous, "window 4", window.header.previous, "the disk failed"):
        assert part in told
    assert (after.next_sequence, after.previous) == (5, window.digest)
    assert FlagKind.TIME_GAP in {flag.kind for flag in flags}
    assert FlagKind.ENERGY_GAP in {flag.kind for flag in flags}


def test_the_word_is_good_for_one_window(node, state):
    after, _ = step(accepted(state), checked(node.window()))
    assert after.accepted_gap is None
    after, flags = step(after, checked(node.window()))
    assert not kinds(flags)
    node.window()
    with pytest.raises(SequenceGapError):
        step(after, checked(node.window()))


def test_a_window_that_follows_uses_the_word_up_too(node):
    state = accepted(node.begun())
    after, flags = step(state, checked(node.window()))
    assert after.accepted_gap is None
    assert not kinds(flags)


def test_the_register_is_held_against_again_from_there_on(node, state):
    after, _ = step(accepted(state), checked(node.window()))
    node.pcrs = {**node.pcrs, 15: b"x" * 32}
    with pytest.raises(ForkError):
        step(after, checked(node.window()))


def test_without_the_word_a_register_that_is_not_known_follows_nothing(node, state):
    state = msgspec.structs.replace(state, chain_value=None, next_sequence=4, previous=node.previous)
    with pytest.raises(ForkError):
        step(state, checked(node.window()))


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_number_that_was_taken_is_never_taken_again(node, state, sequence):
    changes = {"sequence": sequence} | ({"previous": ...} if sequence == 0 else {})
    with pytest.raises((SequenceReusedError, ForkError)):
        step(accepted(state), checked(node.window(header=changes)))


def test_a_window_with_the_next_number_must_name_the_last_window(node, state):
    with pytest.raises(ForkError):
        step(accepted(state), checked(node.window(header={"sequence": 2, "previous": digests.digest(b"x")})))


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ({"header": {"start_us": soft_tpm.START_US + 19_000_000, "duration_us": 31_000_000}}, WindowOverlapError),
        ({"attested": {"clock_ms": 60_000}}, RollbackError),
        ({"attested": {"reset": 0}, "header": {"boot": {"reset": 0, "restart": 0}}}, RollbackError),
        ({"header": {"node_id": "node-8"}}, ChainIdentityError),
        (
            {"header": {"start_us": NOW_US, "end_us": NOW_US + 61_000_000, "duration_us": 61_000_000}},
            FutureWindowError,
        ),
        (
            {"header": {"start_us": NOW_US - 20_000_000, "end_us": NOW_US - 10_000_000}},
            ClockDriftError,
        ),
    ],
)
def test_everything_else_holds_as_ever(node, state, lie, error):
    with pytest.raises(error):
        step(accepted(state), checked(node.window(**lie)))


def test_another_key_is_none_of_this_chains(node, state):
    node.tpm = soft_tpm.SoftTpm(seed=8)
    with pytest.raises(ChainIdentityError):
        step(accepted(state), checked(node.window()))


def test_more_energy_than_the_hardware_draws_is_refused_behind_a_gap_too(node, state):
    with pytest.raises(WindowEnergyError):
        step(accepted(state), checked(node.window()), max_power_w=1)


def test_an_opening_among_the_missing_is_told_and_the_new_epoch_begins_with_the_quote(node, state):
    node.reboot()
    node.window()
    after, flags = step(accepted(state), checked(node.window()))
    assert kinds(flags) == {FlagKind.GAP_ACCEPTED, FlagKind.EPOCH_CHANGED}
    assert (after.epoch, after.next_sequence) == ((2, 0), 6)
    step(after, checked(node.window()))


def test_an_opening_that_comes_along_is_held_against_the_window(node, state):
    node.reboot()
    opening = node.opening()
    window = checked(node.window())
    after, flags = step(accepted(state), window, opening)
    assert kinds(flags) == {FlagKind.GAP_ACCEPTED, FlagKind.EPOCH_CHANGED}
    assert after.epoch == (2, 0)
    with pytest.raises(SequenceGapError):
        step(state, window, opening)


def test_a_window_hidden_behind_the_opening_is_a_fork(node, state):
    node.reboot()
    opening = node.opening()
    node.pcrs = {**node.pcrs, 15: b"x" * 32}
    with pytest.raises(ForkError):
        step(accepted(state), checked(node.window()), opening)


def test_an_opening_after_another_window_than_the_header_names_is_refused(node, state):
    opening = node.opening()
    node.window()
    with pytest.raises(ForkError, match="boot_event"):
        step(accepted(state), checked(node.window()), opening)


def test_a_register_that_something_else_extended_begins_anew_with_an_opening_in_the_same_epoch(node, state):
    node.pcrs = {**node.pcrs, 15: b"x" * 32}
    opening = node.opening()
    after, flags = step(accepted(state), checked(node.window()), opening)
    assert kinds(flags) == {FlagKind.GAP_ACCEPTED}
    step(after, checked(node.window()))


def test_a_new_epoch_may_repeat_the_clock_only_after_a_loss_of_power(node, state):
    node.reboot()
    node.clock_ms = 40_000
    window = node.window(attested={"safe": 0})
    _, flags = step(accepted(state), checked(window))
    assert FlagKind.CLOCK_UNSAFE in kinds(flags)
    node.sequence, node.clock_ms = 4, 40_000
    with pytest.raises(RollbackError):
        step(accepted(state), checked(node.window()))


def test_the_state_goes_through_json_with_the_word(state):
    assert msgspec.json.decode(msgspec.json.encode(accepted(state)), type=ChainState) == accepted(state)


def test_states_that_were_stored_before_read_as_without_one(state):
    assert b"accepted_gap" not in msgspec.json.encode(state)
