import os
import socket

import pytest

from agent.windows.places import Holder, Places, peer_of


def taken_by(places, *holders):
    """Take as many places as the holders get, and return how many."""
    taken = 0
    while not places.refuses(holders):
        places.take(holders)
        taken += 1
    return taken


def one(name, share=1):
    return Holder("connection", name, share)


@pytest.mark.parametrize(("share", "gets"), [(1, 50), (3, 75), (9, 90)])
def test_one_alone_leaves_room(share, gets):
    assert taken_by(Places(100), one("greedy", share)) == gets


def test_each_that_comes_later_has_its_own_places_however_many_took_what_they_could():
    places = Places(100, guaranteed=2, most=25)
    taken = [taken_by(places, one(number)) for number in range(25)]
    assert min(taken) == 2
    assert max(taken) == 27


def test_many_holders_of_one_user_leave_room_for_another_user():
    places = Places(100)
    for number in range(50):
        taken_by(places, one(number), Holder("user", "greedy", 3))
    assert taken_by(places, one("late"), Holder("user", "honest", 3)) > 10


@pytest.mark.parametrize("guaranteed", [0, 1, 4])
def test_a_place_given_back_can_be_taken_again_as_often_as_one_likes(guaranteed):
    places = Places(16, guaranteed=guaranteed, most=2)
    holders = (one("one"), Holder("user", "user", 3))
    most = taken_by(places, *holders)
    for _ in range(20):
        places.give(holders)
        assert taken_by(places, *holders) == 1
    for _ in range(most):
        places.give(holders)
    assert taken_by(places, *holders) == most


def test_the_last_place_is_for_who_has_none_and_then_all_are_taken():
    places = Places(2)
    assert taken_by(places, one("one")) == 1
    assert taken_by(places, one("two")) == 1
    assert places.refuses((one("three"),)) == "all 2 are taken"


def test_the_kernel_says_who_is_at_the_other_end():
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        peer = peer_of(here)
    assert (peer.pid, peer.uid) == (os.getpid(), os.getuid())
