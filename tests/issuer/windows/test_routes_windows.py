"""A window on its way through the whole service, on both databases."""

import asyncio

from schemas.credential import decode
from schemas.receipt import parse_receipt
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import bearer
from tests.fakes.window_node import WindowNode, post_window
from verifier.claims.arithmetic import check_claims


async def credential_of(site, answer, tenant="acme"):
    url = answer.json()["credential"]
    found = await site.client.get(url.removeprefix(PUBLIC_URL), headers=bearer(tenant, "read"))
    assert found.status_code == 200, found.text
    return found.json()


async def test_a_window_gets_one_credential_and_nonces(any_site):
    node = WindowNode()
    answer = await post_window(any_site, node.zipped())
    assert answer.status_code == 201, answer.text
    assert answer.json()["window"] == node.chain.previous
    assert len(answer.json()["nonces"]) == 2
    credential = await credential_of(any_site, answer)
    assert credential["type"] == ["VerifiableCredential", "GreenComputeWindowCredential"]
    subject = credential["credentialSubject"]
    assert subject["windowDigest"] == node.chain.previous
    assert (subject["recordCount"], subject["requestCount"], subject["assurance"]) == ("2", "2", "software")
    assert check_claims(decode(credential)) == []


async def test_the_same_window_again_gets_the_same_answer_however_late(any_site):
    node = WindowNode()
    body = node.zipped()
    first = await post_window(any_site, body)
    any_site.clock.advance(__import__("datetime").timedelta(days=30))
    second = await post_window(any_site, body)
    assert (first.status_code, second.status_code) == (201, 200), second.text
    for name in ("window", "credential"):
        assert first.json()[name] == second.json()[name]


async def test_a_receipt_leads_to_the_window_and_the_credential_is_made_once(any_site):
    node = WindowNode()
    records = node.records(5)
    answer = await post_window(any_site, node.zipped(records))
    assert answer.status_code == 201, answer.text
    name = records[3]["inference_id"]
    receipt = await any_site.get(f"/api/v1/receipt/{name}")
    assert receipt.status_code == 200, receipt.text
    parsed = parse_receipt(receipt.content)
    assert parsed.window_credential == answer.json()["credential"]
    assert (parsed.inclusion.index, parsed.window_digest) == (3, node.chain.previous)
    asked = await asyncio.gather(*(any_site.get(f"/api/v1/certificate/{name}/vc") for _ in range(8)))
    assert {one.status_code for one in asked} == {200}, asked[0].text
    assert len({one.content for one in asked}) == 1
    document = asked[0].json()
    assert document["credentialSubject"]["windowCredential"] == answer.json()["credential"]
    assert document["evidence"][0]["recordDigest"] == parsed.record_digest
    folder = document["evidence"][0]["id"].removeprefix(PUBLIC_URL).rpartition("/")[0]
    served = await any_site.client.get(f"{folder}/{parsed.record_digest}")
    assert served.content == receipt.content
    stranger = await any_site.client.get(answer.json()["credential"].removeprefix(PUBLIC_URL))
    assert stranger.status_code == 200
    sums = (await any_site.get("/api/v1/emissions")).json()["measured"]
    assert sums["count"] == 5
    table = (await any_site.get("/api/v1/compliance/export")).text.splitlines()
    assert len(table) == 6
