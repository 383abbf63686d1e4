"""The pinned contexts are the published ones, and nothing else is loaded."""

from __future__ import annotations

import json

import pytest

from contexts.errors import ChangedContextError, UnknownContextError
from contexts.pinned import PINNED, checked, load, read
from tests.vectors import shared

REFERENCE = {
    "https://www.w3.org/2018/credentials/v1": "credentials-v1",
    "https://www.w3.org/ns/credentials/v2": "credentials-v2",
    "https://www.w3.org/ns/did/v1": "did-v1",
    "https://w3id.org/security/suites/jws-2020/v1": "jws-2020-v1",
    "https://w3id.org/security/suites/ed25519-2020/v1": "ed25519-2020-v1",
    "https://w3id.org/security/v1": "security-v1",
    "https://w3id.org/security/v2": "security-v2",
    "https://w3id.org/vc/status-list/2021/v1": "status-list-2021-v1",
    "https://w3id.org/security/data-integrity/v1": "data-integrity-v1",
    "https://w3id.org/security/data-integrity/v2": "data-integrity-v2",
    "https://w3id.org/security/multikey/v1": "multikey-v1",
}


@pytest.mark.parametrize("url", REFERENCE)
def test_each_context_equals_the_published_one_as_json(url):
    reference = shared(f"vectors/contexts/{REFERENCE[url]}.jsonld")
    assert load(url) == json.loads(reference.read_bytes())


def test_every_pinned_context_but_our_own_is_compared_with_its_publication():
    assert set(PINNED) - set(REFERENCE) == {"https://w3id.org/green-compute/v1"}


@pytest.mark.parametrize("url", PINNED)
def test_each_context_says_where_it_is_from_and_under_which_licence(url):
    entry = PINNED[url]
    assert entry.url == url
    assert entry.source
    assert entry.licence in {"W3C Software and Document License", "BSD-3-Clause", "Apache-2.0"}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/context/v1",
        "http://www.w3.org/2018/credentials/v1",
        "https://www.w3.org/2018/credentials/v1#",
        "file:///etc/passwd",
        "",
    ],
)
def test_any_other_url_is_refused(url):
    with pytest.raises(UnknownContextError) as refusal:
        load(url)
    assert refusal.value.name == "UNTRUSTED_CONTEXT"


def test_a_changed_term_is_refused():
    entry = PINNED["https://www.w3.org/2018/credentials/v1"]
    changed = read(entry).replace(b'"cred:issuer"', b'"cred:issuee"')
    assert changed != read(entry)
    with pytest.raises(ChangedContextError):
        checked(entry, changed)


def test_a_number_in_place_of_a_boolean_is_refused():
    entry = PINNED["https://www.w3.org/2018/credentials/v1"]
    changed = read(entry).replace(b'"@protected": true', b'"@protected": 1', 1)
    assert changed != read(entry)
    with pytest.raises(ChangedContextError):
        checked(entry, changed)


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b'{"@context": NaN}', b"[" * 100_000])
def test_a_broken_file_is_refused(raw):
    with pytest.raises(ChangedContextError):
        checked(PINNED["https://www.w3.org/ns/did/v1"], raw)


def test_other_whitespace_is_the_same_context():
    entry = PINNED["https://w3id.org/security/multikey/v1"]
    assert checked(entry, json.dumps(json.loads(read(entry)), indent=7).encode()) == load(entry.url)


def test_a_caller_that_changes_its_copy_changes_nobody_elses():
    url = "https://www.w3.org/ns/did/v1"
    load(url)["@context"]["id"] = "urn:changed"
    assert load(url)["@context"]["id"] == "@id"
