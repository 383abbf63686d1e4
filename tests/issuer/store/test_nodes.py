"""Nodes and their keys."""

import pytest

from issuer.store.errors import ConflictError, NotFoundError
from tests.fakes.stored import JWK, node


async def test_a_node_comes_back_as_it_was_added(store):
    added = await store.nodes.add(
        node(accelerator_model="H200", pue="1.2", pue_kind="metered", pue_source="site", simulated=True)
    )
    assert await store.nodes.get("node-7") == added


async def test_an_unknown_node_is_none(store):
    assert await store.nodes.get("node-7") is None


@pytest.mark.parametrize("changes", [{"key_uri": "urn:other"}, {"node_id": "node-8"}])
async def test_an_id_and_a_key_belong_to_one_node(store, changes):
    await store.nodes.add(node("node-7", key_uri="urn:mine"))
    with pytest.raises(ConflictError):
        await store.nodes.add(node(**({"node_id": "node-7", "key_uri": "urn:mine"} | changes)))


async def test_a_node_needs_a_tenant(store):
    with pytest.raises(NotFoundError):
        await store.nodes.add(node(tenant_id="nobody"))


async def test_nodes_are_listed_by_tenant(store):
    assert [one.id for one in await store.nodes.all("umbra")] == ["umbra-node"]
    assert [one.id for one in await store.nodes.all(None)] == ["acme-node", "umbra-node"]


async def test_a_revoked_node_stays_with_its_key(store):
    assert await store.nodes.revoke("acme-node") is True
    assert await store.nodes.revoke("acme-node") is False
    revoked = await store.nodes.get("acme-node")
    assert revoked.state == "revoked"
    assert await store.nodes.node_key(revoked.key_uri) == JWK


async def test_an_unknown_thumbprint_has_no_key(store):
    assert await store.nodes.node_key("urn:nothing") is None


async def test_region_power_and_pue_can_be_changed(store):
    await store.nodes.set_region("acme-node", "US-RFCW")
    await store.nodes.set_power("acme-node", 350)
    await store.nodes.set_pue("acme-node", "1.3", "reported", "operator 2025")
    changed = await store.nodes.get("acme-node")
    assert (changed.grid_region, changed.tdp_w) == ("US-RFCW", 350)
    assert (changed.pue, changed.pue_kind, changed.pue_source) == ("1.3", "reported", "operator 2025")
    assert (await store.nodes.get("umbra-node")).grid_region == "DE"


async def test_a_pue_can_be_removed(store):
    await store.nodes.set_pue("acme-node", "1.3", "reported", "operator 2025")
    await store.nodes.set_pue("acme-node", None, None, None)
    assert (await store.nodes.get("acme-node")).pue is None


async def test_changing_an_unknown_node_is_not_found(store):
    for change in (store.nodes.revoke("x"), store.nodes.set_region("x", "DE"), store.nodes.set_power("x", 1)):
        with pytest.raises(NotFoundError):
            await change


async def entries(store):
    return [entry for entry in await store.log.page(limit=100) if entry.action == "update-node"]


async def test_a_change_is_stored_and_logged_with_what_was_before(store):
    changed = await store.nodes.change(
        "acme-node", lambda node: {"tdp_w": 350, "grid_region": node.grid_region}, actor="cli", now_us=7
    )
    assert changed == {"tdp_w": 350}
    before = (await store.nodes.get("acme-node")).tdp_w
    assert before == 350
    (entry,) = await entries(store)
    assert (entry.actor, entry.action, entry.target) == ("cli", "update-node", "acme-node")
    assert entry.detail.endswith("-> 350")
    assert "grid_region" not in entry.detail


async def test_a_change_that_changes_nothing_is_not_logged(store):
    assert await store.nodes.change("acme-node", lambda node: {"tdp_w": node.tdp_w}, actor="cli", now_us=7) == {}
    assert await entries(store) == []


async def test_what_is_refused_changes_nothing(store):
    def refuse(node):
        raise ConflictError("no")

    before = await store.nodes.get("acme-node")
    with pytest.raises(ConflictError):
        await store.nodes.change("acme-node", refuse, actor="cli", now_us=7)
    with pytest.raises(NotFoundError):
        await store.nodes.change("x", lambda _: {}, actor="cli", now_us=7)
    assert await store.nodes.get("acme-node") == before
