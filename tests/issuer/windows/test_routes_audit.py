"""Windows handed out for an audit: whole, page by page, and to nobody whose records they are not alone."""

import gzip
from datetime import timedelta

import pytest

from schemas import base64url
from tests.fakes.audit_site import packed
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import bearer, problem
from tests.fakes.window_node import WindowNode, post_window
from tests.verifier.bundles import audited
from verifier.audit_errors import IssuerRefusedError
from verifier.policy import Policy
from verifier.report import Outcome

PAGE = "/api/v1/windows/node-7"


async def post(site, node, records=None, **changes):
    """Post the next window and return (what was sent, the answer)."""
    body = node.body(records, **changes)
    answer = await post_window(site, gzip.compress(body))
    assert answer.status_code == 201, answer.text
    site.clock.advance(timedelta(seconds=1))
    return body, answer.json()


async def allow(site, *tenants):
    store = site.store()
    for tenant in tenants:
        await store.windows.allow("node-7", tenant)
    await store.close()


def unpacked(item):
    return gzip.decompress(base64url.decode(item["request"]))


async def test_a_page_has_each_window_as_the_node_sent_it_with_credential_and_nonce(any_site):
    node = WindowNode()
    first, taken = await post(any_site, node)
    second, _ = await post(any_site, node, freshness="nonce", nonce=taken["nonces"][0])
    answer = await any_site.get(PAGE)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert answer.json()["next_cursor"] is None
    assert [unpacked(item) for item in items] == [first, second]
    assert [item["sequence"] for item in items] == [0, 1]
    assert [item["window"] for item in items] == [
        item["credential"]["credentialSubject"]["windowDigest"] for item in items
    ]
    document = await any_site.client.get(taken["credential"].removeprefix(PUBLIC_URL))
    assert document.content in answer.content
    nonces = [item["nonce"] for item in items]
    assert nonces[0] is None
    assert (nonces[1]["nonce"], nonces[1]["used_by"], nonces[1]["node_id"]) == (
        taken["nonces"][0],
        items[1]["window"],
        "node-7",
    )


async def test_pages_follow_each_other_and_a_period_bounds_them(any_site):
    node = WindowNode()
    ends = []
    for _ in range(5):
        await post(any_site, node, [])
        ends.append(node.chain.wall_us)
    seen, cursor = [], None
    for size in (2, 2, 1):
        page = (await any_site.get(PAGE, limit="2", **({"cursor": cursor} if cursor else {}))).json()
        assert len(page["items"]) == size
        seen += [item["sequence"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == ([0, 1, 2, 3, 4], None)
    times = [
        item["credential"]["credentialSubject"]["periodEnd"] for item in (await any_site.get(PAGE)).json()["items"]
    ]
    between = (await any_site.get(PAGE, since=times[1], until=times[3])).json()["items"]
    assert [item["sequence"] for item in between] == [1, 2]


async def test_a_page_ends_before_its_requests_grow_too_large(any_site):
    store = any_site.store()
    node = WindowNode()
    sizes = [len(gzip.compress((await post(any_site, node))[0])) for _ in range(3)]
    found, more = await store.window_pages.page(
        "node-7", None, since_us=None, until_us=None, after_us=None, limit=9, max_bytes=max(sizes) * 2 + 400
    )
    alone, rest = await store.window_pages.page(
        "node-7", None, since_us=None, until_us=None, after_us=None, limit=9, max_bytes=1
    )
    await store.close()
    assert (len(found), more, len(alone), rest) == (2, True, 1, True)


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 18, "१"])
async def test_a_cursor_that_was_not_handed_out_is_refused(site, cursor):
    assert problem(await site.get(PAGE, cursor=cursor)) == "MALFORMED_VALUE_ERROR"


async def test_a_node_of_another_tenant_is_not_there(any_site):
    await post(any_site, WindowNode())
    stranger = await any_site.get(PAGE, tenant="umbra")
    nobody = await any_site.get("/api/v1/windows/node-77", tenant="umbra")
    assert (stranger.status_code, nobody.status_code) == (404, 404)
    assert stranger.json()["detail"].replace("node-7", "") == nobody.json()["detail"].replace("node-77", "")
    assert (await any_site.get(PAGE, tenant="all")).status_code == 200


async def test_records_of_another_tenant_open_to_the_operator_alone(any_site):
    await allow(any_site, "umbra")
    node = WindowNode()
    await post(any_site, node)
    mixed = node.records(2)
    mixed[1] |= {"tenant_id": "umbra"}
    await post(any_site, node, mixed)
    for tenant, asked in (("acme", {}), ("all", {"tenant": "acme"})):
        refused = await any_site.client.get(PAGE, params=asked, headers=bearer(tenant, "read"))
        assert (refused.status_code, problem(refused)) == (403, "RECORDS_OF_OTHERS")
        assert "ask the operator" in refused.json()["detail"]
        assert mixed[1]["inference_id"] not in refused.text
    # Not even that it is there.
    assert (await any_site.get(PAGE, tenant="umbra")).status_code == 404
    operators = await any_site.get(PAGE, tenant="all")
    assert mixed[1]["inference_id"].encode() in unpacked(operators.json()["items"][1])


async def test_that_a_tenant_was_disallowed_since_opens_nothing(any_site):
    await allow(any_site, "umbra")
    node = WindowNode()
    await post(any_site, node, [one | {"tenant_id": "umbra"} for one in node.records(1)])
    store = any_site.store()
    await store.windows.disallow("node-7", "umbra")
    await store.close()
    assert problem(await any_site.get(PAGE)) == "RECORDS_OF_OTHERS"


async def test_a_record_that_counts_for_nobody_closes_its_window_to_tenants(any_site):
    node = WindowNode()
    once = node.records(1)
    await post(any_site, node, once)
    again = node.records(1)
    again[0] |= {"inference_id": once[0]["inference_id"]}
    await post(any_site, node, again)
    assert problem(await any_site.get(PAGE)) == "RECORDS_OF_OTHERS"
    assert (await any_site.get(PAGE, limit="1")).status_code == 200


async def test_the_nonce_of_a_window_is_kept_and_an_unused_one_is_not(any_site):
    node = WindowNode()
    _, taken = await post(any_site, node)
    _, second = await post(any_site, node, freshness="nonce", nonce=taken["nonces"][0])
    any_site.clock.advance(timedelta(days=30))
    node.chain.wall_us += 30 * 24 * 3600 * 10**6
    _, _ = await post(any_site, node)
    items = (await any_site.get(PAGE)).json()["items"]
    assert items[1]["nonce"]["used_by"] == items[1]["window"]
    node.chain.wall_us += 10**6
    late = await post_window(any_site, node.zipped(freshness="nonce", nonce=second["nonces"][0]))
    assert problem(late) == "NONCE_REFUSED"


async def test_windows_of_a_software_key_are_packed_and_verified(any_site, tmp_path):
    await allow(any_site, "umbra")
    node = WindowNode()
    _, taken = await post(any_site, node)
    mixed = node.records(2)
    mixed[1] |= {"tenant_id": "umbra"}
    await post(any_site, node, mixed, freshness="nonce", nonce=taken["nonces"][1])
    await post(any_site, node, [])
    path = await packed(any_site, tmp_path / "b.zip", "node-7")
    trusting = Policy(trust_evidence=True, require_evidence=True)
    report = audited(path, policy=trusting, now=any_site.clock.now() + timedelta(hours=1))
    assert report.outcome is Outcome.VERIFIED, report.findings
    assert (report.windows.verified, report.nodes[0].records) == (3, 4)
    with pytest.raises(IssuerRefusedError, match="ask the operator"):
        await packed(any_site, tmp_path / "c.zip", "node-7", tenant="acme")


async def test_the_page_is_documented(site):
    described = (await site.client.get("/openapi")).json()
    asked = described["paths"]["/api/v1/windows/{node_id}"]["get"]
    assert {one["name"] for one in asked["parameters"]} == {"node_id", "limit", "cursor", "since", "until", "tenant"}
    assert "WindowsForAudit" in described["components"]["schemas"]
    await post(site, WindowNode())
    page = await site.client.get(PAGE, headers=bearer("acme", "read"))
    import jsonschema_rs

    schema = {"$ref": "#/components/schemas/WindowsForAudit", "components": described["components"]}
    assert jsonschema_rs.is_valid(schema, page.json())
