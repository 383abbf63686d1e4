"""The contexts a document may have: exact, ordered, pinned, and nowhere but at its top."""

from __future__ import annotations

import json

import pytest

from contexts import green_compute
from contexts.pinned import CREDENTIALS_V1, CREDENTIALS_V2, JWS_2020, STATUS_LIST_2021
from tests.fakes.documents import example
from verifier.errors import UntrustedContextError
from verifier.rdf.context import MAX_ENTRIES, Profile, check_contexts

OURS = [CREDENTIALS_V1, JWS_2020, STATUS_LIST_2021, green_compute.CONTEXT]
PROFILES = {
    "credential.vc11": Profile.GREEN_COMPUTE,
    "credential-minimal.vc11": Profile.GREEN_COMPUTE,
    "window.vc11": Profile.GREEN_COMPUTE,
    "summary.vc11": Profile.GREEN_COMPUTE,
    "status-list.vc11": Profile.STATUS_LIST,
    "presentation.vc11": Profile.PRESENTATION,
    "credential.vc20": Profile.FOREIGN,
    "status-list.vc20": Profile.FOREIGN,
}


@pytest.mark.parametrize("name", PROFILES)
def test_each_example_has_the_contexts_of_its_profile(name):
    check_contexts(example(name), PROFILES[name])


def test_our_context_may_stand_by_url():
    check_contexts({"@context": [*OURS[:3], green_compute.URL]}, Profile.GREEN_COMPUTE)


def test_our_context_may_come_back_with_its_members_reordered():
    reordered = dict(reversed(json.loads(green_compute.INLINE).items()))
    check_contexts({"@context": [*OURS[:3], reordered]}, Profile.GREEN_COMPUTE)


@pytest.mark.parametrize(
    "contexts",
    [
        None,
        [],
        {},
        CREDENTIALS_V1,
        OURS[:3],
        OURS[1:],
        [OURS[1], OURS[0], OURS[2], OURS[3]],
        [OURS[3], *OURS[:3]],
        [*OURS, OURS[3]],
        [*OURS, None],
        [*OURS[:3], None],
        [*OURS[:3], {}],
        [*OURS[:3], [green_compute.CONTEXT]],
        [*OURS[:3], {"@vocab": "https://evil.example/"}],
        [*OURS[:3], {**green_compute.CONTEXT, "@vocab": "https://evil.example/"}],
        [*OURS[:3], {**green_compute.CONTEXT, "@base": "https://evil.example/"}],
        [*OURS[:3], {**green_compute.CONTEXT, "@language": "en"}],
        [*OURS[:3], {**green_compute.CONTEXT, "another": "gc:another"}],
        [*OURS[:3], {**green_compute.CONTEXT, "@protected": 1}],
        [*OURS[:3], {**green_compute.CONTEXT, "energyKwh": green_compute.CONTEXT["hostKwh"]}],
        [*OURS[:3], {name: term for name, term in green_compute.CONTEXT.items() if name != "pue"}],
        [*OURS[:3], "https://w3id.org/green-compute/v2"],
        ["http://www.w3.org/2018/credentials/v1", *OURS[1:]],
        ["https://www.w3.org/2018/credentials/v1#", *OURS[1:]],
        ["file:///etc/passwd", *OURS[1:]],
        ["data:application/ld+json,{}", *OURS[1:]],
        [CREDENTIALS_V2, OURS[3]],
    ],
)
def test_other_contexts_are_refused_in_our_credentials(contexts):
    with pytest.raises(UntrustedContextError):
        check_contexts({"@context": contexts}, Profile.GREEN_COMPUTE)


def test_a_document_without_contexts_is_refused():
    for profile in Profile:
        with pytest.raises(UntrustedContextError):
            check_contexts({}, profile)


@pytest.mark.parametrize(
    "contexts",
    [OURS, OURS[:2], [*OURS[:3], "https://w3id.org/security/v2"], [OURS[0], OURS[2], OURS[1]], CREDENTIALS_V1],
)
def test_other_contexts_are_refused_in_a_status_list(contexts):
    with pytest.raises(UntrustedContextError):
        check_contexts({"@context": contexts}, Profile.STATUS_LIST)


@pytest.mark.parametrize("contexts", [OURS[:2], OURS[:3], OURS, [*OURS[:2], "https://w3id.org/security/multikey/v1"]])
def test_a_presentation_may_have_further_pinned_contexts(contexts):
    check_contexts({"@context": contexts}, Profile.PRESENTATION)


@pytest.mark.parametrize(
    "contexts",
    [
        OURS[:1],
        [JWS_2020, CREDENTIALS_V1],
        [CREDENTIALS_V1, STATUS_LIST_2021, JWS_2020],
        [*OURS[:2], "https://example.com/v1"],
        [*OURS[:2], {"@vocab": "urn:v:"}],
        [CREDENTIALS_V2],
    ],
)
def test_other_contexts_are_refused_in_a_presentation(contexts):
    with pytest.raises(UntrustedContextError):
        check_contexts({"@context": contexts}, Profile.PRESENTATION)


@pytest.mark.parametrize(
    "contexts",
    [
        CREDENTIALS_V1,
        [CREDENTIALS_V1],
        [CREDENTIALS_V2],
        [CREDENTIALS_V1, JWS_2020],
        [CREDENTIALS_V2, green_compute.CONTEXT],
        [CREDENTIALS_V1, "https://w3id.org/security/suites/ed25519-2020/v1"],
    ],
)
def test_a_foreign_credential_may_have_any_pinned_contexts(contexts):
    check_contexts({"@context": contexts}, Profile.FOREIGN)


@pytest.mark.parametrize(
    "contexts",
    [
        None,
        [],
        1,
        [None],
        JWS_2020,
        [JWS_2020, CREDENTIALS_V1],
        [CREDENTIALS_V1, None],
        [CREDENTIALS_V1, "https://www.w3.org/2018/credentials/examples/v1"],
        [CREDENTIALS_V1, {"@vocab": "https://example.com/#"}],
        [CREDENTIALS_V1, [JWS_2020]],
        [CREDENTIALS_V1, *[JWS_2020] * MAX_ENTRIES],
    ],
)
def test_other_contexts_are_refused_in_a_foreign_credential(contexts):
    with pytest.raises(UntrustedContextError):
        check_contexts({"@context": contexts}, Profile.FOREIGN)


@pytest.mark.parametrize("place", ["credentialSubject", "credentialStatus", "credentialSchema", "proof"])
def test_a_context_inside_of_a_credential_is_refused(place):
    document = example("credential.vc11")
    document[place]["@context"] = CREDENTIALS_V1
    with pytest.raises(UntrustedContextError, match=place):
        check_contexts(document, Profile.GREEN_COMPUTE)


def test_a_context_inside_of_an_array_is_refused():
    document = example("credential.vc11")
    document["evidence"][0]["@context"] = None
    with pytest.raises(UntrustedContextError, match="evidence"):
        check_contexts(document, Profile.GREEN_COMPUTE)


def test_a_credential_inside_of_a_credential_brings_no_contexts():
    document = {"@context": [CREDENTIALS_V1], "verifiableCredential": [example("credential.vc11")]}
    with pytest.raises(UntrustedContextError):
        check_contexts(document, Profile.FOREIGN)


def test_a_credential_in_a_presentation_is_judged_for_its_own_contexts():
    document = example("presentation.vc11")
    document["verifiableCredential"][1]["@context"][3] = {"@vocab": "https://evil.example/"}
    with pytest.raises(UntrustedContextError):
        check_contexts(document, Profile.PRESENTATION)


def test_a_credential_in_a_presentation_may_stand_alone():
    document = example("presentation.vc11")
    document["verifiableCredential"] = document["verifiableCredential"][0]
    check_contexts(document, Profile.PRESENTATION)
