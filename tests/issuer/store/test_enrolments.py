"""Invitations open once."""

import asyncio
import hashlib

import msgspec
import pytest

from issuer.store.errors import ConflictError, InvitationSpentError, NotFoundError
from issuer.store.records import Invitation
from tests.fakes.stored import JWK, NOW_US, node

TOKEN = hashlib.sha256(b"token").digest()
INVITATION = Invitation(
    token_sha256=TOKEN,
    node_id="node-7",
    tenant_id="acme",
    grid_region="FR",
    tdp_w=350,
    accelerator_model="H100",
    pue="1.1",
    pue_kind="metered",
    pue_source="site",
    simulated=True,
    created_us=NOW_US,
    expires_us=NOW_US + 100,
)


async def _enrol(store, key_uri="urn:a", now_us=NOW_US + 1):
    return await store.enrolments.enrol(TOKEN, JWK, key_uri, now_us)


async def test_a_node_that_enrols_again_and_again_stands_once_in_the_log(store):
    await store.enrolments.invite(INVITATION)
    for later_us in range(1, 4):
        await _enrol(store, now_us=NOW_US + later_us)
    (entry,) = await store.log.page(target="node-7")
    assert (entry.actor, entry.action, entry.detail) == ("node:node-7", "enrol", "urn:a")


async def test_a_token_gives_its_invitation(store):
    await store.enrolments.invite(INVITATION)
    assert await store.enrolments.consume(TOKEN, NOW_US + 99) == INVITATION


async def test_a_token_opens_once(store):
    await store.enrolments.invite(INVITATION)
    await store.enrolments.consume(TOKEN, NOW_US)
    with pytest.raises(InvitationSpentError):
        await store.enrolments.consume(TOKEN, NOW_US)


async def test_a_token_does_not_open_after_its_expiry(store):
    await store.enrolments.invite(INVITATION)
    with pytest.raises(InvitationSpentError):
        await store.enrolments.consume(TOKEN, NOW_US + 100)


async def test_an_unknown_token_is_not_found(store):
    with pytest.raises(NotFoundError):
        await store.enrolments.consume(TOKEN, NOW_US)


async def test_a_token_is_stored_once(store):
    await store.enrolments.invite(INVITATION)
    with pytest.raises(ConflictError):
        await store.enrolments.invite(INVITATION)


async def test_an_invitation_needs_a_tenant(store):
    with pytest.raises(NotFoundError):
        await store.enrolments.invite(msgspec.structs.replace(INVITATION, tenant_id="nobody"))


async def test_of_many_at_once_one_consumes_a_token(store, open_store):
    other = open_store()
    await store.enrolments.invite(INVITATION)
    outcomes = await asyncio.gather(
        *(one.enrolments.consume(TOKEN, NOW_US) for one in [store, other] * 8), return_exceptions=True
    )
    assert outcomes.count(INVITATION) == 1
    assert all(isinstance(one, InvitationSpentError) for one in outcomes if one != INVITATION)


async def test_enrolling_registers_the_invited_node_with_its_key(store):
    await store.enrolments.invite(INVITATION)
    enrolled = await _enrol(store)
    assert enrolled == await store.nodes.get("node-7")
    assert enrolled == node(
        "node-7",
        key_uri="urn:a",
        grid_region="FR",
        tdp_w=350,
        accelerator_model="H100",
        pue="1.1",
        pue_kind="metered",
        pue_source="site",
        simulated=True,
        created_us=NOW_US + 1,
    )


async def test_an_agent_whose_answer_was_lost_enrols_again_with_the_same_key(store):
    await store.enrolments.invite(INVITATION)
    assert await _enrol(store) == await _enrol(store, now_us=NOW_US + 500)


async def test_an_agent_that_sends_twice_at_once_gets_one_node(store, open_store):
    other = open_store()
    await store.enrolments.invite(INVITATION)
    enrolled = await asyncio.gather(*(_enrol(one) for one in [store, other] * 4))
    assert len({one.key_uri for one in enrolled}) == 1


async def test_another_key_cannot_use_a_spent_token(store):
    await store.enrolments.invite(INVITATION)
    await _enrol(store)
    with pytest.raises(InvitationSpentError):
        await _enrol(store, key_uri="urn:thief")


async def test_an_enrolment_that_fails_leaves_the_token_open(store):
    await store.enrolments.invite(INVITATION)
    taken = await store.nodes.get("acme-node")
    with pytest.raises(ConflictError):
        await _enrol(store, key_uri=taken.key_uri)
    assert (await _enrol(store)).id == "node-7"


async def test_invitations_are_open_until_they_are_used_or_over(store):
    for number, node_id in enumerate(["a", "b", "c"]):
        token = hashlib.sha256(node_id.encode()).digest()
        expires_us = NOW_US + 100 * (number + 1)
        await store.enrolments.invite(
            msgspec.structs.replace(INVITATION, token_sha256=token, node_id=node_id, expires_us=expires_us)
        )
    await store.enrolments.consume(hashlib.sha256(b"b").digest(), NOW_US + 1)
    assert [each.node_id for each in await store.enrolments.open(NOW_US + 1)] == ["a", "c"]
    assert [each.node_id for each in await store.enrolments.open(NOW_US + 100, "acme")] == ["c"]
    assert await store.enrolments.open(NOW_US, "umbra") == ()


async def test_a_cancelled_invitation_opens_no_more(store):
    await store.enrolments.invite(INVITATION)
    assert await store.enrolments.cancel("node-8", NOW_US + 1) == 0
    assert await store.enrolments.cancel("node-7", NOW_US + 1) == 1
    assert await store.enrolments.cancel("node-7", NOW_US + 1) == 0
    with pytest.raises(InvitationSpentError):
        await _enrol(store, now_us=NOW_US + 1)
