"""Registration and enrolment of nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from issuer import enrolment
from issuer.claims.profile import ClaimsProfile, Embodied
from issuer.node_details import NodeDetails
from schemas import base64url
from tests.fakes.issuer import START, body, node_signer, signed
from tests.fakes.site import bearer, problem

NODES = "/api/v1/nodes"
ENROL = "/api/v1/nodes/enrol"


def _registration(number=20, **changes):
    details = {"node_id": f"node-{number}", "tenant_id": "acme", "grid_region": "DEU", "tdp_w": 5600}
    return details | {"jwk": {**node_signer(number).public_key.jwk}} | changes


async def test_an_administrators_key_registers_a_node_that_may_then_send(any_site):
    answer = await any_site.post(NODES, _registration(), bearer("acme", "admin"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "active"
    assert answer.json()["key_uri"] == node_signer(20).public_key.thumbprint_uri
    record = signed(body(node_id="node-20"), node_signer(20))
    assert (await any_site.post("/api/v1/telemetry", record)).status_code == 201


async def test_what_a_node_claims_besides_energy_comes_with_its_registration(any_site):
    embodied = {"total_gco2e": "1500000", "lifetime_hours": 35064, "source": "maker's PCF, 2025"}
    answer = await any_site.post(NODES, _registration(claims={"embodied": embodied}), bearer("acme", "admin"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["claims"] == {"embodied": embodied}
    listed = (await any_site.get(NODES, scope="admin")).json()["items"]
    assert {node["node_id"]: node["claims"] for node in listed} == {
        "node-20": {"embodied": embodied},
        "node-7": None,
        "node-9": None,
    }


async def test_an_invited_node_has_what_its_invitation_settled(any_site):
    store = any_site.store()
    claims = ClaimsProfile(embodied=Embodied(total_gco2e="1", lifetime_hours=1, source="PCF"))
    details = NodeDetails(node_id="node-31", tenant_id="acme", grid_region="DEU", tdp_w=5600, claims=claims)
    token = await enrolment.invite(store, details, START, bytes)
    key = node_signer(31)
    jwk = {**key.public_key.jwk}
    signature = base64url.encode(key.sign(enrolment.enrolment_input(token, jwk), "ES256"))
    answer = await any_site.client.post(ENROL, json={"token": token, "jwk": jwk, "signature": signature})
    await store.close()
    assert answer.status_code == 201, answer.text
    assert answer.json()["claims"] == {"embodied": {"total_gco2e": "1", "lifetime_hours": 1, "source": "PCF"}}


async def test_an_administrator_of_one_tenant_registers_for_no_other(site):
    answer = await site.post(NODES, _registration(tenant_id="umbra"), bearer("acme", "admin"))
    assert answer.status_code == 403
    assert problem(answer) == "FORBIDDEN"
    assert (await site.post(NODES, _registration(tenant_id="umbra"), bearer("all", "admin"))).status_code == 201


@pytest.mark.parametrize("changes", [{"node_id": "node-7"}, {"jwk": {**node_signer(7).public_key.jwk}}])
async def test_a_node_id_or_key_that_is_taken_is_a_conflict(any_site, changes):
    answer = await any_site.post(NODES, _registration(**changes), bearer("acme", "admin"))
    assert answer.status_code == 409
    assert problem(answer) == "CONFLICT"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"role": "admin"}, 400),
        ({"state": "active"}, 400),
        ({"jwk": "x"}, 400),
        ({"jwk": None}, 400),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, 422),
        ({"jwk": {}}, 422),
        ({"tdp_w": "700"}, 400),
        ({"claims": {"offsets": "1"}}, 400),
        ({"claims": {"embodied": {"total_gco2e": "1"}}}, 400),
        ({"claims": {"embodied": {"total_gco2e": "1.50", "lifetime_hours": 1, "source": "x"}}}, 422),
        ({"tdp_w": 0}, 422),
        ({"tdp_w": 10**12}, 422),
        ({"tdp_w": 700.5}, 400),
        ({"grid_region": "XX"}, 422),
        ({"grid_region": "DE'; --"}, 422),
        ({"grid_region": "../DE"}, 422),
        ({"node_id": "../x"}, 422),
        ({"pue": "0.9", "pue_kind": "reported"}, 422),
        ({"pue_kind": "guessed", "pue": "1.2"}, 400),
    ],
)
async def test_a_registration_that_cannot_be_is_a_problem(site, changes, status):
    answer = await site.post(NODES, _registration(**changes), bearer("acme", "admin"))
    assert answer.status_code == status, answer.text
    problem(answer)


async def test_a_private_key_is_never_taken(site):
    private = {**node_signer(20).public_key.jwk, "d": base64url.encode(b"\x01" * 32)}
    answer = await site.post(NODES, _registration(jwk=private), bearer("acme", "admin"))
    assert answer.status_code == 422
    assert private["d"] not in answer.text


async def test_a_tenants_administrator_lists_its_own_nodes(any_site):
    ours = (await any_site.get(NODES, scope="admin")).json()["items"]
    everyone = (await any_site.get(NODES, tenant="all", scope="admin")).json()["items"]
    theirs = (await any_site.client.get(NODES, params={"tenant": "umbra"}, headers=bearer("all", "admin"))).json()[
        "items"
    ]
    assert [node["node_id"] for node in ours] == ["node-7", "node-9"]
    assert [node["node_id"] for node in theirs] == ["node-8"]
    assert len(everyone) == 3


async def _invite(site, number=21, **changes):
    store = site.store()
    details = NodeDetails(node_id=f"node-{number}", tenant_id="acme", grid_region="DEU", tdp_w=5600)
    token = await enrolment.invite(store, details, START, lambda count: bytes(range(number, number + count)), **changes)
    await store.close()
    return token


def _enrolment(token, number=21, signer=None):
    jwk = {**node_signer(number).public_key.jwk}
    signature = (signer or node_signer(number)).sign(enrolment.enrolment_input(token, jwk), "ES256")
    return {"token": token, "jwk": jwk, "signature": base64url.encode(signature)}


async def test_a_token_enrols_a_node_with_its_own_key(any_site):
    answer = await any_site.post(ENROL, _enrolment(await _invite(any_site)))
    assert answer.status_code == 201, answer.text
    assert answer.json()["node_id"] == "node-21"
    record = signed(body(node_id="node-21"), node_signer(21))
    assert (await any_site.post("/api/v1/telemetry", record)).status_code == 201


async def test_an_enrolled_node_is_told_whom_its_records_may_name(any_site):
    store = any_site.store()
    await store.tenants.change("acme", subject="did:web:acme.example")
    await store.close()
    answer = await any_site.post(ENROL, _enrolment(await _invite(any_site)))
    assert answer.json()["tenants"] == ["acme", "did:web:acme.example"]


async def test_a_lost_answer_can_be_asked_for_again(any_site):
    request = _enrolment(await _invite(any_site))
    first, again = await any_site.post(ENROL, request), await any_site.post(ENROL, request)
    assert again.status_code == 201
    assert again.json() == first.json()


async def test_a_token_opens_for_one_key_only(any_site):
    token = await _invite(any_site)
    await any_site.post(ENROL, _enrolment(token))
    answer = await any_site.post(ENROL, _enrolment(token, number=22))
    assert answer.status_code == 401
    assert problem(answer) == "INVITATION_INVALID"


async def test_a_token_ends(site):
    token = await _invite(site, validity=timedelta(hours=1))
    site.clock.advance(timedelta(hours=1, seconds=1))
    assert (await site.post(ENROL, _enrolment(token))).status_code == 401


async def test_a_key_that_nobody_proves_to_hold_is_not_enrolled(site):
    token = await _invite(site)
    answer = await site.post(ENROL, _enrolment(token, signer=node_signer(22)))
    assert answer.status_code == 401
    assert problem(answer) == "POSSESSION_UNPROVEN"
    assert (await site.post(ENROL, _enrolment(token))).status_code == 201


@pytest.mark.parametrize("changes", [{"token": ""}, {"token": "x"}, {"token": base64url.encode(b"\x00" * 32)}])
async def test_an_unknown_token_is_refused(site, changes):
    request = _enrolment(changes["token"])
    answer = await site.post(ENROL, request)
    assert answer.status_code == 401


@pytest.mark.parametrize("changes", [{"tenant_id": "umbra"}, {"jwk": []}, {"token": 5}, {"signature": None}])
async def test_a_malformed_enrolment_is_a_problem(site, changes):
    answer = await site.post(ENROL, _enrolment(await _invite(site)) | changes)
    assert answer.status_code == 400
    assert problem(answer) == "SCHEMA_INVALID"


async def test_guessing_tokens_is_limited_by_address(open_site):
    site = await open_site(refused_rate_per_minute=3)
    guesses = [await site.post(ENROL, _enrolment(base64url.encode(bytes([n]) * 32))) for n in range(5)]
    assert [answer.status_code for answer in guesses] == [401, 401, 401, 429, 429]
    assert (await site.post(ENROL, _enrolment(await _invite(site)))).status_code == 201
