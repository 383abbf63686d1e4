"""The agent's own request for nonces, at a real issuer."""

import asyncio

import pytest

from agent.windows.nonces import NONCES_PATH, NonceRequests, NonceStore
from agent.windows.sign import SoftwareWindowSigner
from schemas import times
from tests.fakes.agent import HandClock
from tests.fakes.issuer import node_signer
from tests.fakes.soft_tpm_site import soft_node
from tests.fakes.tpm_site import SiteTransport
from tests.fakes.window_node import WindowNode, post_window


@pytest.fixture
def clock(site):
    return HandClock(wall_ns=times.to_microseconds(site.clock.now()) * 1000)


async def asked(site, clock, store, node_id="node-7"):
    signer = SoftwareWindowSigner(node_signer(7), node_id, 1)
    requests = NonceRequests(store, clock, signer.nonce_request)
    await asyncio.to_thread(requests.top_up, SiteTransport(site), 5.0)


async def test_an_agent_with_a_software_key_has_nonces_before_its_first_window(site, clock, tmp_path):
    store = NonceStore(tmp_path / "nonces.json", clock)
    await asked(site, clock, store)
    assert len(store.good()) == 16
    answer = await post_window(site, WindowNode().zipped(nonce=store.take(), freshness="nonce"))
    assert answer.status_code == 201, answer.text


async def test_the_issuer_gives_a_tpms_node_none_by_this_way(site, clock, tmp_path):
    await soft_node(site)
    store = NonceStore(tmp_path / "nonces.json", clock)
    await asked(site, clock, store, "node-70")
    assert store.good() == []


async def test_who_has_no_nodes_key_learns_of_no_node_whether_it_is_registered(site):
    await soft_node(site)
    asked = {"timestamp": times.render_seconds(site.clock.now()), "signature": "A" * 86}
    answers = [await site.post(NONCES_PATH, asked | {"node_id": name}) for name in ("node-7", "node-70", "node-99")]
    told = {(answer.status_code, answer.json()["type"], answer.json()["detail"]) for answer in answers}
    assert len(told) == 1, told
    assert answers[0].status_code == 401
    answers = [
        await site.post(NONCES_PATH, asked | {"node_id": name, "signature": "?"}) for name in ("node-7", "node-99")
    ]
    assert len({(answer.status_code, answer.json()["detail"]) for answer in answers}) == 1
