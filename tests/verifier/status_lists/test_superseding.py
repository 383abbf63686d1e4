"""Which list may take another's place in memory."""

import pytest

from tests.verifier.status_lists.test_known import EARLIER, LATER, a_list, bits
from verifier.status_lists.superseding import better, clears, supersedes


@pytest.mark.parametrize(
    ("before", "after", "taken_back"),
    [
        (b"\x80", b"\x80", False),
        (b"\x80", b"\xc0", False),
        (b"\x80", b"\x40", True),
        (b"\x00\x01", b"\x00", True),
        (b"\x00\x00", b"\x00", False),
        (b"\x80", b"\x80\x01", False),
        (b"", b"\x01", False),
    ],
)
def test_a_bit_that_is_clear_or_gone_was_taken_back(before, after, taken_back):
    assert clears(before, after) is taken_back


def test_a_later_list_with_more_revocations_supersedes():
    assert supersedes(a_list(LATER, body=bits(3, 4)), a_list(EARLIER, body=bits(3)))
    assert supersedes(a_list(LATER, body=bits(3)), a_list(LATER, body=bits()))


def test_an_earlier_list_supersedes_nothing():
    assert not supersedes(a_list(EARLIER, body=bits(3, 4)), a_list(LATER, body=bits(3)))


def test_a_later_list_without_a_revocation_supersedes_nothing():
    assert not supersedes(a_list(LATER, body=bits(4)), a_list(EARLIER, body=bits(3)))
    assert not supersedes(a_list(LATER, body=b"no list"), a_list(EARLIER, body=bits(3)))


def test_a_suspension_may_end():
    ended, begun = (a_list(day, purpose="suspension", body=bits(*on)) for day, on in ((LATER, ()), (EARLIER, (3,))))
    assert supersedes(ended, begun)


@pytest.mark.parametrize(
    ("earlier", "later", "best"),
    [((3,), (3, 4), LATER), ((3,), (4,), EARLIER), ((3,), (), EARLIER), ((), (3,), LATER)],
)
def test_the_later_of_two_is_remembered_unless_it_takes_a_revocation_back(earlier, later, best):
    pair = (a_list(EARLIER, body=bits(*earlier)), a_list(LATER, body=bits(*later)))
    assert better(*pair).issued == better(*reversed(pair)).issued == best
