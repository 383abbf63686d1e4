"""Which URLs and addresses may be contacted: the deny table, and the one reading of a URL."""

import pytest

from verifier.addresses import is_loopback, judge, target_of
from verifier.errors import FetchBlockedError, MalformedTermError


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001:80b::200e"]
)
def test_the_public_network_may_be_contacted(address):
    assert judge(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "this host"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "carrier-grade"),
        ("192.0.0.192", "protocol"),
        ("198.18.0.1", "benchmarking"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::1", "loopback"),
        ("::", "unspecified"),
        ("::ffff:10.0.0.1", "embedded"),
        ("::ffff:93.184.215.14", "embedded"),
        ("::7f00:1", "embedded"),
        ("64:ff9b::7f00:1", "NAT64"),
        ("64:ff9b:1::1", "NAT64"),
        ("2002:7f00:1::", "6to4"),
        ("2001::1", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("fd00:ec2::254", "metadata"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("100::1", "not global"),
        ("5f00::1", "not global"),
        ("4000::1", "not global"),
    ],
)
def test_everything_else_may_not_and_says_why(address, reason):
    assert reason in judge(address)


@pytest.mark.parametrize(
    ("address", "own"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False)]
)
def test_loopback_is_this_machine(address, own):
    assert is_loopback(address) is own


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://oracle.example/.well-known/did.json", ("https", "oracle.example", None, "/.well-known/did.json")),
        ("https://Oracle.Example", ("https", "oracle.example", None, "/")),
        ("https://oracle.example:8443/a?b=c", ("https", "oracle.example", 8443, "/a?b=c")),
        ("https://oracle.example?x", ("https", "oracle.example", None, "/?x")),
        ("http://[::1]:8080/a", ("http", "::1", 8080, "/a")),
    ],
)
def test_a_plain_url_has_one_reading(url, parts):
    assert tuple(target_of(url)) == parts


@pytest.mark.parametrize(
    "url",
    [
        "https://user@127.0.0.1/",
        "https://oracle.example@evil.example/",
        "https://oracle.example#@evil.example/",
        "https://oracle.example/#fragment",
        "https://oracle.example\\@evil.example/",
        "https://oracle.example/a b",
        "https://oracle.example/\t",
        "https://oracle.example/\r\nHost: evil.example",
        "https:///path",
        "https://",
        "https:oracle.example",
        "//oracle.example",
        "oracle.example",
        "https://oracle..example/",
        "https://oracle.example./",
        "https://-oracle.example/",
        "https://１２７.0.0.1/",
        "https://münchen.example/",
        "https://oracle%2eexample/",
        "https://oracle.example:/",
        "https://oracle.example:999999/",
        "https://" + "a" * 3000,
    ],
)
def test_what_parsers_read_in_two_ways_is_malformed(url):
    with pytest.raises(MalformedTermError):
        target_of(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.example/", "data:text/plain,x", "gopher://a.example/"])
def test_other_schemes_are_blocked(url):
    with pytest.raises(FetchBlockedError):
        target_of(url)


@pytest.mark.parametrize("port", [0, 22, 25, 53, 389, 587, 993, 65536])
def test_ports_of_other_protocols_are_blocked(port):
    with pytest.raises(FetchBlockedError):
        target_of(f"https://oracle.example:{port}/")
