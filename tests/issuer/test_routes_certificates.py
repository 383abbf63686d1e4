"""A tenant's credentials by inference: certificates, credentials, lists."""

from __future__ import annotations

from datetime import timedelta

import pytest

from did.documents import parse_document
from issuer import certificate
from schemas import times
from tests.fakes.issuer import START, body, node_signer, signed
from tests.fakes.site import bearer, problem
from verifier.document import parse

CERTIFICATE = "/api/v1/certificate/inference-1"


async def _published_key(site):
    document = (await site.client.get("/.well-known/did.json")).json()
    did = parse_document(document, document["id"])
    return did.key_for(document["assertionMethod"][0], "assertionMethod").key


async def test_a_certificate_is_a_compact_jws_that_the_published_key_verifies(site):
    credential = (await site.telemetry()).json()
    answer = await site.get(CERTIFICATE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jose"
    claims = certificate.verify(answer.text, await _published_key(site))
    assert claims["inferenceId"] == "inference-1"
    assert claims["credential"]["id"] == credential["id"]


async def test_a_reader_may_insist_on_the_algorithm(site):
    await site.telemetry()
    assert (await site.get(CERTIFICATE, alg="ES256")).status_code == 200


@pytest.mark.parametrize("alg", ["HS256", "none", "RS256", "ES256K", ""])
async def test_another_algorithm_is_not_offered(site, alg):
    await site.telemetry()
    answer = await site.get(CERTIFICATE, alg=alg)
    assert answer.status_code == 406
    assert problem(answer) == "ALGORITHM_NOT_OFFERED"


async def test_the_credential_of_an_inference_comes_byte_for_byte(any_site):
    issued = await any_site.telemetry()
    answer = await any_site.get(f"{CERTIFICATE}/vc")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == issued.content
    assert parse(answer.content).value["credentialSubject"]["inferenceId"] == "inference-1"


@pytest.mark.parametrize("path", [CERTIFICATE, f"{CERTIFICATE}/vc"])
async def test_another_tenants_inference_is_not_found(any_site, path):
    await any_site.telemetry()
    answer = await any_site.get(path, tenant="umbra")
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


async def test_a_tenants_key_may_not_ask_for_another_tenant(site):
    answer = await site.client.get(CERTIFICATE, params={"tenant": "acme"}, headers=bearer("umbra", "read"))
    assert answer.status_code == 403
    assert problem(answer) == "FORBIDDEN"


async def test_a_key_of_every_tenant_says_whose_inference_it_means(site):
    issued = await site.telemetry()
    unsaid = await site.client.get(f"{CERTIFICATE}/vc", headers=bearer("all", "read"))
    assert unsaid.status_code == 400
    said = await site.client.get(f"{CERTIFICATE}/vc", params={"tenant": "acme"}, headers=bearer("all", "read"))
    assert said.content == issued.content


@pytest.mark.parametrize("inference", ["a%00b", "a%20b", "%3Cscript%3E", "a%0Ab", "x" * 129, "caf%C3%A9", "a%27b"])
async def test_an_id_that_none_can_be_is_a_problem(site, inference):
    answer = await site.get(f"/api/v1/certificate/{inference}")
    assert answer.status_code == 400
    assert problem(answer) == "MALFORMED_VALUE_ERROR"


async def _fill(site, count, *, model="m/1", start=0):
    for number in range(start, start + count):
        end = times.render_claim(START - timedelta(seconds=9 - number))
        answer = await site.telemetry(inference_id=f"i-{number}", timestamp=end, model_id=model)
        assert answer.status_code == 201


async def test_pages_give_each_credential_once_newest_first(any_site):
    await _fill(any_site, 5)
    found, cursor = [], {}
    for _ in range(3):
        page = (await any_site.get("/api/v1/certificates", limit="2", **cursor)).json()
        found += [item["inference_id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["i-4", "i-3", "i-2", "i-1", "i-0"]
    assert page["next_cursor"] is None


async def test_a_list_shows_the_tenants_own_only(any_site):
    await _fill(any_site, 2)
    await any_site.post("/api/v1/telemetry", signed(body(node_id="node-8"), node_signer(8)))
    ours = (await any_site.get("/api/v1/certificates")).json()["items"]
    theirs = (await any_site.get("/api/v1/certificates", tenant="umbra")).json()["items"]
    everyone = (await any_site.get("/api/v1/certificates", tenant="all")).json()["items"]
    assert {item["tenant_id"] for item in ours} == {"acme"}
    assert {item["tenant_id"] for item in theirs} == {"umbra"}
    assert len(everyone) == len(ours) + len(theirs) == 3


async def test_a_list_can_be_narrowed_by_model_node_and_time(any_site):
    await _fill(any_site, 3)
    await _fill(any_site, 1, model="other", start=3)

    async def found(**query):
        return [item["inference_id"] for item in (await any_site.get("/api/v1/certificates", **query)).json()["items"]]

    assert await found(model_id="m/1") == ["i-2", "i-1", "i-0"]
    assert await found(model_id="other") == ["i-3"]
    assert await found(node_id="node-8") == []
    assert len(await found(since="2026-11-20", until="2026-11-21")) == 4
    assert await found(since="2026-11-21") == []
    assert await found(until=times.render_claim(START - timedelta(seconds=8))) == ["i-0"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1000000000",
        "limit=abc",
        "limit=1&limit=2",
        "offset=1000000000",
        "cursor=AAAA",
        "cursor=%27%20OR%201=1",
        "cursor=" + "A" * 600,
        "model_id=%00",
        "model_id=%FF%00",
        "model_id=%3Cb%3E",
        "node_id=..%2F..%2Fetc",
        "since=yesterday",
        "since=2026-13-01",
        "since=2026-11-20T20:00:00%2B01:00",
        "until=9999999999999",
        "sinse=2026-11-20",
        "tenant=ACME",
        "tenant=a%27b",
    ],
)
async def test_a_malformed_or_unknown_parameter_is_a_problem(site, query):
    answer = await site.client.get(f"/api/v1/certificates?{query}", headers=bearer("all", "read"))
    assert answer.status_code == 400, answer.text
    assert problem(answer) == "MALFORMED_VALUE_ERROR"


async def test_a_model_id_with_a_wildcard_matches_itself_only(site):
    await _fill(site, 2)
    assert (await site.get("/api/v1/certificates", model_id="%")).json()["items"] == []
    assert (await site.get("/api/v1/certificates", model_id="m_1")).json()["items"] == []
