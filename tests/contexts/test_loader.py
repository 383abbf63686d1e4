"""PyLD gets pinned contexts and nothing else."""

from __future__ import annotations

import pytest
from pyld import jsonld

from contexts.errors import UnknownContextError
from contexts.loader import document_loader


def test_a_pinned_context_is_served_as_pyld_expects_it():
    loaded = document_loader()("https://www.w3.org/ns/did/v1", {})
    assert loaded["documentUrl"] == "https://www.w3.org/ns/did/v1"
    assert loaded["contextUrl"] is None
    assert "@context" in loaded["document"]


@pytest.mark.parametrize("url", ["https://example.com/v1", "http://127.0.0.1/", "file:///etc/passwd", "data:,{}"])
def test_any_other_url_is_refused_without_a_fetch(url):
    with pytest.raises(jsonld.JsonLdError) as refusal:
        document_loader()(url, {})
    assert isinstance(refusal.value.__cause__, UnknownContextError)


def test_a_call_of_pyld_without_a_loader_cannot_reach_the_web():
    with pytest.raises(jsonld.JsonLdError) as refusal:
        jsonld.expand({"@context": "https://example.com/v1", "a": "b"})
    chain = [error := refusal.value]
    while error := error.__cause__:
        chain.append(error)
    assert isinstance(chain[-1], UnknownContextError)


def test_a_test_may_serve_contexts_of_its_own():
    loaded = document_loader(lambda url: {"@context": {"seen": url}})("https://example.com/v1", {})
    assert loaded["document"] == {"@context": {"seen": "https://example.com/v1"}}


def test_each_load_is_a_copy_that_pyld_may_change():
    loader = document_loader()
    loader("https://www.w3.org/ns/did/v1", {})["document"].clear()
    assert loader("https://www.w3.org/ns/did/v1", {})["document"]
