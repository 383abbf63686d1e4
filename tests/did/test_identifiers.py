from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did.errors import InvalidDidError, UnsupportedDidMethodError
from did.identifiers import Did, check_fragment, parse_did, split_did_url


@pytest.mark.parametrize(
    ("text", "method", "identifier"),
    [
        ("did:web:issuer.example", "web", "issuer.example"),
        ("did:web:localhost%3A8080:issuers:a", "web", "localhost%3A8080:issuers:a"),
        ("did:key:z6MkhaXg", "key", "z6MkhaXg"),
        ("did:jwk:eyJrdHkiOiJFQyJ9", "jwk", "eyJrdHkiOiJFQyJ9"),
    ],
)
def test_a_did_has_a_method_and_an_identifier(text, method, identifier) -> None:
    assert parse_did(text) == Did(method, identifier)
    assert str(parse_did(text)) == text


@pytest.mark.parametrize(
    "text", ["did:example:123", "did:ethr:0xabc", "did:ion:x", "did:pkh:eip155:1:0x0", "did:webvh:a:b"]
)
def test_another_method_is_refused(text) -> None:
    with pytest.raises(UnsupportedDidMethodError) as caught:
        parse_did(text)
    assert caught.value.name == "UNSUPPORTED_DID_METHOD"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did",
        "did:web",
        "did:web:",
        "did:web:a:",
        "DID:web:a",
        "did:Web:a",
        "did::a",
        " did:web:a",
        "did:web:a\n",
        "did:web:a b",
        "did:web:a/b",
        "did:web:a?b",
        "did:web:a#b",
        "did:web:a@b",
        "did:web:a\\b",
        "did:web:a\tb",
        "did:web:a\r\nb",
        "did:web:%zz",
        "did:web:%4",
        "did:web:[::1]",
        "did:web:bücher.example",
        "did:web:a\x00",
        "https://issuer.example",
    ],
)
def test_a_text_that_is_no_did_is_refused(text) -> None:
    with pytest.raises(InvalidDidError) as caught:
        parse_did(text)
    assert caught.value.name == "INVALID_DID"


def test_a_very_long_did_is_refused() -> None:
    with pytest.raises(InvalidDidError, match="2048"):
        parse_did("did:web:" + "a" * 4096)


@given(st.text(max_size=40))
def test_any_text_is_a_did_or_refused(text) -> None:
    with suppress(InvalidDidError):
        assert str(parse_did("did:web:" + text)) == "did:web:" + text


def test_a_did_url_splits_into_did_and_fragment() -> None:
    assert split_did_url("did:web:issuer.example#key-1") == ("did:web:issuer.example", "key-1")


@pytest.mark.parametrize(
    "text",
    [
        "did:web:issuer.example",
        "did:web:issuer.example#",
        "#key-1",
        "key-1",
        "did:web:issuer.example?versionId=1#key-1",
        "did:web:issuer.example/path#key-1",
        "did:web:issuer.example#a#b",
        "did:web:issuer.example#a b",
        "did:web:issuer.example#%41",
        "did:web:issuer.example#é",
        "did:web:issuer.example#" + "k" * 513,
        "did:web:issuer.example#key\n",
    ],
)
def test_a_text_that_names_no_method_of_a_document_is_refused(text) -> None:
    with pytest.raises(InvalidDidError):
        split_did_url(text)


def test_a_did_url_of_another_method_is_refused() -> None:
    with pytest.raises(UnsupportedDidMethodError):
        split_did_url("did:example:123#key-0")


@pytest.mark.parametrize("fragment", ["0", "key-1", "z6Mk", "a/b?c=d", "key:1"])
def test_a_fragment_of_rfc_3986_is_accepted(fragment) -> None:
    check_fragment(fragment)
