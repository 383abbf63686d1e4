"""What a verification fetches, what it never fetches, and its budget."""

import asyncio
import json

import pytest

from schemas import digests, jcs
from tests.fakes.grid_documents import posted, raw_of, slots_from, straddling
from tests.fakes.verifier import (
    LISTS,
    NODE,
    ORIGIN,
    MemoryFetcher,
    Signatory,
    World,
    drop,
    edited,
    fetched,
    presentation,
    put,
    signer,
)
from verifier import document
from verifier.evidence import NOTHING, Evidence
from verifier.gather import Budget, gather, missing
from verifier.policy import Policy
from verifier.report import Outcome

DID_URL = f"{ORIGIN}/.well-known/did.json"


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def good(world):
    return world.credential()


def parsed(value):
    return document.parse_any(json.dumps(value).encode())


def urls(value, evidence=NOTHING, **options):
    return [need.url for need in missing(parsed(value), evidence, **options)]


def test_key_lists_record_and_nodes_key_are_needed_in_this_order(world, good):
    digest = digests.digest(jcs.canonical_bytes(world.record))
    assert urls(good) == [
        DID_URL,
        LISTS["revocation"],
        LISTS["suspension"],
        f"{ORIGIN}/evidence/{digest}",
        f"{ORIGIN}/evidence/{NODE.public_key.thumbprint_uri}",
    ]


def test_what_is_at_hand_is_not_needed(world, good):
    assert urls(good, world.evidence()) == []


def test_attachments_can_be_left_out(good):
    assert urls(good, with_attachments=False) == [DID_URL, *LISTS.values()]


def test_a_did_that_carries_its_key_needs_nothing():
    world = World(issuer=Signatory(signer(1)))
    assert DID_URL not in urls(world.unsecured())


def test_inline_evidence_needs_only_the_nodes_key(world):
    value = world.unsecured(put("evidence.0.inlineEvidence", "e30"))
    assert urls(value)[-1].endswith(NODE.public_key.thumbprint_uri)
    assert len(urls(value)) == 4


def test_evidence_on_a_host_that_is_not_contacted_anyway_is_left_alone(good):
    value = edited(good, put("evidence.0.id", "https://169.254.169.254/" + good["evidence"][0]["digestMultibase"]))
    assert urls(value) == [DID_URL, *LISTS.values()]


def test_evidence_whose_url_does_not_end_in_its_digest_is_left_alone(good):
    value = edited(good, put("evidence.0.id", f"{ORIGIN}/evidence/other"))
    assert f"{ORIGIN}/evidence/other" not in urls(value)


def test_nothing_else_in_a_document_is_ever_dereferenced(good):
    foreign = edited(
        good,
        put("type", ["VerifiableCredential"]),
        put("termsOfUse", {"id": "https://evil.example/terms"}),
        put("refreshService", {"id": "https://evil.example/refresh"}),
        put("credentialSchema.id", "https://evil.example/schema"),
        put("credentialSubject.image", "https://evil.example/logo.png"),
        put("evidence.0.id", "https://evil.example/evidence"),
        put("@context.1", "https://evil.example/context"),
    )
    assert urls(foreign) == [DID_URL, *LISTS.values()]


def test_a_list_inside_the_credential_itself_is_not_fetched(good):
    value = edited(good, put("credentialStatus.statusListCredential", good["id"]))
    assert good["id"] not in urls(value)


@pytest.mark.parametrize("issuer", ["did:web:..%2f", "did:example:1", "nobody", 7, None])
def test_an_issuer_that_is_no_did_of_ours_needs_nothing(good, issuer):
    assert urls(edited(good, put("issuer", issuer)), with_attachments=False) == [*LISTS.values()]


def test_a_presentation_needs_the_holder_and_every_credential_each_once(good):
    value = presentation(good, good, holder=Signatory(signer(3), "did:web:tenant-b.example"))
    assert urls(value, with_attachments=False) == [
        "https://tenant-b.example/.well-known/did.json",
        DID_URL,
        *LISTS.values(),
    ]


# --- gathering ---------------------------------------------------------------------------------------------


async def test_what_was_gathered_verifies(world, good):
    evidence = await gather(parsed(good), NOTHING, MemoryFetcher(World(record=world.record).served()))
    assert world.report(good, evidence).outcome is Outcome.VERIFIED


async def test_what_is_missing_on_the_host_is_recorded_as_absent(good):
    evidence = await gather(parsed(good), NOTHING, MemoryFetcher({}))
    assert {entry.problem for _, _, entry in evidence.items()} == {"FETCH_FAILED"}
    assert set(evidence.status_lists) == set(LISTS.values())


async def test_evidence_at_hand_is_kept_as_it_is(good):
    mine = fetched(DID_URL, b"{}")
    evidence = await gather(parsed(good), Evidence(did_documents={"did:web:oracle.example": mine}), MemoryFetcher({}))
    assert evidence.did_documents["did:web:oracle.example"] is mine


async def test_beyond_the_budget_nothing_is_fetched_and_the_indispensable_comes_first(world, good):
    fetcher = MemoryFetcher(world.served())
    evidence = await gather(parsed(good), NOTHING, fetcher, budget=Budget(fetches=3))
    assert fetcher.asked == [DID_URL, *LISTS.values()]
    assert {entry.problem for entry in evidence.attachments.values()} == {"FETCH_FAILED"}
    assert "at most 3" in next(iter(evidence.attachments.values())).detail


async def test_a_thousand_status_entries_are_not_a_thousand_fetches(good):
    entries = [
        {"type": "StatusList2021Entry", "statusListCredential": f"https://host-{number}.example/"}
        for number in range(1000)
    ]
    fetcher = MemoryFetcher({})
    await gather(parsed(edited(good, put("credentialStatus", entries))), NOTHING, fetcher)
    assert [url for url in fetcher.asked if "host" in url] == [f"https://host-{number}.example/" for number in range(4)]


async def test_what_is_too_much_in_sum_is_dropped(world, good):
    evidence = await gather(parsed(good), NOTHING, MemoryFetcher(world.served()), budget=Budget(max_bytes=2500))
    kept = [entry for _, _, entry in evidence.items() if entry.body is not None]
    assert sum(len(entry.body) for entry in kept) <= 2500
    assert len(kept) < 5


class Slow(MemoryFetcher):
    """A fetcher that answers for one URL only."""

    async def fetch(self, url, accept):
        if url != DID_URL:
            await asyncio.sleep(10)
        return await super().fetch(url, accept)


async def test_what_comes_too_late_is_absent_and_the_rest_is_kept(world, good):
    evidence = await gather(parsed(good), NOTHING, Slow(world.served()), budget=Budget(timeout_s=0.05))
    assert evidence.did_documents["did:web:oracle.example"].body is not None
    assert {entry.problem for entry in evidence.status_lists.values()} == {"FETCH_FAILED"}


async def test_a_document_that_needs_nothing_asks_nobody(good):
    fetcher = MemoryFetcher({})
    bare = edited(good, drop("credentialStatus"), drop("evidence"), put("issuer", "did:key:z6Mk"))
    assert await gather(parsed(bare), NOTHING, fetcher) == NOTHING
    assert fetcher.asked == []


async def test_only_what_is_followed_of_a_status_is_needed(good):
    entries = [
        {
            "type": "StatusList2021Entry",
            "statusListCredential": f"s:{number}",
            "suspensionListCredential": f"t:{number}",
        }
        for number in range(50_000)
    ]
    value = edited(good, put("credentialStatus", entries))
    found = missing(document.parse_presentation(json.dumps(value).encode()), NOTHING)
    named = {need.url for need in found if need.part == "status_lists"}
    assert named == {f"{kind}:{number}" for number in range(4) for kind in "st"}


async def test_of_very_many_pieces_of_evidence_only_the_first_are_needed(good):
    entries = [
        {"id": f"{ORIGIN}/evidence/d{number}", "digestMultibase": f"d{number}", "signedBy": f"k{number}"}
        for number in range(1000)
    ]
    assert len([url for url in urls(edited(good, put("evidence", entries))) if "/evidence/" in url]) == 32


async def test_what_lies_far_beyond_the_budget_is_not_noted_one_by_one(good):
    values = [edited(good, put("issuer", f"did:web:host-{number}.example")) for number in range(500)]
    shown = document.parse_presentation(json.dumps(presentation(*values)).encode())
    fetcher = MemoryFetcher({})
    evidence = await gather(shown, NOTHING, fetcher, budget=Budget(fetches=10))
    assert len(fetcher.asked) == 10
    assert len(list(evidence.items())) == 10 + 256


# --- the slots of a carbon intensity -------------------------------------------------------------------------

SLOTS = slots_from("2026-11-20T20:00:00Z", ["300", "420.5"])
SLOTS_NAME = digests.digest(raw_of(SLOTS))


@pytest.fixture(scope="module")
def in_two_slots():
    return straddling()


@pytest.fixture(scope="module")
def by_slots(in_two_slots):
    return posted(in_two_slots, SLOTS)


def test_slots_are_looked_for_beside_the_evidence(by_slots):
    assert urls(by_slots)[-1] == f"{ORIGIN}/evidence/{SLOTS_NAME}"
    assert f"{ORIGIN}/evidence/{SLOTS_NAME}" not in urls(by_slots, with_attachments=False)
    elsewhere = edited(by_slots, put("evidence.0.id", f"{ORIGIN}/evidence/c-1/x"))
    assert urls(elsewhere)[-1] == f"{ORIGIN}/evidence/c-1/{SLOTS_NAME}"


@pytest.mark.parametrize(
    "change",
    [
        put("evidence.0.id", f"https://169.254.169.254/{SLOTS_NAME}"),
        put("evidence", []),
        put("type", ["VerifiableCredential"]),
        put("credentialSubject.gridDataDigest", "../../admin"),
        put("credentialSubject.gridDataDigest", 7),
        drop("credentialSubject.gridDataDigest"),
    ],
)
def test_slots_are_looked_for_nowhere_else(by_slots, change):
    assert not [
        url for url in urls(edited(by_slots, change)) if SLOTS_NAME in url or "admin" in url or "169.254" in url
    ]


def test_slots_of_many_credentials_of_one_host_are_fetched_once(by_slots):
    others = [edited(by_slots, put("evidence.0.id", f"{ORIGIN}/evidence/c-{number}/x")) for number in range(5)]
    wanted = [url for url in urls(presentation(*others)) if url.endswith(SLOTS_NAME)]
    assert wanted == [f"{ORIGIN}/evidence/c-0/{SLOTS_NAME}"]


async def test_what_another_host_says_for_the_same_slots_does_not_count(by_slots):
    other = Signatory(signer(5), "did:web:other.example")
    theirs = edited(
        by_slots, put("issuer", other.did), put("evidence.0.id", f"https://other.example/evidence/{SLOTS_NAME}")
    )
    for first, second in ((by_slots, theirs), (theirs, by_slots)):
        fetcher = MemoryFetcher(
            {f"{ORIGIN}/evidence/{SLOTS_NAME}": raw_of(SLOTS), f"https://other.example/evidence/{SLOTS_NAME}": b"lies"}
        )
        found = await gather(parsed(presentation(first, second)), NOTHING, fetcher, budget=Budget(fetches=64))
        assert found.attachments[SLOTS_NAME].body == raw_of(SLOTS)


async def test_what_was_gathered_with_slots_verifies(in_two_slots, by_slots):
    world = in_two_slots
    fetcher = MemoryFetcher(world.served() | {f"{ORIGIN}/evidence/{SLOTS_NAME}": raw_of(SLOTS)})
    world.policy = Policy(require_grid_data=True, require_evidence=True)
    report = world.report(by_slots, await gather(parsed(by_slots), NOTHING, fetcher))
    assert report.outcome is Outcome.VERIFIED
    assert SLOTS_NAME in {used.digest for used in report.evidence}
