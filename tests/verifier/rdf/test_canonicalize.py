"""Canonical N-Quads: the reference forms byte for byte, PyLD's own where it loses nothing, bounded work."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyld import jsonld

from contexts import green_compute
from contexts.loader import document_loader
from contexts.pinned import load
from tests.fakes.documents import W3C, clique, example, ring, unsecured
from tests.vectors import FORMATS, shared
from verifier.errors import (
    ProofTransformationError,
    ResourceLimitError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.rdf import canonicalize
from verifier.rdf.canonicalize import InProcess, Limits, canonical_nquads

EXAMPLES = sorted(path.name.removesuffix(".json") for path in FORMATS.glob("*.vc*.json"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_canonical_document_of_each_example_is_the_reference_byte_for_byte(name):
    document, _ = unsecured(name)
    assert canonical_nquads(document) == (FORMATS / "canonical" / f"{name}.nq").read_bytes()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_canonical_proof_options_of_each_example_are_the_reference_byte_for_byte(name):
    _, options = unsecured(name)
    assert canonical_nquads(options) == (FORMATS / "canonical" / f"{name}.proof-options.nq").read_bytes()


@pytest.mark.parametrize("name", ["credential.vc11", "presentation.vc11", "window.vc11"])
def test_our_context_by_url_gives_the_same_form_as_inline(name):
    document, _ = unsecured(name)
    expected = canonical_nquads(document)
    for secured in [document, *document.get("verifiableCredential", [])]:
        secured["@context"] = [green_compute.URL if isinstance(entry, dict) else entry for entry in secured["@context"]]
    assert canonical_nquads(document) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_pyld_alone_gives_the_same_form(name):
    document, _ = unsecured(name)
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": document_loader()}
    assert canonical_nquads(document).decode() == jsonld.normalize(document, options)


@pytest.mark.parametrize(
    "path", sorted(shared("vectors/jws-test-suite/credentials").glob("*.json")), ids=lambda p: p.stem
)
def test_pyld_alone_gives_the_same_form_of_foreign_credentials(path):
    document = json.loads(path.read_bytes())
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": document_loader()}
    assert InProcess(inline_contexts=True).canonicalize(document).decode() == jsonld.normalize(document, options)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"@context": W3C},
        {"@context": W3C, "id": "urn:only"},
        {"@context": []},
    ],
)
def test_a_document_that_states_nothing_is_refused(document):
    with pytest.raises(UnsignedClaimError):
        canonical_nquads(document)


def test_an_undefined_member_is_refused_wherever_it_stands():
    document, _ = unsecured("credential.vc11")
    document["evidence"][0]["note"] = "not signed"
    with pytest.raises(UnsignedClaimError, match="note"):
        canonical_nquads(document)


@pytest.mark.parametrize(
    "context",
    [
        "https://example.com/v1",
        "http://www.w3.org/2018/credentials/v1",
        "file:///etc/passwd",
        "relative",
        {"@vocab": "https://example.com/"},
        {"name": "https://schema.org/name"},
        {"@import": W3C, "issuer": "https://example.com/issuer"},
        {**green_compute.CONTEXT, "energyKwh": "gc:operationalEmissionsGco2e"},
        None,
        1,
        [W3C],
    ],
)
def test_a_context_that_is_not_pinned_is_refused(context):
    with pytest.raises(UntrustedContextError):
        canonical_nquads({"@context": [W3C, context], "type": "VerifiableCredential"})


def test_a_context_inside_of_the_document_is_refused():
    document, _ = unsecured("credential.vc11")
    document["credentialSubject"]["@context"] = green_compute.URL
    with pytest.raises(UntrustedContextError):
        canonical_nquads(document)


def test_a_context_that_redefines_protected_terms_is_refused():
    document = {"@context": [W3C, "https://www.w3.org/ns/credentials/v2"], "type": "VerifiableCredential"}
    with pytest.raises(ProofTransformationError, match="protected"):
        canonical_nquads(document)


@pytest.mark.parametrize(
    "member",
    [
        {"id": ["urn:a", "urn:b"]},
        {"type": {"@value": "VerifiableCredential"}},
        {"@value": "x", "issuer": "urn:x"},
        {"@list": ["urn:x"], "issuer": "urn:x"},
        {"issuer": {"@value": {"a": "b"}}},
        {"@graph": "x"},
    ],
)
def test_what_is_not_json_ld_is_refused_with_a_problem(member):
    with pytest.raises((ProofTransformationError, UnsignedClaimError)):
        canonical_nquads({"@context": W3C, **member})


@pytest.mark.parametrize("size", [8, 9, 30])
def test_a_clique_of_blank_nodes_ends_at_the_budget(size):
    with pytest.raises(ResourceLimitError, match="alike"):
        canonical_nquads(clique(size))


def test_a_ring_of_two_hundred_blank_nodes_ends_at_the_budget():
    with pytest.raises(ResourceLimitError):
        canonical_nquads(ring(200))


def test_a_small_ring_is_worked_out():
    assert canonical_nquads(ring(3)).count(b"\n") == 3


def test_a_document_with_more_statements_than_allowed_is_refused():
    document, _ = unsecured("credential.vc11")
    with pytest.raises(ResourceLimitError, match="20 statements"):
        canonical_nquads(document, limits=Limits(max_quads=20))


def test_a_document_nested_too_deeply_is_refused():
    document: dict = {"@context": W3C, "type": "VerifiableCredential"}
    for _ in range(5000):
        document = {"@context": W3C, "urn:in": {key: value for key, value in document.items() if key != "@context"}}
    with pytest.raises(ResourceLimitError):
        canonical_nquads(document)


def test_the_document_is_left_as_it_was():
    document, _ = unsecured("presentation.vc11")
    canonical_nquads(document)
    assert document == unsecured("presentation.vc11")[0]


def test_a_document_cannot_change_a_context_for_the_next():
    canonicalizer = InProcess(inline_contexts=True)
    document, _ = unsecured("credential.vc11")
    expected = canonicalizer.canonicalize(document)
    hostile = {"@context": {"@import": W3C, "issuer": "https://example.com/issuer"}, "issuer": "x"}
    with contextlib.suppress(ProofTransformationError):
        canonicalizer.canonicalize(hostile)
    assert canonicalizer.canonicalize(document) == expected


def test_contexts_come_from_the_injected_source():
    seen = []

    def source(url):
        seen.append(url)
        return load(url)

    InProcess(source=source).canonicalize(unsecured("status-list.vc11")[0])
    assert seen == [W3C, "https://w3id.org/security/suites/jws-2020/v1", "https://w3id.org/vc/status-list/2021/v1"]


def test_contexts_are_processed_once():
    loads = []
    canonicalizer = InProcess(source=lambda url: loads.append(url) or load(url))
    for _ in range(3):
        canonicalizer.canonicalize(unsecured("credential.vc11")[0])
    assert len(loads) == len(set(loads)) == 4


def test_threads_may_share_one_canonicalizer():
    canonicalizer = InProcess()

    def canonical(name):
        return [canonicalizer.canonicalize(unsecured(name)[0]) for _ in range(5)]

    with ThreadPoolExecutor(len(EXAMPLES)) as threads:
        forms = list(threads.map(canonical, EXAMPLES))
    assert forms == [[(FORMATS / "canonical" / f"{name}.nq").read_bytes()] * 5 for name in EXAMPLES]


class WithoutMembers(canonicalize._LosslessExpansion):
    """Stands for a release of PyLD that no longer calls one of the watched methods."""

    _expand_object = jsonld.JsonLdProcessor._expand_object


class WithoutElements(canonicalize._LosslessExpansion):
    """Stands for a release of PyLD that no longer calls the other one."""

    _expand = jsonld.JsonLdProcessor._expand


@pytest.mark.parametrize("processor", [jsonld.JsonLdProcessor, WithoutMembers, WithoutElements])
def test_a_release_of_pyld_that_the_safe_mode_has_no_hold_on_is_not_used(processor):
    with pytest.raises(ImportError):
        canonicalize.prove_safe_mode(processor)


def test_an_example_with_its_members_in_another_order_has_the_same_form():
    document, _ = unsecured("credential.vc11")
    assert canonical_nquads(dict(reversed(document.items()))) == canonical_nquads(document)


def test_the_secured_example_states_more_than_the_unsecured_one():
    assert canonical_nquads(example("credential.vc11")) != canonical_nquads(unsecured("credential.vc11")[0])
