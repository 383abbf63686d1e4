"""What anyone may read: identities, status lists, evidence, vocabulary, health, the description and the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from contexts import green_compute
from did.documents import parse_document
from schemas import digests, json_schema, strict_json
from tests.fakes.issuer import DID, node_signer, posted
from tests.fakes.site import problem


async def test_the_did_document_holds_the_key_that_signs(site):
    credential = (await site.telemetry()).json()
    answer = await site.client.get("/.well-known/did.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/did+json"
    assert answer.headers["cache-control"] == "public, no-cache"
    did = parse_document(answer.json(), DID)
    assert did.key_for(credential["proof"]["verificationMethod"], "assertionMethod")


async def test_a_second_issuer_has_a_document_of_its_own(site):
    store = site.store()
    await store.issuers.add("berlin", f"{DID}:issuers:berlin", "Berlin", now_us=1)
    await store.close()
    answer = await site.client.get("/issuers/berlin/did.json")
    assert answer.status_code == 200
    assert answer.json()["id"] == f"{DID}:issuers:berlin"


@pytest.mark.parametrize("slug", ["nobody", "root", "%2e%2e", "%FF", "%00", "a%2Fb", "BERLIN", "a'b", "x" * 64, "a b"])
async def test_a_slug_that_is_no_issuers_is_not_found(site, slug):
    answer = await site.client.get(f"/issuers/{slug}/did.json")
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


async def test_a_client_that_has_the_document_already_is_told_so(site):
    first = await site.client.get("/.well-known/did.json")
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await site.client.get("/.well-known/did.json", headers={"if-none-match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
    other = await site.client.get("/.well-known/did.json", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


def _path(site, url):
    assert url.startswith(site.settings.public_url)
    return url.removeprefix(site.settings.public_url)


@pytest.mark.parametrize("purpose", ["revocation", "suspension"])
async def test_a_status_list_is_a_signed_credential_of_the_issuer(any_site, purpose):
    entry = (await any_site.telemetry()).json()["credentialStatus"]
    url = entry["statusListCredential"].replace("/revocation/", f"/{purpose}/")
    answer = await any_site.client.get(_path(any_site, url))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.headers["cache-control"] == "public, max-age=60, must-revalidate"
    document = answer.json()
    assert document["id"] == url
    assert document["issuer"] == DID
    assert document["credentialSubject"]["statusPurpose"] == purpose
    assert document["proof"]["proofPurpose"] == "assertionMethod"


async def test_a_status_list_keeps_its_tag_until_a_bit_changes(site):
    credential = (await site.telemetry()).json()
    path = _path(site, credential["credentialStatus"]["statusListCredential"])
    first, again = await site.client.get(path), await site.client.get(path)
    assert first.headers["etag"] == again.headers["etag"]
    store = site.store()
    await store.status.revoke(credential["id"].rpartition("/")[2], "", "test", 1, tenant_id=None)
    await store.close()
    assert (await site.client.get(path)).headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("name", ["0", "ffffffffffffffff", "%2e%2e", "%00", "A", "1%27", "x" * 65])
@pytest.mark.parametrize("purpose", ["revocation", "suspension"])
async def test_a_list_that_is_not_there_is_not_found(site, purpose, name):
    answer = await site.client.get(f"/status/{purpose}/{name}")
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


async def test_a_list_of_another_purpose_is_not_found(site):
    assert (await site.client.get("/status/message/0")).status_code == 404


async def test_the_evidence_is_the_record_as_the_node_signed_it(any_site):
    record = posted()
    credential = (await any_site.post("/api/v1/telemetry", record)).json()
    evidence = credential["evidence"][0]
    answer = await any_site.client.get(_path(any_site, evidence["id"]))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == record
    assert digests.digest(answer.content) == evidence["digestMultibase"]


async def test_the_nodes_key_stands_beside_its_evidence(site):
    credential = (await site.telemetry()).json()
    evidence = credential["evidence"][0]
    folder = _path(site, evidence["id"]).rpartition("/")[0]
    answer = await site.client.get(f"{folder}/{evidence['signedBy']}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jwk+json"
    assert answer.json() == {**node_signer(7).public_key.jwk}


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "%2e%2e",
        "uEiA" + "A" * 43,
        "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + "A" * 43,
        "%FF",
        "%00",
        "root.pem",
    ],
)
async def test_evidence_that_is_not_there_is_not_found(site, name):
    answer = await site.client.get(f"/evidence/{name}")
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


async def test_the_context_is_the_pinned_one(site):
    answer = await site.client.get("/contexts/v1")
    assert answer.headers["content-type"] == "application/ld+json"
    assert answer.content == green_compute.DOCUMENT


@pytest.mark.parametrize("name", sorted(json_schema.SCHEMA_URLS))
async def test_a_schema_is_the_bytes_that_credentials_are_pinned_to(site, name):
    answer = await site.client.get(f"/schemas/{name}.json")
    assert answer.headers["content-type"] == "application/schema+json"
    assert digests.digest(answer.content) == json_schema.schema_digest(json_schema.SCHEMA_URLS[name])


@pytest.mark.parametrize("name", ["credential-v1", "credential-v2.json", "__init__.py", "%2e%2e", "%00"])
async def test_a_schema_that_is_not_there_is_not_found(site, name):
    assert (await site.client.get(f"/schemas/{name}")).status_code == 404


async def test_health_says_whether_the_database_answers(any_site):
    answer = await any_site.client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}
    assert answer.headers["cache-control"] == "no-store"


async def test_the_page_says_who_issues_and_runs_no_script(site):
    store = site.store()
    await store.issuers.add("x", "did:web:oracle.example:issuers:x", "<script>alert(1)</script>", now_us=1)
    await store.close()
    answer = await site.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert DID in answer.text
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


async def test_the_pages_policy_allows_its_own_style_and_nothing_else(site):
    answer = await site.client.get("/")
    policy = answer.headers["content-security-policy"]
    style = re.search("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script-src" not in policy


async def test_the_page_loads_nothing_from_elsewhere(site):
    page = (await site.client.get("/")).text
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)


async def test_the_description_names_every_route(site):
    answer = await site.client.get("/openapi")
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    document = answer.json()
    described = {path: set(item) for path, item in document["paths"].items()}
    for route in site.service.app.routes:
        methods = {method.lower() for handler in route.route_handlers for method in handler.http_methods} - {"options"}
        assert methods <= described[route.path_format or "/"], route.path


async def test_every_reference_of_the_description_leads_somewhere(site):
    text = (await site.client.get("/openapi")).text
    document = json.loads(text)
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        target = document
        for part in reference.split("/"):
            target = target[part]


async def test_the_description_says_which_routes_need_a_key(site):
    document = (await site.client.get("/openapi")).json()
    assert document["paths"]["/api/v1/certificates"]["get"]["security"] == [{"apiKey": []}]
    assert document["paths"]["/healthz"]["get"].get("security") in (None, [{}])
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


async def test_the_examples_of_the_description_are_what_the_routes_read(site):
    document = (await site.client.get("/openapi")).json()
    bodies = 0
    for item in document["paths"].values():
        for operation in item.values():
            if "requestBody" in operation:
                (media_type,) = operation["requestBody"]["content"]
                example = operation["requestBody"]["content"][media_type]["examples"]["example"]["value"]
                if media_type == "application/json":
                    assert strict_json.parse_object(json.dumps(example).encode()) == example
                bodies += 1
    assert bodies == 9
