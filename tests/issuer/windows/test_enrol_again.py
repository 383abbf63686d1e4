"""Enrolling with a TPM once more: with the token that was used, since the answer was lost; with a new one, after a loss."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import select

from agent.errors import EnrolmentError, NoAnswerError
from issuer.store.tpms import Tpms
from issuer.store.window_models import TPM_CHALLENGE
from schemas import times
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import problem
from tests.fakes.soft_tpm_site import ATTEST, MAKER, Attestation, SoftEk, send, trust_maker
from tests.fakes.tpm_site import SiteTransport, token_for, tpm_node, trust
from tests.fakes.window_node import post_window
from verifier.attestation.freshness import IssuedNonce

CHANGING = {"nonces"}


async def enrolled(node, token):
    challenge = await node.challenged(token)
    answer = await node.sent(challenge, node.answer(challenge))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def room(site, asked=16):
    """Return how many nonces the node may be given now."""
    store = site.store()
    now_us = times.to_microseconds(site.clock.now())
    fresh = [
        IssuedNonce(nonce=f"{asked}-{number}", node_id="node-77", expires_us=now_us + 60_000_000)
        for number in range(asked)
    ]
    given = await store.windows.give_nonces("node-77", fresh, 16, now_us)
    await store.close()
    return len(given)


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(hours=24)])
async def test_the_same_token_tpm_and_key_get_the_same_answer_and_nothing_changes(any_site, later):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    first = await enrolled(node, token)
    store = any_site.store()
    before, entries = await store.nodes.get("node-77"), await store.log.page(target="node-77")
    any_site.clock.advance(later)
    second = await enrolled(node, token)
    assert {name: second[name] for name in second.keys() - CHANGING} == {
        name: first[name] for name in first.keys() - CHANGING
    }
    assert (await store.nodes.get("node-77"), await store.log.page(target="node-77")) == (before, entries)
    await store.close()
    assert second["nonces"]
    assert second["tenants"] == ["acme"]
    assert not set(second["nonces"]) & set(first["nonces"])


async def test_a_token_is_repeated_for_a_day_and_then_refused_as_any_other(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    any_site.clock.advance(timedelta(hours=23, minutes=59, seconds=30))
    challenge = await node.challenged(token)
    any_site.clock.advance(timedelta(seconds=31))
    asked = Attestation(token, ak_public=node.node.tpm.public).body()
    late = [await node.sent(challenge, node.answer(challenge)), await any_site.post(ATTEST, asked)]
    assert [(one.status_code, problem(one)) for one in late] == [(401, "INVITATION_INVALID")] * 2
    unknown = await any_site.post(ATTEST, asked | {"token": "gci_" + "A" * 43})
    assert {one.json()["detail"] for one in late} == {unknown.json()["detail"]}


async def test_a_token_has_a_few_challenges_and_the_oldest_gives_way(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    other = await SoftEk(any_site, seed=8, node_id="node-78").challenged(await token_for(any_site, "node-78"))
    challenges = []
    for _ in range(10):
        challenges.append(await node.challenged(token))
        any_site.clock.advance(timedelta(seconds=1))
    store = any_site.store()
    async with store.tpms._database.read() as connection:
        kept = set((await connection.execute(select(TPM_CHALLENGE.c.id))).scalars())
    await store.close()
    assert kept == {other["enrolment_id"], *(one["enrolment_id"] for one in challenges[-4:])}
    gone = await node.sent(challenges[-5], node.answer(challenges[-5]))
    assert (gone.status_code, problem(gone)) == (403, "ACTIVATION_REFUSED")
    taken = await node.sent(challenges[-4], node.answer(challenges[-4]))
    assert taken.status_code == 201, taken.text


async def test_beginnings_of_one_address_are_counted_also_where_they_are_in_order(open_site):
    site = await open_site(refused_rate_per_minute=5)
    await trust_maker(site)
    body = Attestation(await token_for(site)).body()
    codes = [(await site.post(ATTEST, body)).status_code for _ in range(7)]
    assert codes == [201] * 5 + [429] * 2


async def test_a_chain_that_has_gone_on_is_not_begun_anew_by_an_old_token(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    assert (await send(any_site, node.node)).status_code == 201
    taken = node.node.previous
    # A window that the node has signed and would rather not send.
    node.node.window()
    again = await enrolled(node, token)
    assert (again["next_sequence"], again["previous"], again["nonces"]) == (1, taken, [])
    refused = await send(any_site, node.node)
    assert (refused.status_code, problem(refused)) == (409, "WINDOW_SEQUENCE_GAP")


async def test_a_used_token_enrols_no_other_key(any_site):
    await trust_maker(any_site)
    token = await token_for(any_site)
    await enrolled(SoftEk(any_site), token)
    other = SoftEk(any_site, seed=8).node.tpm.public
    refused = await any_site.post(ATTEST, Attestation(token, ak_public=other).body())
    assert (refused.status_code, problem(refused)) == (401, "INVITATION_INVALID")


async def test_a_used_token_enrols_no_other_tpm_with_the_same_key(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    other = maker.private_key("p256", "another ek").public_key()
    body = Attestation(
        token,
        ek_public=maker.area("L-2", other).encode(),
        ek_certificate=maker.ek_certificate(MAKER, other, uses=("key_agreement",)),
        ak_public=node.node.tpm.public,
    ).body()
    refused = await any_site.post(ATTEST, body)
    assert (refused.status_code, problem(refused)) == (409, "CONFLICT")


async def test_a_token_whose_key_was_superseded_enrols_it_no_more(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    await enrolled(SoftEk(any_site, seed=8), await token_for(any_site))
    refused = await any_site.post(ATTEST, Attestation(token, ak_public=node.node.tpm.public).body())
    assert (refused.status_code, problem(refused)) == (401, "INVITATION_INVALID")


async def test_a_revoked_node_gets_no_answer_again(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    challenge = await node.challenged(token)
    store = any_site.store()
    await store.nodes.revoke("node-77")
    await store.close()
    refused = await node.sent(challenge, node.answer(challenge))
    assert refused.status_code == 403
    refused = await any_site.post(ATTEST, Attestation(token, ak_public=node.node.tpm.public).body())
    assert refused.status_code == 403


async def test_another_register_is_not_taken_by_an_old_token(any_site):
    await trust_maker(any_site)
    node, token = SoftEk(any_site), await token_for(any_site)
    await enrolled(node, token)
    store = any_site.store()
    async with store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE node SET chain_pcr = 14 WHERE id = 'node-77'")
    await store.close()
    challenge = await node.challenged(token)
    refused = await node.sent(challenge, node.answer(challenge))
    assert (refused.status_code, problem(refused)) == (409, "CONFLICT")


async def test_a_new_key_of_the_same_tpm_begins_with_nonces_of_its_own(any_site):
    await trust_maker(any_site)
    await enrolled(SoftEk(any_site), await token_for(any_site))
    await room(any_site)
    assert await room(any_site, 15) == 0
    fresh = SoftEk(any_site, seed=8)
    given = (await enrolled(fresh, await token_for(any_site)))["nonces"]
    assert len(given) == 8
    assert await room(any_site, 14) == 16 - len(given)


async def test_a_nonce_that_the_lost_key_left_unused_is_good_for_no_window(any_site):
    await trust_maker(any_site)
    old = (await enrolled(SoftEk(any_site), await token_for(any_site)))["nonces"]
    fresh = SoftEk(any_site, seed=8)
    await enrolled(fresh, await token_for(any_site))
    refused = await send(any_site, fresh.node, header={"nonce": old[0], "freshness": "nonce"})
    assert (refused.status_code, problem(refused)) == (401, "NONCE_REFUSED")


async def same_tpm_with_a_new_key(node):
    """Return a node of the same TPM with another key that goes on where ``node`` stands, and its challenge."""
    fresh = SoftEk(node.site, seed=8)
    fresh.node.__dict__ |= {name: value for name, value in node.node.__dict__.items() if name != "tpm"}
    return fresh, await fresh.challenged(await token_for(node.site))


async def test_a_chain_that_goes_on_while_a_new_key_is_enrolled_is_not_forked(any_site, monkeypatch):
    await trust_maker(any_site)
    old = SoftEk(any_site)
    await old.enrolled()
    assert (await send(any_site, old.node)).status_code == 201
    fresh, challenge = await same_tpm_with_a_new_key(old)
    answer, enrol, taken = fresh.answer(challenge), Tpms.enrol, []

    async def late(*given, **named):
        # Beside the site's client, which waits for the enrolment.
        transport = httpx.ASGITransport(app=any_site.service)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
            taken.append((await send(SimpleNamespace(client=client), old.node)).status_code)
        return await enrol(*given, **named)

    monkeypatch.setattr(Tpms, "enrol", late)
    refused = await fresh.sent(challenge, answer)
    assert (taken, refused.status_code, problem(refused)) == ([201], 409, "CONFLICT")
    monkeypatch.undo()
    # The old key still stands, and its chain is whole.
    assert (await send(any_site, old.node)).status_code == 201


async def test_a_new_key_and_the_energy_between_the_keys_are_told_once(any_site):
    await trust_maker(any_site)
    old = SoftEk(any_site)
    await old.enrolled()
    assert (await send(any_site, old.node)).status_code == 201
    fresh, challenge = await same_tpm_with_a_new_key(old)
    assert (await fresh.sent(challenge, fresh.answer(challenge))).status_code == 201
    fresh.node.counter_mj += 50_000_000
    told = []
    for sequence in (1, 2):
        assert (await send(any_site, fresh.node)).status_code == 201
        shown = await any_site.get(f"/api/v1/windows/node-77/1.0/{sequence}")
        told.append({flag["kind"]: flag["detail"] for flag in shown.json()["flags"]})
    assert "50000000 mJ" in told[0]["energy-gap"]
    assert old.node.tpm.key.thumbprint_uri in told[0]["node-key-changed"]
    assert not told[1].keys() & {"energy-gap", "node-key-changed"}


async def test_a_wrong_answer_uses_up_nobodys_challenge(any_site):
    await trust_maker(any_site)
    node = SoftEk(any_site)
    challenge = await node.challenged(await token_for(any_site))
    answer = node.answer(challenge)
    refused = await node.sent(challenge, answer | {"secret": "A" * 43})
    assert (refused.status_code, problem(refused)) == (403, "ACTIVATION_REFUSED")
    assert (await node.sent(challenge, answer)).status_code == 201
    # The right one is taken once.
    assert (await node.sent(challenge, answer)).status_code == 403


class Deaf(SiteTransport):
    """Sends everything, and never hears the answer to an activation."""

    def post(self, path, body, **given):
        answer = super().post(path, body, **given)
        if not path.endswith("/attest"):
            raise NoAnswerError("the connection broke")
        return answer


async def test_an_agent_whose_answer_was_lost_enrols_again_with_the_same_key_and_token(
    any_site, swtpm, manufactured, tmp_path
):
    await trust(any_site, manufactured)
    node, token = tpm_node(swtpm.uri, tmp_path / "home"), await token_for(any_site)
    with pytest.raises(NoAnswerError):
        await node.enrol(any_site, token, Deaf(any_site))
    assert [path.name for path in node.folder.glob("ak.json*")] == ["ak.json.new"]
    await node.enrol(any_site, token)
    assert [path.name for path in node.folder.glob("ak.json*")] == ["ak.json"]
    assert (await post_window(any_site, await asyncio.to_thread(node.body, nonce=node.nonces[0]))).status_code == 201


async def test_an_agent_that_is_enrolled_keeps_its_key_and_chain_when_told_to_enrol_again(
    any_site, swtpm, manufactured, tmp_path
):
    await trust(any_site, manufactured)
    node, token = tpm_node(swtpm.uri, tmp_path / "home"), await token_for(any_site)
    first = await node.enrol(any_site, token)
    assert (await post_window(any_site, await asyncio.to_thread(node.body))).status_code == 201
    files = {path: path.read_bytes() for path in (node.home.ak_file, node.home.windows / "head")}
    second = await node.enrol(any_site, token)
    assert (second.key_uri, second.next_sequence) == (first.key_uri, 1)
    assert {path: path.read_bytes() for path in files} == files
    assert [path.name for path in node.folder.glob("ak.json*")] == ["ak.json"]
    assert (await post_window(any_site, await asyncio.to_thread(node.body))).status_code == 201


async def test_an_agent_that_lost_its_windows_folder_is_told_where_the_chain_stands(
    any_site, swtpm, manufactured, tmp_path
):
    await trust(any_site, manufactured)
    node, token = tpm_node(swtpm.uri, tmp_path / "home"), await token_for(any_site)
    await node.enrol(any_site, token)
    head = node.home.windows / "head"
    before = head.read_bytes()
    head.unlink()
    await node.enrol(any_site, token)
    assert head.read_bytes() == before


async def test_a_token_that_never_enrolled_this_key_is_refused_and_leaves_the_key_in_use(
    any_site, swtpm, manufactured, tmp_path
):
    await trust(any_site, manufactured)
    node = tpm_node(swtpm.uri, tmp_path / "home")
    await node.enrol(any_site, await token_for(any_site))
    before = node.home.ak_file.read_bytes()
    with pytest.raises(EnrolmentError, match="401"):
        await node.enrol(any_site, "gci_" + "A" * 43)
    assert [path.name for path in node.folder.glob("ak.json*")] == ["ak.json"]
    assert node.home.ak_file.read_bytes() == before
