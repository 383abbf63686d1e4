"""Windows held against those before: what follows, what is missing in between, what contradicts."""

import pytest

from schemas import digests
from schemas.window_header import decode_header
from tests.fakes.soft_tpm import WINDOW_US, Node, SoftTpm, canonical
from tests.fakes.verifier import NODE, NOW
from tests.fakes.windows import software_header, software_token
from verifier import window_chain
from verifier.attestation import chain
from verifier.attestation.chain_state import FlagKind
from verifier.attestation.software import check_software_window
from verifier.attestation.window import check_window
from verifier.notices import Notice
from verifier.report import Result


def checked(made):
    return check_window(made.evidence)


def found(followed):
    return {(finding.result.value, finding.problem) for finding in followed.findings if finding.problem is not None}


@pytest.fixture
def node():
    return Node()


def test_a_chain_is_seen_from_its_opening(node):
    opening = node.opening()
    first = window_chain.begin(checked(node.window()), [opening])
    assert (found(first), first.state.next_sequence) == (set(), 1)
    for _ in range(3):
        first = window_chain.follow(first.state, checked(node.window()))
        assert found(first) == set()


def test_a_chain_that_begins_in_the_middle_says_so(node):
    node.window()
    begun = window_chain.begin(checked(node.window()))
    assert "from window 1 on" in begun.findings[0].detail
    assert found(window_chain.follow(begun.state, checked(node.window()))) == set()


def test_a_window_hidden_between_opening_and_first_is_refused(node):
    opening = node.opening()
    hidden = Node(**vars(node))
    hidden.window()
    node.pcrs = hidden.pcrs
    begun = window_chain.begin(checked(node.window()), [opening])
    assert found(begun) == {("failed", "WINDOW_FORK")}
    assert not begun.holds


def test_missing_windows_are_told_and_the_chain_goes_on(node):
    state = chain.resume(checked(node.window()))
    node.window()
    node.window()
    followed = window_chain.follow(state, checked(node.window()))
    assert found(followed) == {("warning", "WINDOWS_MISSING"), ("warning", "TIME_GAP"), ("warning", "ENERGY_GAP")}
    assert "windows 1 to 2 are" in followed.findings[0].detail
    assert found(window_chain.follow(followed.state, checked(node.window()))) == set()


def test_a_quote_made_long_after_its_window_is_told(node):
    state = chain.resume(checked(node.window()))
    node.clock_ms += 60_000
    assert found(window_chain.follow(state, checked(node.window()))) == {("warning", "QUOTED_LATE")}


def test_a_window_after_one_that_was_quoted_late_is_not_refused(node):
    node.clock_ms += 8_000
    state = chain.resume(checked(node.window()))
    node.clock_ms -= 8_000
    assert found(window_chain.follow(state, checked(node.window()))) == {("warning", "QUOTED_LATE")}


@pytest.mark.parametrize("kind", sorted(set(FlagKind) - {FlagKind.CHAINED}))
def test_whatever_is_told_of_a_window_has_a_name_in_the_report(kind):
    assert Notice[kind.name].value == kind.name


def test_across_missing_windows_the_clock_still_rises(node):
    state = chain.resume(checked(node.window()))
    node.window()
    node.clock_ms = 1
    followed = window_chain.follow(state, checked(node.window()))
    assert ("failed", "CLOCK_ROLLBACK") in found(followed)


def test_across_missing_windows_a_clock_may_repeat_after_power_was_lost(node):
    state = chain.resume(checked(node.window()))
    node.window()
    node.reboot()
    node.clock_ms = 1
    again = Node(**vars(node))
    followed = window_chain.follow(state, checked(node.window(attested={"safe": 0})))
    assert {("warning", "WINDOWS_MISSING")} <= found(followed)
    assert ("failed", "CLOCK_ROLLBACK") not in found(followed)
    # A clock that calls itself safe is above all that it was before.
    assert ("failed", "CLOCK_ROLLBACK") in found(window_chain.follow(state, checked(again.window())))


def test_across_missing_windows_nothing_overlaps(node):
    state = chain.resume(checked(node.window()))
    node.window()
    node.wall_us -= 2 * WINDOW_US
    assert ("failed", "WINDOW_OVERLAP") in found(window_chain.follow(state, checked(node.window())))


def test_a_hidden_window_is_a_fork(node):
    state = chain.resume(checked(node.window()))
    hidden = Node(**vars(node))
    hidden.window()
    node.pcrs = hidden.pcrs
    assert found(window_chain.follow(state, checked(node.window()))) == {("failed", "WINDOW_FORK")}


def test_another_window_of_the_same_number_leaves_the_state_as_it_was(node):
    state = chain.resume(checked(node.window()))
    twin = Node(**vars(node))
    followed = window_chain.follow(state, checked(node.window()))
    other = checked(twin.window(header={"method": "modelled"}))
    forked = window_chain.follow(followed.state, other)
    assert found(forked) == {("failed", "WINDOW_FORK")}
    assert forked.state == followed.state


def test_a_new_epoch_without_its_opening_is_told(node):
    state = chain.resume(checked(node.window()))
    node.reboot()
    followed = window_chain.follow(state, checked(node.window()))
    assert found(followed) == {("warning", "EPOCH_CHANGED")}
    assert "no opening quote" in followed.findings[0].detail


def test_a_new_epoch_with_its_opening_is_followed_to_the_register(node):
    state = chain.resume(checked(node.window()))
    node.reboot()
    opening = node.opening()
    followed = window_chain.follow(state, checked(node.window()), openings=[opening])
    assert found(followed) == {("warning", "EPOCH_CHANGED")}
    assert any("follows from" in finding.detail for finding in followed.findings)
    hiding = Node(**vars(node))
    hiding.reboot()
    opening = hiding.opening()
    hidden = Node(**vars(hiding))
    hidden.window()
    hiding.pcrs = hidden.pcrs
    refused = window_chain.follow(followed.state, checked(hiding.window()), openings=[opening])
    assert ("failed", "WINDOW_FORK") in found(refused)


def test_an_epoch_that_goes_back_is_refused(node):
    node.reset = 5
    state = chain.resume(checked(node.window()))
    node.reset = 4
    assert found(window_chain.follow(state, checked(node.window()))) == {("failed", "CLOCK_ROLLBACK")}


def test_an_unsafe_clock_and_another_firmware_are_told(node):
    state = chain.resume(checked(node.window()))
    node.firmware += 1
    followed = window_chain.follow(state, checked(node.window(attested={"safe": 0})))
    assert found(followed) == {("warning", "CLOCK_UNSAFE"), ("warning", "FIRMWARE_CHANGED")}


def test_a_window_of_another_node_follows_nothing(node):
    state = chain.resume(checked(node.window()))
    other = Node(node_id="node-8", sequence=1, previous=state.previous)
    assert found(window_chain.follow(state, checked(other.window()))) == {("failed", "CHAIN_OF_ANOTHER_NODE")}


def test_a_key_that_was_enrolled_later_goes_on_where_the_old_one_ended(node):
    state = chain.resume(checked(node.window()))
    node.tpm = SoftTpm(seed=11)
    opening = node.opening()
    followed = window_chain.follow(state, checked(node.window()), openings=[opening])
    assert found(followed) == {("warning", "NODE_KEY_CHANGED")}
    assert followed.state.key == node.tpm.uri


def test_a_new_key_that_forgets_the_last_window_is_refused(node):
    state = chain.resume(checked(node.window()))
    node.tpm, node.previous = SoftTpm(seed=11), digests.digest(b"another")
    followed = window_chain.follow(state, checked(node.window()))
    assert found(followed) == {("warning", "NODE_KEY_CHANGED"), ("failed", "WINDOW_FORK")}
    assert followed.state == state


def test_a_window_ahead_of_the_verdicts_time_is_refused_if_there_is_one(node):
    state = chain.resume(checked(node.window()))
    node.wall_us += 10**13
    ahead = checked(node.window())
    assert found(window_chain.follow(state, ahead, now=NOW)) == {("failed", "CLOCK_SKEW")}
    assert ("failed", "CLOCK_SKEW") not in found(window_chain.follow(state, ahead))


def test_windows_of_a_software_key_follow_each_other_too():
    first = software_header(0, previous=...)
    raw = canonical(first)
    one = check_software_window(software_token(raw).decode(), NODE.public_key)
    times = {"start_us": first["end_us"], "end_us": first["end_us"] + WINDOW_US}
    counter = first["accelerators"][0]["counter_end_mj"]
    members = software_header(1, previous=one.digest, **times)
    gpu = members["accelerators"][0]
    gpu |= {"counter_start_mj": counter, "counter_end_mj": counter + gpu["energy_mj"]}
    two = check_software_window(software_token(canonical(members)).decode(), NODE.public_key)
    begun = window_chain.begin(one)
    assert [finding.result for finding in begun.findings] == [Result.PASSED]
    assert found(window_chain.follow(begun.state, two)) == set()
    assert decode_header(raw).sequence == 0
