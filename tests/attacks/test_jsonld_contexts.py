"""Rows VJ022 to VJ033: a context decides what was signed, so nobody brings one of their own."""

import copy

from contexts import green_compute, pinned
from tests.attacks.catalogue import attack, of_call
from tests.attacks.edits import (
    FOREIGN,
    GOOD,
    ours,
    put_into,
    strange,
    verdict,
)
from tests.fakes.verifier import ENGINE, drop, edited, put

# --- contexts ------------------------------------------------------------------------------------------------

EVIL = "https://evil.example/v1"
OWN = GOOD["@context"][-1]


def with_inline(change):
    context = copy.deepcopy(OWN)
    change(context)
    return put("@context", [*GOOD["@context"][:-1], context])


@attack("VJ022", "reject:UNTRUSTED_CONTEXT")
def test_contexts_in_another_order_or_with_one_more_are_refused(expected):
    first, second, third, own = GOOD["@context"]
    for contexts in (
        [second, first, third, own],
        [own, first, second, third],
        [first, second, third, own, EVIL],
        [first, second, third, own, first],
        [first, EVIL, second, third, own],
        [EVIL, first, second, third, own],
        [first, second, third, third, own],
        [first, second, third],
        [first, second, own],
        [f"{first}#", second, third, own],
        [first.replace("https", "http"), second, third, own],
    ):
        expected.met_by(ours(put("@context", contexts)), hostile_contexts(contexts))
    for contexts in ([*FOREIGN["@context"], EVIL], FOREIGN["@context"][1:], FOREIGN["@context"] * 5):
        expected.met_by(strange(put("@context", contexts)))


def hostile_contexts(contexts):
    """Whatever was signed under such contexts: the verdict comes before the signature."""
    return verdict({**GOOD, "@context": contexts})


@attack("VJ024", "reject:UNTRUSTED_CONTEXT")
def test_an_inline_context_is_ours_to_the_last_member_or_refused(expected):
    base = GOOD["@context"][:-1]
    changes = [
        with_inline(put("invented", "https://w3id.org/green-compute#invented")),
        with_inline(put("energyKwh", "https://w3id.org/green-compute#energykWh")),
        with_inline(drop("energyKwh")),
        with_inline(drop("@protected")),
        put("@context", [OWN, *base]),
        put("@context", [base[0], OWN, *base[1:]]),
        put("@context", [*base, {"@context": OWN}]),
        put("@context", [*base, [OWN]]),
        put("@context", [*base, {}]),
        put("@context", [*base, OWN, {"extra": "urn:x:extra"}]),
    ]
    expected.met_by(*(ours(change) for change in changes))
    expected.met_by(strange(put("@context", [*FOREIGN["@context"], {"extra": "urn:x:extra"}])))


@attack("VJ025", "reject:UNTRUSTED_CONTEXT")
def test_a_vocab_that_makes_everything_defined_is_refused(expected):
    for vocab in ({"@vocab": "https://evil.example/"}, {"@vocab": ""}, {"@vocab": "_:"}):
        for base in (GOOD, FOREIGN):
            contexts = [*base["@context"], vocab]
            expected.met_by(verdict(edited(base, put("@context", contexts))))
    contexts = [*FOREIGN["@context"], {"@vocab": "https://evil.example/"}]
    expected.met_by(strange(put("@context", contexts), put_into("credentialSubject", "anything", "x")))


@attack("VJ026", "reject:UNTRUSTED_CONTEXT")
def test_a_base_a_language_or_a_direction_of_the_documents_own_is_refused(expected):
    for entry in (
        {"@base": "https://evil.example/"},
        {"@base": None},
        {"@language": "en"},
        {"@direction": "rtl"},
        {"@version": 1.1},
        {"@import": EVIL},
        {"@propagate": False},
    ):
        expected.met_by(
            ours(put("@context", [*GOOD["@context"], entry])),
            strange(put("@context", [*FOREIGN["@context"], entry])),
        )


@attack("VJ027", "reject:UNTRUSTED_CONTEXT")
def test_a_protected_term_cannot_be_mapped_anew(expected):
    for entry in (
        {"issuer": "urn:x:issuer"},
        {"credentialSubject": {"@id": "urn:x:subject", "@type": "@id"}},
        {"energyKwh": "urn:x:energy"},
        {"id": "urn:x:id"},
        {"type": None},
    ):
        expected.met_by(
            ours(put("@context", [*GOOD["@context"], entry])),
            ours(with_inline(lambda context, entry=entry: context.update(entry))),
            strange(put("@context", [*FOREIGN["@context"], entry])),
            strange(put("evidence", {"@context": entry, "id": "urn:x:y"})),
        )


@attack("VJ029", "reject:UNTRUSTED_CONTEXT")
def test_a_null_among_the_contexts_does_not_empty_the_document(expected):
    for base in (GOOD, FOREIGN):
        given = base["@context"]
        for contexts in ([*given, None], [None], [*given[:-1], None], [None, *given]):
            expected.met_by(verdict(edited(base, put("@context", contexts))))


@attack("VJ029", "reject:UNTRUSTED_CONTEXT")
def test_no_contexts_at_all_empty_nothing_either(expected):
    expected.met_by(strange(put("@context", None)), strange(put("@context", [])), strange(drop("@context")))


def test_a_document_of_no_statement_at_all_is_never_signed_or_verified():
    empty = {"@context": pinned.CREDENTIALS_V1}
    assert of_call(lambda: ENGINE.canonicalize(empty)).meets("reject:UNSIGNED_CLAIM")


@attack("VJ030", "reject:UNTRUSTED_CONTEXT")
def test_a_look_alike_that_swaps_energy_and_emissions_is_refused(expected):
    def swapped(context):
        context["energyKwh"], context["operationalEmissionsGco2e"] = (
            context["operationalEmissionsGco2e"],
            context["energyKwh"],
        )

    def figures_too(target):
        with_inline(swapped)(target)
        subject = target["credentialSubject"]
        subject["energyKwh"], subject["operationalEmissionsGco2e"] = (
            subject["operationalEmissionsGco2e"],
            subject["energyKwh"],
        )

    by_url = put("@context", [*GOOD["@context"][:-1], green_compute.URL + "/"])
    expected.met_by(ours(with_inline(swapped)), ours(figures_too), ours(by_url))


@attack("VJ031", "reject:UNTRUSTED_CONTEXT")
def test_the_type_of_a_credential_cannot_be_an_alias(expected):
    for entry in (
        {"VerifiableCredential": "urn:x:harmless"},
        {"GreenComputeCredential": "urn:x:harmless"},
        {"Anything": "https://www.w3.org/2018/credentials#VerifiableCredential"},
        {"SimulatedCredential": "urn:x:harmless"},
    ):
        expected.met_by(
            ours(put("@context", [*GOOD["@context"], entry])),
            ours(with_inline(lambda context, entry=entry: context.update(entry))),
            strange(put("@context", [*FOREIGN["@context"], entry])),
        )


URLS = [
    "http://www.w3.org/2018/credentials/v1",
    "file:///etc/passwd",
    "data:application/json,{}",
    "ftp://h/x",
    "https://127.0.0.1/",
    "//h/x",
    "",
]


@attack(
    "VJ033",
    "reject:UNTRUSTED_CONTEXT",
    differs="contexts are an exact pinned list (docs/threat-model.md); none is ever fetched, so there is no fetch to block",
)
def test_a_context_behind_any_scheme_is_refused_and_never_fetched(expected):
    for url in URLS:
        expected.met_by(
            ours(put("@context", [*GOOD["@context"][:-1], url])),
            ours(put("@context", [url, *GOOD["@context"][1:]])),
            strange(put("@context", [*FOREIGN["@context"], url])),
            strange(put("@context", [*FOREIGN["@context"], {"@import": url}])),
        )
