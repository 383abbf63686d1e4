"""Windows that would count the same energy twice, or hide some."""

from __future__ import annotations

from schemas import digests
from tests.attacks.catalogue import attack, of_response
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer import conftest as running

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site, any_site = running.site, running.any_site


def _beside(node: WindowNode) -> WindowNode:
    """Return a liar that stands where the node stands."""
    liar = WindowNode(7, start=node.start)
    liar.chain.__dict__ |= node.chain.__dict__
    return liar


async def test_what_each_attack_begins_from_is_accepted(site):
    node = WindowNode()
    for _ in range(3):
        assert (await post_window(site, node.zipped())).status_code == 201


@attack("IT007", "409, references existing credential", network="its PostgreSQL")
async def test_another_window_in_the_place_of_one_is_refused_and_the_credential_that_stands_is_named(
    expected, any_site
):
    node = WindowNode()
    twin = _beside(node)
    taken = await post_window(any_site, node.zipped())
    for changes in ({"agent": "green-agent/2.0.0"}, {"method": "metered"}, {"largest_gap_us": 1}):
        answer = await post_window(any_site, _beside(twin).zipped(**changes))
        assert of_response(answer).problem == "409 WINDOW_FORK"
        assert taken.json()["credential"] in answer.json()["detail"]
    store = any_site.store()
    listed = (await store.credentials.page("acme")).rows
    assert [one.credential_type for one in listed] == ["GreenComputeWindowCredential"]
    await store.close()
    expected.held()


@attack("IT009", "reject:409 WINDOW_OVERLAP")
async def test_a_window_that_begins_before_the_last_one_ended_is_refused(expected, site):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    end_us = node.chain.wall_us
    for early_us in (1_000_000, 1, 9_999_999):
        begun = {"start_us": end_us - early_us, "duration_us": 10_000_000 + early_us}
        expected.met_by(of_response(await post_window(site, _beside(node).zipped(**begun))))
    assert (await post_window(site, node.zipped())).status_code == 201


_CHAIN = "409 for everything that does not follow from the windows before, each with its own name"


@attack("IT011", "reject:409", differs=_CHAIN)
async def test_a_number_that_goes_back_or_a_start_counter_is_refused(expected, site):
    node = WindowNode(start=3)
    for _ in range(3):
        assert (await post_window(site, node.zipped())).status_code == 201
    previous = node.chain.previous
    hostile = (
        {"sequence": 1},
        {"sequence": 2, "boot": {"start": 4}},
        {"sequence": 0, "previous": ...},
        {"sequence": 7},
        {"boot": {"start": 2}},
        {"previous": digests.digest(b"another window")},
    )
    for changes in hostile:
        liar = _beside(node)
        expected.met_by(of_response(await post_window(site, liar.zipped(**({"previous": previous} | changes)))))
    assert (await post_window(site, node.zipped())).status_code == 201


async def test_a_counter_that_was_set_back_is_told(site):
    node = WindowNode()
    assert (await post_window(site, node.zipped())).status_code == 201
    node.chain.counter_mj -= 1000
    assert (await post_window(site, node.zipped())).status_code == 201
    store = site.store()
    assert "counter-set-back" in (await store.windows.last("node-7")).flags
    await store.close()
