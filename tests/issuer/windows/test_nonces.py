"""The agent's own request for nonces, at a real issuer."""

import asyncio

import pytest

from agent.windows.nonces import NonceRequests, NonceStore
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
