"""JSON that has the same graph, so the same signature, as a document that must not pass: no spelling of it passes.

Each base is signed by an honest issuer and refused as it stands. Every change below could be made by whoever holds
the document: a member moved to another mention of its node, wrapped, renamed, the whole turned around.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from contexts import green_compute, pinned
from contexts.loader import document_loader
from did import jws
from schemas.errors import GreenError
from tests.fakes.verifier import (
    ENGINE,
    HOLDER,
    LISTS,
    Signatory,
    World,
    judge_presentation,
    presentation,
    signer,
)
from verifier.report import Outcome
from verifier.suites import json_web_signature_2020 as suite

WORLD = World(bits={"revocation": {5}, "suspension": {6}})
OWNER = Signatory(signer(8))
MENTIONS = "https://example.org/mentions"
CREDENTIALS = "https://www.w3.org/2018/credentials#"
STATUS_LIST = "https://w3id.org/vc/status-list#"
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
NAMES = {
    **{name: CREDENTIALS + name for name in ("issuer", "credentialSubject", "credentialStatus", "evidence")},
    **{name: CREDENTIALS + name for name in ("issuanceDate", "expirationDate", "validFrom", "validUntil")},
    **{name: STATUS_LIST + name for name in ("statusPurpose", "statusListIndex", "statusListCredential")},
    **{name: green_compute.NAMESPACE + name for name in ("tenantId", "suspensionListCredential")},
    "expires": "https://w3id.org/security#expiration",
}
ROOT, SUBJECT, STATUS = (), ("credentialSubject",), ("credentialStatus",)
NODES = (ROOT, SUBJECT, STATUS)
WITNESSES = ("credentialSubject", "issuer", "evidence")
IDS = {
    ROOT: "https://oracle.example/foreign/1",
    SUBJECT: "https://oracle.example/s",
    STATUS: LISTS["revocation"] + "#5",
}


def entry(index: int) -> dict:
    return {
        "id": IDS[STATUS],
        "type": "StatusList2021Entry",
        "statusPurpose": "revocation",
        "statusListIndex": str(index),
        "statusListCredential": LISTS["revocation"],
        "suspensionListCredential": LISTS["suspension"],
    }


def unsigned(**changes: object) -> dict:
    """A foreign credential in which everything is mentioned from everywhere."""

    def mentions(*nodes: tuple) -> list:
        return [{"id": IDS[node]} for node in nodes]

    value = {
        "@context": [pinned.CREDENTIALS_V1, pinned.JWS_2020, pinned.STATUS_LIST_2021, pinned.GREEN_COMPUTE],
        "id": IDS[ROOT],
        "type": ["VerifiableCredential"],
        "issuer": {"id": WORLD.issuer.did, MENTIONS: mentions(*NODES)},
        "issuanceDate": "2026-11-20T20:00:00Z",
        "credentialSubject": {"id": IDS[SUBJECT], "modelId": "any", MENTIONS: mentions(ROOT, STATUS)},
        "credentialStatus": entry(7),
        "evidence": {"id": "urn:x:evidence", MENTIONS: mentions(*NODES)},
    }
    return {**value, **changes}


def signed(value: dict, **options: str) -> dict:
    options = {
        "type": suite.TYPE,
        "created": "2026-11-20T20:01:05Z",
        "verificationMethod": WORLD.issuer.method,
        "proofPurpose": "assertionMethod",
        **options,
    }
    signature = jws.sign_detached(suite.hash_data(value, options, ENGINE), WORLD.issuer.key, "ES256")
    return {**value, "proof": {**options, "jws": signature}}


def owned(**subject: str) -> dict:
    return unsigned(credentialSubject={"id": IDS[SUBJECT], **subject, MENTIONS: [{"id": IDS[STATUS]}]})


BASES = {
    "EXPIRED": signed(unsigned(expirationDate="2026-11-20T20:30:00Z")),
    "EXPIRED (validUntil)": signed(unsigned(validUntil="2026-11-20T20:30:00Z")),
    "EXPIRED (proof)": signed(unsigned(), expires="2026-11-20T20:30:00Z"),
    "NOT_YET_VALID": signed(unsigned(validFrom="2026-11-20T21:30:00Z")),
    "REVOKED": signed(unsigned(credentialStatus=entry(5))),
    "SUSPENDED": signed(unsigned(credentialStatus=entry(6))),
    "HOLDER_BINDING": signed(owned(tenantId=OWNER.did)),
}
GOOD = signed(unsigned())


def judged(value: dict, base: str) -> Outcome:
    if base == "HOLDER_BINDING":
        try:
            stolen = presentation(value, holder=HOLDER)
        except GreenError:  # the canonical form that the holder signs is the verifier's own: there is none
            return Outcome.REFUSED
        return judge_presentation(WORLD, stolen).outcome
    return WORLD.report(value).outcome


# --- changes that keep the graph -----------------------------------------------------------------------------

Change = Callable[[dict], None]


def at(value: dict, node: tuple) -> dict:
    for name in node:
        value = value[name]
    return value


def moved(node: tuple, members: tuple[str, ...], witness: str) -> Change:
    """Say ``members`` of a node beside its mention by a ``witness`` instead."""

    def change(value: dict) -> None:
        source = at(value, node)
        mention = next(one for one in value[witness][MENTIONS] if one["id"] == IDS[node])
        for name in members:
            mention[name] = source.pop(name)
        # The terms of these are defined by the type, which may be repeated freely.
        mention.setdefault("type", "VerifiableCredential" if node == ROOT else "StatusList2021Entry")
        if node == SUBJECT:
            del mention["type"]

    return change


def rewritten(node: tuple, name: str, new_name: str, write: Callable[[object], object]) -> Change:
    def change(value: dict) -> None:
        source = at(value, node)
        source[new_name] = write(source.pop(name))

    return change


WRAPPED = {
    "list": lambda value: [value],
    "list in a list": lambda value: [[value]],
    "set": lambda value: {"@set": [value]},
    "value": lambda value: {"@value": value},
    "typed value": lambda value: {"@value": value, "@type": DATE_TIME},
    "reference": lambda value: {"@id": value},
    "node": lambda value: {"id": value},
}
_FORMS_OF_IRIS = ("typed value", "reference")
"""What a term's own definition says of its value has to be said where an IRI names the member."""


def changes_of(value: dict) -> Iterator[tuple[str, Change]]:
    """Every change to ``value``, with a name."""
    for node in (*NODES, ("proof",), ("issuer",)):
        for name in at(value, node):
            if name in {"@context", "jws", "proof"}:
                continue
            where = ".".join((*node, name))
            for how, write in WRAPPED.items():
                yield f"{where} as a {how}", rewritten(node, name, name, write)
                for new_name in _other_names(name) if how in _FORMS_OF_IRIS else ():
                    yield f"{new_name} as a {how}", rewritten(node, name, new_name, write)
            for new_name in _other_names(name):
                yield f"{where} as {new_name}", rewritten(node, name, new_name, lambda member: member)
            if node in NODES and name != "id":
                yield from _moves(value, node, (name,))
    for node in NODES:
        yield from _moves(value, node, tuple(set(at(value, node)) - {"@context", "id", "proof"}))
    yield from _turns(value)


def _other_names(name: str) -> Iterator[str]:
    if name == "id":
        yield "@id"
    elif name == "type":
        yield from ("@type", RDF_TYPE)
    elif name in NAMES:
        iri = NAMES[name]
        yield iri
        yield (
            iri.replace(CREDENTIALS, "cred:")
            .replace(green_compute.NAMESPACE, "gc:")
            .replace("https://w3id.org/security#", "sec:")
        )
    if name == "expires":
        yield "expiration"


def _moves(value: dict, node: tuple, members: tuple[str, ...]) -> Iterator[tuple[str, Change]]:
    for witness in WITNESSES:
        # A thing cannot be moved into itself.
        if node != (witness,) and not (node == ROOT and witness in members):
            listed = at(value, (witness,)).get(MENTIONS, [])
            if {"id": IDS[node]} in listed:
                yield f"{members} of {node} to {witness}", moved(node, members, witness)


def _turns(value: dict) -> Iterator[tuple[str, Change]]:
    def graph(document: dict) -> None:
        inner = {name: document.pop(name) for name in [*document] if name not in {"@context", "proof"}}
        document["@graph"] = [inner]

    def beside(keyword: str) -> Change:
        def change(document: dict) -> None:
            names = [name for name in document if name in {"expirationDate", "credentialStatus", "credentialSubject"}]
            document[keyword] = {name: document.pop(name) for name in names}

        return change

    yield "in a graph", graph
    for keyword in ("@nest", "@included", "@graph", "@set"):
        yield f"under {keyword}", beside(keyword)
    for url in pinned.PINNED:
        for position in (1, len(value["@context"])):
            yield (
                f"{url} at {position}",
                lambda document, url=url, position=position: document["@context"].insert(position, url),
            )
    yield "without our context", lambda document: document["@context"].pop()


def changed(value: dict, *changes: Change) -> dict:
    copied = copy.deepcopy(value)
    for change in changes:
        change(copied)
    return copied


def graph_of(value: dict) -> str | None:
    """The canonical form by the plain library, which drops what it does not know; None where it refuses."""
    unsecured = {name: member for name, member in value.items() if name != "proof"}
    try:
        return jsonld.normalize(
            unsecured,
            {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": document_loader()},
        )
    except (jsonld.JsonLdError, KeyError, TypeError, ValueError, AttributeError):
        return None


# --- what holds ----------------------------------------------------------------------------------------------


def test_the_document_without_a_flaw_verifies_mentions_and_all():
    assert WORLD.report(GOOD).outcome is Outcome.VERIFIED
    assert judge_presentation(WORLD, presentation(BASES["HOLDER_BINDING"], holder=OWNER)).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("base", BASES)
def test_each_base_is_refused_as_it_stands(base):
    value = BASES[base]
    report = judge_presentation(WORLD, presentation(value)) if base == "HOLDER_BINDING" else WORLD.report(value)
    assert report.problem == base.partition(" ")[0]


def test_the_changes_keep_the_graph_more_often_than_not_so_that_they_test_something():
    value = BASES["SUSPENDED"]
    whole = graph_of(value)
    kept = [name for name, change in changes_of(value) if graph_of(changed(value, change)) == whole]
    moves = [name for name in kept if " to " in name]
    assert len(kept) > 60, len(kept)
    assert len(moves) > 15, moves


@pytest.mark.parametrize("base", BASES)
def test_no_spelling_of_a_document_that_must_not_pass_verifies(base):
    value = BASES[base]
    passing = [name for name, change in changes_of(value) if judged(changed(value, change), base) is Outcome.VERIFIED]
    assert not passing


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_two_changes_together_do_either(data):
    base = data.draw(st.sampled_from(sorted(BASES)))
    value = BASES[base]
    available = [*changes_of(value)]
    drawn = data.draw(st.lists(st.sampled_from(available), min_size=2, max_size=3, unique_by=lambda pair: pair[0]))
    try:
        spelled = changed(value, *(change for _, change in drawn))
    except (KeyError, StopIteration, TypeError, AttributeError):
        return  # the first change took away what the second works on
    assert judged(spelled, base) is not Outcome.VERIFIED, [name for name, _ in drawn]
