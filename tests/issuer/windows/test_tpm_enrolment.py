"""Who may not enrol with a TPM, and what a TPM that is enrolled may not do."""

import asyncio
import json
from datetime import timedelta

import pytest

from agent.errors import EnrolmentError
from tests.fakes.site import problem
from tests.fakes.swtpm import Swtpm
from tests.fakes.tpm_site import SiteTransport, token_for, tpm_node, trust
from tests.fakes.window_node import WindowNode, post_window


@pytest.fixture
def node(swtpm, tmp_path):
    return tpm_node(swtpm.uri, tmp_path / "home")


async def posted(site, made):
    return await post_window(site, made)


async def test_an_emulators_ca_that_nobody_added_is_refused(site, node, manufactured):
    await trust(site, manufactured)
    store = site.store()
    for one in await store.tpms.certificates():
        await store.tpms.remove_certificate(one.fingerprint)
    await store.close()
    with pytest.raises(EnrolmentError, match="403"):
        await node.enrol(site, await token_for(site))


async def test_a_tpm_is_one_nodes_and_a_node_one_tpms(any_site, node, manufactured, tmp_path):
    await trust(any_site, manufactured)
    await node.enrol(any_site, await token_for(any_site))
    again = tpm_node(node.uri, tmp_path / "other", "node-78")
    with pytest.raises(EnrolmentError, match=r"403.*another node"):
        await again.enrol(any_site, await token_for(any_site, "node-78"))
    another = Swtpm(manufactured)
    try:
        # The same state is the same TPM; a node with a software key stands for one with another.
        with pytest.raises(EnrolmentError, match="409"):
            await tpm_node(another.uri, tmp_path / "third").enrol(any_site, await token_for(any_site, "node-7"))
    finally:
        another.stop()


async def test_the_same_tpm_with_a_new_key_goes_on_where_its_windows_were(any_site, node, manufactured):
    await trust(any_site, manufactured)
    first = await node.enrol(any_site, await token_for(any_site))
    old = await asyncio.to_thread(node.body)
    assert (await post_window(any_site, old)).status_code == 201
    stale = await asyncio.to_thread(node.body)
    node.chain.sequence = 1
    any_site.clock.advance(timedelta(seconds=1))
    second = await node.enrol(any_site, await token_for(any_site, "node-77"))
    assert (second.ek, second.next_sequence) == (first.ek, 1)
    assert second.ak != first.ak
    refused = await post_window(any_site, stale)
    assert (refused.status_code, problem(refused)) == (401, "WINDOW_SIGNER_MISMATCH")
    assert (await post_window(any_site, old)).status_code in {200, 401}
    assert (await post_window(any_site, await asyncio.to_thread(node.body))).status_code == 201


async def test_a_revoked_node_enrols_no_more_and_its_windows_are_refused(any_site, node, manufactured):
    await trust(any_site, manufactured)
    await node.enrol(any_site, await token_for(any_site))
    store = any_site.store()
    await store.nodes.revoke("node-77")
    await store.close()
    refused = await post_window(any_site, await asyncio.to_thread(node.body))
    assert (refused.status_code, problem(refused)) == (403, "NODE_REVOKED")
    with pytest.raises(EnrolmentError, match="403"):
        await node.enrol(any_site, await token_for(any_site, "node-77"))


async def test_a_software_key_signs_nothing_for_a_node_with_a_tpm(any_site, node, manufactured):
    await trust(any_site, manufactured)
    await node.enrol(any_site, await token_for(any_site))
    liar = WindowNode()
    liar.chain.node_id = "node-77"
    refused = await post_window(any_site, liar.zipped())
    assert (refused.status_code, problem(refused)) == (401, "WINDOW_SIGNER_MISMATCH")


@pytest.mark.parametrize("fault", ["late", "twice", "another", "secret", "nonce"])
async def test_a_challenge_is_answered_once_in_time_and_with_its_own_secret(any_site, node, manufactured, fault):
    await trust(any_site, manufactured)
    transport = SiteTransport(any_site)
    sent = []

    def edit(path, body):
        if path.endswith("/attest"):
            return body
        sent.append((path, body))
        members = json.loads(body)
        if fault == "late":
            any_site.clock.advance(timedelta(seconds=61))
        if fault == "secret":
            members["secret"] = "A" * 43
        if fault == "nonce":
            members["opening"]["nonce"] = "A" * 43
        return json.dumps(members).encode()

    transport.edit = edit
    token = await token_for(any_site)
    if fault in {"twice", "another"}:
        await node.enrol(any_site, token, transport)
        path, body = sent[0]
        if fault == "another":
            path = path[:-4] + "AAAA"
        refused = await any_site.post(path, body)
        assert (refused.status_code, problem(refused)) == (403, "ACTIVATION_REFUSED")
        return
    with pytest.raises(EnrolmentError, match="403"):
        await node.enrol(any_site, token, transport)
    # The challenge is gone, also for the right answer; one without its secret takes it from nobody.
    again = await any_site.post(*sent[0])
    assert again.status_code == (201 if fault == "secret" else 403)
