import pytest
from hypothesis import given
from hypothesis import strategies as st

from did.errors import InvalidDidError
from did.web import did_of, document_url

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
SEGMENTS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("did", "url"),
    [
        # W3C CCG did:web §2.5.2, examples
        ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
        ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
        ("did:web:example.com%3A3000", "https://example.com:3000/.well-known/did.json"),
        ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
        ("did:web:localhost%3A8080", "https://localhost:8080/.well-known/did.json"),
        ("did:web:xn--bcher-kva.example", "https://xn--bcher-kva.example/.well-known/did.json"),
        ("did:web:a.example:Issuers:node_7.v1", "https://a.example/Issuers/node_7.v1/did.json"),
        ("did:web:a.example:b%C3%BCcher", "https://a.example/b%C3%BCcher/did.json"),
        ("did:web:a.example:a%40b", "https://a.example/a%40b/did.json"),
    ],
)
def test_a_did_web_names_one_url(did, url) -> None:
    assert document_url(did) == url


@pytest.mark.parametrize(
    "did",
    [
        # VF013: path traversal and its encodings
        "did:web:a.example:..",
        "did:web:a.example:..:b",
        "did:web:a.example:.",
        "did:web:a.example/../b",
        "did:web:a.example:%2e%2e",
        "did:web:a.example:%2E%2E:b",
        "did:web:a.example:%2E",
        "did:web:a.example:a%2Fb",
        "did:web:a.example:a%2fb",
        "did:web:a.example:a%5Cb",
        "did:web:a.example:a%252Fb",
        "did:web:a.example:a%3Fb",
        "did:web:a.example:a%23b",
        "did:web:a.example:a%00b",
        "did:web:a.example:a%0D%0Ab",
        "did:web:a.example:a%20b",
        "did:web:a.example:%61",
        "did:web:a.example:a%c3%bc",
        "did:web:a.example:a%C3",
        "did:web:a.example:%C3x%BC",
        "did:web:a.example::b",
        "did:web:a.example:",
        "did:web::b",
        "did:web:a.example?service=x",
        "did:web:" + "a" * 4096,
        # VF014: other spellings of a host
        "did:web:A.example",
        "did:web:a.Example",
        "did:web:a.example.",
        "did:web:a.example.%3A8443",
        "did:web:.a.example",
        "did:web:a..example",
        "did:web:bücher.example",
        "did:web:b%C3%BCcher.example",
        "did:web:-a.example",
        "did:web:a-.example",
        "did:web:a_b.example",
        "did:web:" + "a" * 64 + ".example",
        "did:web:" + "a." * 127 + "example",
        # VF011: what URL parsers read in two ways
        "did:web:user@127.0.0.1",
        "did:web:user%40127.0.0.1",
        "did:web:a.example#key-1",
        "did:web:a.example\\b",
        "did:web:a.example\tb",
        "did:web:a.example\r\nHost: b",
        "did:web:a.example%2Fb",
        "did:web:a.example%23",
        "did:web:[::1]",
        "did:web:%5B%3A%3A1%5D",
        # ports
        "did:web:a.example%3A",
        "did:web:a.example%3A0",
        "did:web:a.example%3A080",
        "did:web:a.example%3A65536",
        "did:web:a.example%3a8080",
        "did:web:a.example%3A80%3A80",
        "did:web:a.example%3A+80",
        "did:web:a.example%3A８０",
    ],
)
def test_a_did_web_that_could_be_read_in_two_ways_is_refused(did) -> None:
    with pytest.raises(InvalidDidError) as caught:
        document_url(did)
    assert caught.value.name == "INVALID_DID"


def test_a_did_key_has_no_url() -> None:
    with pytest.raises(InvalidDidError, match="no URL"):
        document_url("did:key:z6MkhaXg")


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "169.254.169.254"])
def test_a_number_for_a_host_is_left_to_the_fetcher(host) -> None:
    assert document_url(f"did:web:{host}") == f"https://{host}/.well-known/did.json"


@pytest.mark.parametrize(
    ("url", "path", "did"),
    [
        ("https://issuer.example", (), "did:web:issuer.example"),
        ("https://issuer.example/", (), "did:web:issuer.example"),
        ("https://issuer.example:443", (), "did:web:issuer.example"),
        ("https://issuer.example:8443", ("issuers", "a"), "did:web:issuer.example%3A8443:issuers:a"),
        ("https://issuer.example/base/", ("issuers", "a"), "did:web:issuer.example:base:issuers:a"),
        ("http://localhost:8080", (), "did:web:localhost%3A8080"),
        ("HTTPS://Issuer.Example", (), "did:web:issuer.example"),
    ],
)
def test_a_public_url_has_one_did(url, path, did) -> None:
    assert did_of(url, *path) == did


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("ftp://issuer.example", ()),
        ("issuer.example", ()),
        ("https://", ()),
        ("https://user@issuer.example", ()),
        ("https://issuer.example?x", ()),
        ("https://issuer.example#x", ()),
        ("https://issuer.example:99999", ()),
        ("https://[::1]:8080", ()),
        ("https://issuer.example/../a", ()),
        ("https://issuer.example", ("a/b",)),
        ("https://issuer.example", ("a:b",)),
        ("https://issuer.example", ("",)),
        ("https://issuer.example", ("..",)),
        ("https://issuer.example", ("a b",)),
    ],
)
def test_a_url_without_a_did_is_refused(url, path) -> None:
    with pytest.raises(InvalidDidError):
        did_of(url, *path)


@given(st.lists(LABELS, min_size=1, max_size=4), st.none() | st.integers(1, 65535), st.lists(SEGMENTS, max_size=4))
def test_the_did_of_a_url_leads_back_to_it(labels, port, segments) -> None:
    base = f"https://{'.'.join(labels)}" + ("" if port in {None, 443} else f":{port}")
    document = "/".join([base, *(segments or [".well-known"]), "did.json"])
    assert document_url(did_of(base, *segments)) == document
