"""Who gives something up when a memory that strangers fill is full."""

import pytest

from verifier.status_lists.shares import LEAST_BYTES, Held, holder_of, surplus


@pytest.mark.parametrize(
    ("url", "holder"),
    [
        ("https://a.example/1", "a.example"),
        ("https://x.y.a.example:8443/1?q", "a.example"),
        ("https://A.Example./1", "a.example"),
        ("https://lists.bank.co.uk/1", "bank.co.uk"),
        ("https://a.bank.de/1", "bank.de"),
        ("https://localhost:8090/1", "localhost"),
        ("https://192.0.2.7/1", "192.0.2.7"),
        ("https://[2001:db8:1:2::7]/1", "2001:db8:1::/48"),
        ("https://[2001:db8/1", ""),
        ("", ""),
    ],
)
def test_a_url_counts_on_the_domain_of_its_host(url, holder):
    assert holder_of(url) == holder


def held(*things):
    return [Held(name, holder, size, used) for used, (name, holder, size) in enumerate(things)]


def test_what_fits_stays():
    assert surplus(held(("a", "x", 1), ("b", "x", 1)), max_bytes=2 * LEAST_BYTES, keeping="b") == []


def test_whoever_holds_most_gives_up_what_was_used_longest_ago():
    things = held(("old", "small", 1), ("a", "big", 1), ("b", "big", 1), ("c", "big", 1))
    assert surplus(things, max_bytes=2 * LEAST_BYTES, keeping="c") == ["a", "b"]


def test_a_large_thing_counts_for_its_bytes():
    things = held(("old", "small", 1), ("large", "big", 5 * LEAST_BYTES), ("new", "other", 1))
    assert surplus(things, max_bytes=6 * LEAST_BYTES, keeping="new") == ["large"]


def test_what_has_just_come_stays():
    assert surplus(held(("a", "x", 1), ("b", "y", 9 * LEAST_BYTES)), max_bytes=LEAST_BYTES, keeping="b") == ["a"]
