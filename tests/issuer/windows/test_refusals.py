"""What a window is refused for, and what is told of one that is taken."""

import asyncio
import gzip
from datetime import timedelta
from decimal import Decimal

import pytest

from issuer.windows.nonces import signing_input
from schemas import base64url, times
from tests.fakes import soft_tpm
from tests.fakes.issuer import START, node_signer
from tests.fakes.site import bearer, problem
from tests.fakes.window_node import HEADERS, PLAIN, WindowNode, post_window
from tests.fakes.zstd import zstd

ZSTD = PLAIN | {"content-encoding": "zstd"}


async def refused(site, body, status, name, headers=HEADERS):
    answer = await post_window(site, body, headers)
    assert (answer.status_code, problem(answer)) == (status, name), answer.text
    return answer.json()["detail"]


async def nonces_for(site, number=7, moment=START):
    timestamp = times.render_claim(moment)
    message = signing_input(f"node-{number}", timestamp)
    signature = base64url.encode(node_signer(number).sign(message, "ES256"))
    asked = {"node_id": f"node-{number}", "timestamp": timestamp, "signature": signature}
    return await site.post("/api/v1/nonces", asked)


async def test_a_window_comes_without_compression_too(site):
    assert (await post_window(site, WindowNode().body(), PLAIN)).status_code == 201


async def test_a_window_comes_in_zstd_too_and_its_receipt_and_audit_are_as_of_any_other(any_site):
    node = WindowNode()
    body = node.body()
    answer = await post_window(any_site, zstd.compress(body), ZSTD)
    assert answer.status_code == 201
    receipt = await any_site.get("/api/v1/receipt/inference-0")
    assert receipt.json()["window_digest"] == answer.json()["window"]
    page = await any_site.get("/api/v1/windows/node-7")
    assert gzip.decompress(base64url.decode(page.json()["items"][0]["request"])) == body


async def test_another_window_in_the_same_place_is_refused_and_the_credential_named(any_site):
    node, twin = WindowNode(), WindowNode()
    taken = await post_window(any_site, node.zipped())
    detail = await refused(any_site, twin.zipped(unattributed_mj=0, accelerator_idle_mj=400_000), 409, "WINDOW_FORK")
    assert taken.json()["credential"] in detail


@pytest.mark.parametrize(
    ("changes", "status", "name"),
    [
        ({"sequence": 3, "previous": soft_tpm.digests.digest(b"x")}, 409, "WINDOW_SEQUENCE_GAP"),
        ({"previous": soft_tpm.digests.digest(b"x")}, 409, "WINDOW_FORK"),
        ({"start_us": soft_tpm.START_US + 9_000_000}, 409, "WINDOW_OVERLAP"),
        ({"boot": {"start": 0}}, 409, "CLOCK_ROLLBACK"),
        ({"end_us": soft_tpm.START_US + 10**9, "duration_us": 10**9 - 10_000_000}, 409, "CLOCK_SKEW"),
        ({"accelerator_active_mj": 2_000_202, "unattributed_mj": 249_999}, 400, "WINDOW_RECORDS_MISMATCH"),
        ({"unattributed_mj": 250_001}, 400, "SCHEMA_INVALID"),
        ({"nonce": base64url.encode(bytes(32)), "freshness": "nonce"}, 401, "NONCE_REFUSED"),
        ({"ak": soft_tpm.digests.digest(b"x"), "boot": {"reset": 1, "restart": 0}}, 401, "WINDOW_SIGNER_MISMATCH"),
        ({"node_id": "node-8"}, 401, "WINDOW_SIGNATURE_INVALID"),
        ({"node_id": "nobody"}, 404, "UNKNOWN_NODE"),
    ],
)
async def test_a_window_that_does_not_follow_is_refused_and_the_next_honest_one_taken(site, changes, status, name):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    liar = WindowNode()
    liar.chain.__dict__ |= node.chain.__dict__
    await refused(site, liar.zipped(**changes), status, name)
    assert (await post_window(site, node.zipped())).status_code == 201


async def test_more_energy_than_the_hardware_draws_is_refused(site):
    store = site.store()
    await store.nodes.set_power("node-7", 700)
    node = WindowNode()
    records = [one | {"accelerator_active_mj": 10_000_000} for one in node.records(1)]
    await refused(site, node.zipped(records), 400, "CLAIM_IMPLAUSIBLE")
    assert "CLAIM_IMPLAUSIBLE" in (await store.nodes.get("node-7")).refusal
    await store.close()


async def test_what_our_own_verifier_would_refuse_is_refused_before_anything_is_written(site):
    store = site.store()
    await store.nodes.set_power("node-7", 100_000)
    await store.close()
    node = WindowNode()
    records = [one | {"accelerator_active_mj": 70_000_000} for one in node.records(1)]
    # One accelerator of 7 kW: within what was registered, beyond what there is.
    await refused(site, node.zipped(records), 422, "CLAIM_IMPLAUSIBLE")
    store = site.store()
    assert (await store.nodes.get("node-7")).chain_state is None
    assert await store.credentials.pending() == ()
    await store.close()


async def test_an_old_window_is_refused_unless_it_was_seen_before(site):
    node = WindowNode()
    first = node.zipped()
    assert (await post_window(site, first)).status_code == 201
    site.clock.advance(timedelta(days=8))
    assert (await post_window(site, first)).status_code == 200
    await refused(site, node.zipped(), 422, "TOO_OLD")


async def test_a_nonce_counts_once_and_for_its_own_node_alone(any_site):
    node, other = WindowNode(), WindowNode(8)
    given = (await nonces_for(any_site)).json()["nonces"]
    assert len(given) == 16
    fresh = {"nonce": given[0], "freshness": "nonce"}
    await refused(any_site, other.zipped(**fresh), 401, "NONCE_REFUSED")
    body = node.zipped(**fresh)
    assert [(await post_window(any_site, body)).status_code for _ in range(2)] == [201, 200]
    await refused(any_site, node.zipped(**fresh), 401, "NONCE_REFUSED")


async def test_a_nonce_is_good_for_windows_that_ended_before_it_expired_however_late_they_come(site):
    node = WindowNode()
    given = (await nonces_for(site)).json()["nonces"]
    body = node.zipped(nonce=given[0], freshness="nonce")
    site.clock.advance(timedelta(hours=5))
    assert (await post_window(site, body)).status_code == 201
    node.chain.wall_us = times.to_microseconds(site.clock.now()) - 20_000_000
    await refused(site, node.zipped(nonce=given[1], freshness="nonce"), 401, "NONCE_REFUSED")


async def test_nonces_are_given_to_the_nodes_key_alone_and_no_more_than_enough(site):
    assert len((await nonces_for(site)).json()["nonces"]) == 16
    assert (await nonces_for(site)).json()["nonces"] == []
    late = await nonces_for(site, moment=START - timedelta(minutes=2))
    assert (late.status_code, problem(late)) == (422, "TOO_OLD")
    forged = {"node_id": "node-7", "timestamp": times.render_claim(START), "signature": base64url.encode(bytes(64))}
    answer = await site.post("/api/v1/nonces", forged)
    assert (answer.status_code, problem(answer)) == (401, "SIGNATURE_INVALID")


async def test_a_revoked_node_is_refused_and_the_refusal_is_on_record(any_site):
    store = any_site.store()
    await store.nodes.revoke("node-7")
    await refused(any_site, WindowNode().zipped(), 403, "NODE_REVOKED")
    (entry,) = await store.log.page(limit=1)
    assert (entry.actor, entry.action, entry.target) == ("node:node-7", "refuse", "window 1/0")
    await store.close()


@pytest.mark.parametrize(
    ("body", "headers", "status", "name"),
    [
        (b"", PLAIN, 400, "PARSING_ERROR"),
        (b"{}", PLAIN, 400, "PARSING_ERROR"),
        (b"{}\n", PLAIN, 400, "SCHEMA_INVALID"),
        (b'{"evidence":{"jws":"x"}}\n', PLAIN, 401, "WINDOW_SIGNATURE_INVALID"),
        (b'{"evidence":{"jws":1}}\n', PLAIN, 400, "SCHEMA_INVALID"),
        (b'{"evidence": {"jws":"x"}}\n', PLAIN, 400, "PARSING_ERROR"),
        (b'{"evidence":{}}\n', PLAIN, 400, "SCHEMA_INVALID"),
        (b"not gzip", HEADERS, 400, "PARSING_ERROR"),
        (b"x" * 300_000, PLAIN, 400, "PARSING_ERROR"),
        (b"{}\n", {"content-type": "application/json"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}\n", PLAIN | {"content-encoding": "br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}\n", PLAIN | {"content-encoding": "gzip, gzip"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (bytes(8 * 1024 * 1024 + 1), PLAIN, 413, "RESOURCE_LIMIT"),
    ],
    ids=range(13),
)
async def test_a_body_that_is_no_window_is_refused(site, body, headers, status, name):
    await refused(site, body, status, name, headers)


async def test_a_gzip_bomb_a_torn_one_and_what_follows_one_are_refused(site):
    node = WindowNode()
    first = node.body()
    line = first.partition(b"\n")[0] + b"\n"
    await refused(site, gzip.compress(line + bytes(65 * 1024 * 1024), 9), 413, "RESOURCE_LIMIT")
    await refused(site, gzip.compress(first)[:-4], 400, "PARSING_ERROR")
    await refused(site, gzip.compress(first) + gzip.compress(b"x"), 400, "PARSING_ERROR")
    assert (await post_window(site, gzip.compress(first))).status_code == 201


async def test_a_zstd_bomb_a_torn_one_and_what_follows_one_are_refused(site):
    first = WindowNode().body()
    line = first.partition(b"\n")[0] + b"\n"
    await refused(site, zstd.compress(line + bytes(65 * 1024 * 1024)), 413, "RESOURCE_LIMIT", ZSTD)
    await refused(site, zstd.compress(first)[:-4], 400, "PARSING_ERROR", ZSTD)
    await refused(site, zstd.compress(first) + zstd.compress(b"x"), 400, "PARSING_ERROR", ZSTD)
    await refused(site, zstd.compress(bytes(300_000)), 400, "PARSING_ERROR", ZSTD)
    await refused(site, gzip.compress(first), 400, "PARSING_ERROR", ZSTD)
    await refused(site, zstd.compress(first), 400, "PARSING_ERROR", HEADERS)
    assert (await post_window(site, zstd.compress(first), ZSTD)).status_code == 201


async def test_a_record_names_a_tenant_only_where_the_node_may(any_site):
    node, store = WindowNode(), any_site.store()
    await store.tenants.change("umbra", subject="did:web:umbra.example")
    records = [one | {"tenant_id": "did:web:umbra.example"} for one in node.records(2)]
    assert (await post_window(any_site, node.zipped(records))).status_code == 201
    last = await store.windows.last("node-7")
    assert "tenant-not-allowed" in last.flags
    assert (await any_site.get("/api/v1/receipt/inference-0")).status_code == 200
    await store.windows.allow("node-7", "umbra")
    records = [one | {"tenant_id": "did:web:umbra.example"} for one in node.records(2)]
    assert (await post_window(any_site, node.zipped(records))).status_code == 201
    assert (await any_site.get("/api/v1/receipt/inference-100")).status_code == 404
    single = await any_site.get("/api/v1/certificate/inference-100/vc", tenant="umbra")
    assert single.json()["credentialSubject"]["tenantId"] == "did:web:umbra.example"
    assert (await any_site.get("/api/v1/emissions", tenant="umbra")).json()["measured"]["count"] == 2
    await store.close()


async def test_a_tenant_with_a_subject_may_be_named_by_its_id_and_the_credential_has_its_subject(any_site):
    node, store = WindowNode(), any_site.store()
    await store.tenants.change("acme", subject="did:web:acme.example")
    await store.tenants.change("umbra", subject="did:web:umbra.example")
    await store.windows.allow("node-7", "umbra")
    own, other = node.records(2)
    records = [own | {"tenant_id": "acme"}, other | {"tenant_id": "umbra"}]
    assert (await post_window(any_site, node.zipped(records))).status_code == 201
    assert "tenant-not-allowed" not in (await store.windows.last("node-7")).flags
    await store.close()
    for tenant, record in (("acme", own), ("umbra", other)):
        single = await any_site.get(f"/api/v1/certificate/{record['inference_id']}/vc", tenant=tenant)
        assert single.json()["credentialSubject"]["tenantId"] == f"did:web:{tenant}.example"


async def test_a_record_of_a_tenant_that_the_node_may_not_name_has_a_credential_that_names_nobody(any_site):
    node, store = WindowNode(), any_site.store()
    await store.tenants.change("acme", subject="did:web:acme.example")
    await store.tenants.change("umbra", subject="did:web:umbra.example")
    records = [one | {"tenant_id": "umbra"} for one in node.records(1)]
    assert (await post_window(any_site, node.zipped(records))).status_code == 201
    await store.close()
    single = await any_site.get(f"/api/v1/certificate/{records[0]['inference_id']}/vc")
    assert "tenantId" not in single.json()["credentialSubject"]


async def test_a_new_window_and_nonces_tell_the_names_that_the_node_may_use_and_a_repeat_does_not(any_site):
    node, store = WindowNode(), any_site.store()
    await store.tenants.change("umbra", subject="did:web:umbra.example")
    body = node.zipped()
    first = await post_window(any_site, body)
    assert first.json()["tenants"] == ["acme"]
    again = await post_window(any_site, body)
    assert (again.status_code, "tenants" in again.json()) == (200, False)
    await store.windows.allow("node-7", "umbra")
    await store.close()
    assert (await nonces_for(any_site)).json()["tenants"] == ["acme", "did:web:umbra.example", "umbra"]


async def test_an_inference_is_measured_once_posted_or_in_a_window(any_site):
    assert (await any_site.telemetry(inference_id="inference-0")).status_code == 201
    node = WindowNode()
    assert (await post_window(any_site, node.zipped(node.records(3)))).status_code == 201
    store = any_site.store()
    assert "inference-repeated" in (await store.windows.last("node-7")).flags
    await store.close()
    assert (await any_site.get("/api/v1/receipt/inference-0")).status_code == 404
    assert (await any_site.get("/api/v1/emissions")).json()["measured"]["count"] == 3
    assert len((await any_site.get("/api/v1/compliance/export")).text.splitlines()) == 4
    posted = await any_site.telemetry(inference_id="inference-1")
    assert (posted.status_code, problem(posted)) == (409, "CONFLICT")


async def test_of_two_records_of_the_same_inference_in_one_window_the_first_counts(any_site):
    node = WindowNode()
    records = node.records(4)
    records[1] |= {"model_id": "other/model"}
    records[2] |= {"inference_id": "inference-1"}
    records[3] |= {"inference_id": "inference-0"}
    assert (await post_window(any_site, node.zipped(records))).status_code == 201
    store = any_site.store()
    assert "2 records of inferences that were measured before" in (await store.windows.last("node-7")).flags
    assert [(await store.windows.place("acme", f"inference-{index}"))[1] for index in (0, 1)] == [0, 1]
    await store.close()
    assert (await any_site.get("/api/v1/emissions")).json()["measured"]["count"] == 2


async def test_revoking_one_credential_moves_its_inference_alone(any_site):
    node = WindowNode()
    assert (await post_window(any_site, node.zipped(node.records(3)))).status_code == 201
    before = (await any_site.get("/api/v1/emissions")).json()["measured"]
    single = (await any_site.get("/api/v1/certificate/inference-1/vc")).json()
    change = {"credentialId": single["id"], "credentialStatus": {"type": "StatusList2021", "status": "1"}}
    answer = await any_site.post("/credentials/status", change, bearer("acme", "status"))
    assert answer.status_code == 200, answer.text
    sums = (await any_site.get("/api/v1/emissions")).json()
    assert (sums["measured"]["count"], sums["revoked"]["count"]) == (2, 1)
    assert sums["revoked"]["energy_kwh"] == single["credentialSubject"]["energyKwh"]
    parts = [Decimal(sums[kind]["energy_kwh"]) for kind in ("measured", "revoked")]
    assert sum(parts) == Decimal(before["energy_kwh"])


async def test_windows_of_a_node_that_come_at_once_are_taken_one_after_the_other(any_site):
    node = WindowNode()
    bodies = [node.zipped() for _ in range(4)]
    answers = await asyncio.gather(*(post_window(any_site, bodies[0]) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 201]
    assert len({one.json()["credential"] for one in answers}) == 1
    for body in bodies[1:]:
        assert (await post_window(any_site, body)).status_code == 201
