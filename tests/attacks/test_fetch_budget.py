"""How much a stranger's document may have fetched, and what of it is never fetched at all."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from tests.attacks.catalogue import attack, of_report, unreachable
from tests.fakes.hosts import Names, Silence
from tests.fakes.jose import DID_URL, HEADER, ISSUER, foreign, ours, status_entry
from tests.fakes.verifier import MemoryFetcher, World, edited, fetched, judge_presentation, presentation, put
from verifier import document
from verifier.caching import CachingFetcher
from verifier.errors import FetchFailedError
from verifier.evidence import NOTHING, absent
from verifier.fetch import EgressClient
from verifier.gather import CREDENTIAL_TYPES, gather
from verifier.report import Outcome

WORLD = World()

unreachable(
    "VF029",
    "No JSON Schema is run on a credential: its shape is code, and credentialSchema only has to name a bundled schema "
    "by id and digest. Nothing resolves a $ref, and no schema is fetched.",
)
unreachable("VF030", "As VF029: there is no schema engine that could open a file.")


@attack("VF025", "reject:RESOURCE_LIMIT", heavy="a thousand entries are canonicalized by the reference engine")
async def test_a_thousand_status_entries_are_not_a_thousand_fetches(expected):
    urls = [f"https://host-{number}.example/list" for number in range(1000)]
    entries = [status_entry(WORLD, id=f"{url}#94568", statusListCredential=url) for url in urls]
    for base in (ours(), foreign()):
        value = edited(base.secured(base.jws(HEADER)), put("credentialStatus", entries))
        fetcher = MemoryFetcher(WORLD.served())
        evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, fetcher)
        assert sum("host-" in url for url in fetcher.asked) == 4
        expected.met_by(of_report(base.world.report(value, evidence)))


@attack("VF026", "inconclusive:FETCH_FAILED", heavy="a thousand documents are parsed")
async def test_a_thousand_credentials_of_a_dead_host_ask_for_it_once(expected):
    names = Names()
    client = CachingFetcher(EgressClient(resolver=names, transport=Silence()))
    good = WORLD.credential()
    values = [edited(good, put("id", f"urn:uuid:0d9a2f8e-3a5c-4c57-9f2b-{number:012}")) for number in range(1000)]
    parsed = [document.parse(json.dumps(value).encode()) for value in values]
    known = replace(WORLD.evidence(), did_documents={})
    gathered = await asyncio.gather(*(gather(one, known, client) for one in parsed))
    assert len(names.asked) == 1
    expected.met_by(*[of_report(WORLD.report(*pair)) for pair in zip(values[:50], gathered[:50], strict=True)])


@attack("VF026", "inconclusive:FETCH_FAILED")
async def test_a_presentation_of_many_credentials_of_a_dead_host_asks_for_it_once(expected):
    good = WORLD.credential()
    jws = good["proof"]["jws"]
    values = [edited(good, put("proof.jws", f"{jws[:-4]}{number:04}")) for number in range(20)]
    shown = presentation(*values)
    fetcher = MemoryFetcher({})
    known = replace(WORLD.evidence(), did_documents={})
    evidence = await gather(document.parse_presentation(json.dumps(shown).encode()), known, fetcher)
    assert fetcher.asked == [DID_URL]
    expected.met_by(of_report(judge_presentation(WORLD, shown, evidence=evidence)))


class Varying(MemoryFetcher):
    """A host that answers one URL in different ways, by what is accepted."""

    async def fetch(self, url, accept):
        self.asked.append(url)
        if url == DID_URL and "application/did+json" in accept:
            return absent(url, FetchFailedError("status 406"), origin="network")
        return fetched(url, self.documents[url])


@attack("VF027", "inconclusive:FETCH_FAILED")
async def test_what_was_kept_for_another_use_of_a_url_is_not_used(expected):
    inner = Varying(WORLD.served())
    client = CachingFetcher(inner)
    # The attacker names the victim's DID document as a status list; then the victim's credential is verified.
    assert (await client.fetch(DID_URL, CREDENTIAL_TYPES)).body is not None
    value = WORLD.credential()
    for _ in range(2):
        evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, client)
        expected.met_by(of_report(WORLD.report(value, evidence)))
    # And the other way round: a failure that somebody provoked is not the failure of another use.
    assert (await client.fetch(DID_URL, CREDENTIAL_TYPES)).body is not None
    assert inner.asked.count(DID_URL) == 2


@attack("VF031", "accept, no fetch")
async def test_nothing_but_the_issuers_document_and_its_lists_is_ever_fetched(expected):
    evil = "https://evil.example"
    base = foreign()
    base.unsecured |= {
        "issuer": {"id": ISSUER, "https://schema.org/image": {"id": f"{evil}/logo.png"}},
        "evidence": {"id": f"{evil}/evidence", "type": f"{evil}/Evidence"},
        "termsOfUse": {"id": f"{evil}/terms", "type": f"{evil}/Terms"},
        "refreshService": {"id": f"{evil}/refresh", "type": f"{evil}/Refresh"},
        "credentialSchema": {"id": "http://169.254.169.254/schema", "type": f"{evil}/Schema"},
        "credentialSubject": {"id": "did:example:1", "https://schema.org/image": {"id": f"{evil}/image.png"}},
    }
    value = base.secured(base.jws(HEADER))
    fetcher = MemoryFetcher(base.world.served())
    evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, fetcher)
    assert fetcher.asked == [DID_URL, base.world.lists["revocation"]]
    assert base.world.report(value, evidence).outcome is Outcome.VERIFIED
    expected.held()


@pytest.mark.parametrize(
    "schema", ["http://127.0.0.1/schema.json", "file:///etc/passwd", "https://evil.example/schema.json"]
)
async def test_a_schema_of_a_stranger_is_not_read(schema):
    world = World()
    value = world.credential(put("credentialSchema.id", schema))
    fetcher = MemoryFetcher(world.served())
    evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, fetcher)
    assert world.report(value, evidence).problem == "UNTRUSTED_SCHEMA"
    assert schema not in fetcher.asked
