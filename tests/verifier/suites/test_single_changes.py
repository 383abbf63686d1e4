"""No single change of a signed document passes: every member one by one, and random ones.

Contexts are judged first, then the proof: together they must refuse. What only changes the JSON's shape
and not its statements (``"x"`` and ``["x"]``) is the closed shape's to refuse, and tested with it.
"""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from did.errors import JwsError
from tests.fakes.documents import example
from tests.fakes.suite import CANONICALIZER, key_of
from verifier.errors import (
    MalformedTermError,
    ProofTransformationError,
    ProofVerificationError,
    UnsignedClaimError,
    UntrustedContextError,
)
from verifier.rdf.context import Profile, check_contexts
from verifier.suites import json_web_signature_2020 as suite

PROFILES = {
    "credential.vc11": Profile.GREEN_COMPUTE,
    "credential-minimal.vc11": Profile.GREEN_COMPUTE,
    "window.vc11": Profile.GREEN_COMPUTE,
    "summary.vc11": Profile.GREEN_COMPUTE,
    "status-list.vc11": Profile.STATUS_LIST,
    "presentation.vc11": Profile.PRESENTATION,
}
REFUSALS = (
    UntrustedContextError,
    UnsignedClaimError,
    MalformedTermError,
    ProofTransformationError,
    ProofVerificationError,
    JwsError,
)


def verify(name, document):
    check_contexts(document, PROFILES[name])
    proof = document["proof"]
    if not isinstance(proof, dict):
        raise ProofVerificationError("proof: an object is required")
    key = key_of(example(name)["proof"], example(name)["proof"]["proofPurpose"])
    suite.verify_proof(document, proof, key, CANONICALIZER)


def paths(value, path=()):
    """Yield the path of every member and array entry below ``value``."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in entries:
        yield (*path, key)
        yield from paths(member, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def outside_context(name):
    return [path for path in paths(example(name)) if "@context" not in path and path[:1] != ("verifiableCredential",)]


PLACES = [(name, path) for name in PROFILES for path in outside_context(name)]
CONTEXT_PLACES = list(paths(example("credential.vc11")["@context"], ("@context",)))
TEXTS = [(name, path) for name, path in PLACES if isinstance(at(example(name), path), str)]


@pytest.mark.parametrize("name", PROFILES)
def test_the_unchanged_document_passes(name):
    verify(name, example(name))


@pytest.mark.parametrize("name", PROFILES)
def test_no_member_can_be_taken_away(name):
    passed = []
    for path in [path for path in outside_context(name) if path != ("proof",)]:
        document = example(name)
        del at(document, path[:-1])[path[-1]]
        try:
            verify(name, document)
        except REFUSALS:
            continue
        passed.append(path)
    assert not passed


@pytest.mark.parametrize("name", PROFILES)
def test_no_text_can_be_changed(name):
    passed = []
    for path in [path for place, path in TEXTS if place == name]:
        document = example(name)
        holder = at(document, path[:-1])
        holder[path[-1]] = holder[path[-1]][:-1] + ("1" if holder[path[-1]][-1] != "1" else "2")
        try:
            verify(name, document)
        except REFUSALS:
            continue
        passed.append(path)
    assert not passed


@pytest.mark.parametrize(
    "added", ["energyKwh", "modelId", "undefined", "@foo", "gc:note", "urn:x", "type", "id", "@nest"]
)
def test_nothing_can_be_added_to_any_object(added):
    passed = []
    for name in PROFILES:
        objects = [(), *(path for path in outside_context(name) if isinstance(at(example(name), path), dict))]
        for path in objects:
            for value in ("0.5", None, [], {}, {"urn:a": "b"}, "urn:added"):
                document = example(name)
                if added in at(document, path):
                    continue
                at(document, path)[added] = value
                try:
                    verify(name, document)
                except REFUSALS:
                    continue
                passed.append((name, path, value))
    assert not passed


@given(st.sampled_from(CONTEXT_PLACES), st.sampled_from(["remove", "replace", "null"]), st.text())
@settings(max_examples=150)
def test_no_entry_of_the_contexts_can_be_changed(path, change, text):
    document = example("credential.vc11")
    holder = at(document, path[:-1])
    if change == "remove":
        del holder[path[-1]]
    else:
        assume(holder[path[-1]] != text)
        holder[path[-1]] = text if change == "replace" else None
    with pytest.raises(UntrustedContextError):
        verify("credential.vc11", document)


scalars = st.text() | st.integers() | st.floats() | st.booleans() | st.none()
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=8), scalars, max_size=3)


def statement(value):
    """Return what JSON-LD makes of the shapes that state the same: ``"x"``, ``["x"]``, ``{"@value": "x"}``, …"""
    while isinstance(value, list | dict) and len(value) == 1:
        (value,) = value if isinstance(value, list) else value.values()
    return value


@given(st.sampled_from(PLACES), values)
@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
def test_no_member_can_be_replaced(place, value):
    name, path = place
    document = example(name)
    before = copy.deepcopy(at(document, path))
    assume(statement(value) != statement(before))
    at(document, path[:-1])[path[-1]] = value
    with pytest.raises(REFUSALS):
        verify(name, document)


@given(st.sampled_from(TEXTS), st.data())
@settings(max_examples=300)
def test_no_character_can_be_changed(place, data):
    name, path = place
    document = example(name)
    text = at(document, path)
    position = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(exclude_categories=["Cs"]))
    assume(text[position] != character)
    at(document, path[:-1])[path[-1]] = text[:position] + character + text[position + 1 :]
    with pytest.raises(REFUSALS):
        verify(name, document)
