"""Whatever befalls an honest node, none of its windows is refused; what no honest node sends always is."""

from random import Random

import msgspec
import pytest

from schemas import digests
from tests.fakes.honest_node import Closed, World, live
from verifier.attestation.chain_state import FlagKind
from verifier.attestation.errors import (
    ChainError,
    ClockDriftError,
    EpochError,
    ForkError,
    RollbackError,
    SequenceReusedError,
)

LIVES = 40
STEPS = 30


def lived(seed, steps=STEPS):
    world = World(Random(seed))
    live(world, steps)
    return world


def up_to_date(seed):
    """Return a node all of whose windows have arrived, the last one as soon as it was quoted, and a last request."""
    world = lived(seed)
    world.waiting = []
    for _ in range(2):
        world.go_on(10_000_000)
        world.close()
        world.quote()
        while world.sent:
            world.go_on(10_000_000)
            world.send(1)
    return world


@pytest.mark.parametrize("block", range(5))
def test_no_window_of_an_honest_node_is_ever_refused(block):
    told = set()
    for seed in range(block * LIVES, (block + 1) * LIVES):
        world = lived(seed)
        while world.sent:
            world.go_on(10_000_000)
            world.send(len(world.sent))
        assert world.taken
        told |= world.flags
    # The lives were hard enough to mean something.
    assert {FlagKind.EPOCH_CHANGED, FlagKind.CLOCK_UNSAFE, FlagKind.QUOTED_LATE, FlagKind.TIME_GAP} <= told


@pytest.mark.parametrize("seed", range(20))
def test_a_window_that_is_sent_again_is_refused(seed):
    world = up_to_date(seed)
    for taken in Random(seed).sample(world.taken, 3):
        with pytest.raises(ChainError):
            world.arrive(*taken)


@pytest.mark.parametrize("seed", range(20))
def test_another_window_in_the_place_of_the_last_is_refused(seed):
    world = up_to_date(seed)
    world.next_sequence -= 1
    world.go_on(10_000_000)
    world.close()
    world.quote()
    with pytest.raises((ForkError, SequenceReusedError)):
        world.arrive(*world.sent[0])


@pytest.mark.parametrize("seed", range(20))
def test_a_window_behind_a_hidden_one_is_refused(seed):
    world = up_to_date(seed)
    before = world.next_sequence, world.previous
    for _ in range(2):
        world.go_on(10_000_000)
        world.close()
        world.quote()
        world.next_sequence, world.previous = before
    with pytest.raises(ForkError):
        world.arrive(*world.sent[1])


@pytest.mark.parametrize("seed", range(20))
def test_a_clock_that_was_set_back_within_an_epoch_is_refused(seed):
    world = up_to_date(seed)
    world.tpm.clock_ms -= 600_000
    world.tpm.last_ms = 0
    world.go_on(10_000_000)
    world.close()
    world.quote()
    with pytest.raises(RollbackError):
        world.arrive(*world.sent[0])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("counted", ["reset", "restart"])
def test_a_clock_that_went_back_and_calls_itself_safe_is_refused(seed, counted):
    world = up_to_date(seed)
    if counted == "reset":
        world.tpm.boot(orderly=True)
    else:
        world.tpm.sleep()
    world.tpm.clock_ms, world.tpm.last_ms, world.tpm.safe = world.tpm.clock_ms - 60_000, 0, True
    world.go_on(10_000_000)
    world.close()
    world.quote()
    with pytest.raises(RollbackError):
        world.arrive(*world.sent[0])


@pytest.mark.parametrize("seed", range(20))
def test_a_snapshot_that_was_put_back_is_refused(seed):
    world = up_to_date(seed)
    world.tpm.boot(orderly=True)
    world.go_on(10_000_000)
    world.close()
    world.quote()
    world.send(1)
    # Put back, and then booted as often as before: the counters and the clock say so.
    world.tpm.reset -= 1
    world.tpm.clock_ms -= 60_000
    world.tpm.last_ms = 0
    world.go_on(10_000_000)
    world.close()
    world.quote()
    with pytest.raises(RollbackError):
        world.arrive(*world.sent[-1])


@pytest.mark.parametrize("seed", range(20))
def test_an_epoch_that_no_opening_declared_is_refused(seed):
    world = up_to_date(seed)
    world.tpm.boot(orderly=True)
    world.go_on(10_000_000)
    world.close()
    world.quote()
    window, opening = world.sent[0]
    assert opening is not None
    with pytest.raises(EpochError):
        world.arrive(window, None)


@pytest.mark.parametrize("seed", range(20))
def test_windows_that_were_quoted_in_advance_are_refused_when_their_time_comes(seed):
    world = up_to_date(seed)
    begin_us, length_us = max(world.now_us, world.wall_us) + 10_000_000, 600_000_000
    for number in range(6):
        start_us = begin_us + number * length_us
        world.waiting.append(Closed(start_us, start_us + length_us, None))
    world.quote()

    def arrive_one_after_the_other():
        for request in world.sent:
            # As if the machine were on; it is off.
            world.go_on(length_us, powered=False)
            world.arrive(*request)

    with pytest.raises(ClockDriftError):
        arrive_one_after_the_other()


def test_a_state_with_its_arrival_goes_through_json():
    state = up_to_date(1).state
    assert state.arrived is not None
    assert msgspec.json.decode(msgspec.json.encode(state), type=type(state)) == state
    assert digests.decode(state.previous)
