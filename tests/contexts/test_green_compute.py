"""Our own context: the one of the format's reference, in both forms."""

from __future__ import annotations

import json

import pytest

from contexts import green_compute
from tests.vectors import FORMATS


def test_the_inline_form_has_the_reference_bytes():
    assert (FORMATS / "context.inline.json").read_bytes() == green_compute.INLINE


def test_the_published_form_has_the_reference_bytes():
    assert (FORMATS / "context.json").read_bytes() == green_compute.DOCUMENT


def test_both_forms_are_the_same_json():
    assert json.loads(green_compute.DOCUMENT) == {"@context": json.loads(green_compute.INLINE)}


def test_the_context_is_protected_and_has_no_vocabulary_of_last_resort():
    assert green_compute.CONTEXT["@version"] == 1.1
    assert green_compute.CONTEXT["@protected"] is True
    assert "@vocab" not in green_compute.CONTEXT
    assert "@base" not in green_compute.CONTEXT


def test_the_prefix_of_the_terms_is_the_namespace():
    assert green_compute.CONTEXT["gc"] == green_compute.NAMESPACE


def test_the_url_is_ours():
    assert green_compute.is_ours("https://w3id.org/green-compute/v1")


def test_the_inline_object_is_ours_in_any_order_of_members():
    context = json.loads(green_compute.INLINE)
    assert green_compute.is_ours(dict(reversed(context.items())))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("energyKwh", {"@id": "gc:operationalEmissionsGco2e", "@type": "xsd:decimal"}),
        ("energyKwh", {"@id": "gc:energyKwh", "@type": "xsd:double"}),
        ("energyKwh", "gc:energyKwh"),
        ("@protected", 1),
        ("@protected", False),
        ("@version", "1.1"),
        ("@vocab", "https://example.com/"),
        ("another", "gc:another"),
        ("gc", "https://w3id.org/green-compute/"),
    ],
)
def test_an_object_with_one_change_is_not_ours(member, value):
    assert not green_compute.is_ours({**green_compute.CONTEXT, member: value})


def test_an_object_with_one_term_less_is_not_ours():
    context = dict(green_compute.CONTEXT)
    del context["supersedes"]
    assert not green_compute.is_ours(context)


@pytest.mark.parametrize("entry", [None, True, 1, [], {}, "https://w3id.org/green-compute/v2", [green_compute.URL]])
def test_nothing_else_is_ours(entry):
    assert not green_compute.is_ours(entry)
