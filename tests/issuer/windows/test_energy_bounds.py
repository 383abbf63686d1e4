"""What a node can have drawn bounds what is taken of it: host and network too, and by both of its clocks."""

import json

import pytest

from tests.fakes.site import problem
from tests.fakes.window_node import WindowNode, post_window

BIG = 2**53 - 1
NOTHING = {"accelerator_idle_mj": 0, "accelerator_loaded_idle_mj": 0, "unattributed_mj": 0, "largest_gap_us": 0}


@pytest.mark.parametrize("name", ["host_cpu_mj", "host_dram_mj", "host_other_mj", "network_mj"])
async def test_a_window_of_which_host_or_network_drew_more_than_the_node_can_is_refused(any_site, name):
    # 5.6 kW are registered: 10 s at 15.6 kW and a tenth, of which 1.8 kJ are the honest rest.
    for energy_mj in (172_000_000, 10_000_000_000, BIG):
        node = WindowNode()
        answer = await post_window(any_site, node.zipped(**{name: energy_mj}))
        assert (answer.status_code in {400, 422}, problem(answer)) == (True, "CLAIM_IMPLAUSIBLE"), answer.text
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(**{name: 169_000_000}))
    assert answer.status_code == 201, answer.text


async def test_many_tiny_windows_hold_the_energy_of_two_seconds_and_no_more(any_site):
    node, taken, refused = WindowNode(), 0, None
    for number in range(40):
        answer = await post_window(any_site, tiny(node, number, mj=2_400_000))
        if answer.status_code != 201:
            refused = refused or answer
            break
        taken += 1
    # 12.3 kJ in 2 s at 5.6 kW and a tenth.
    assert (taken, refused.status_code, problem(refused)) == (5, 400, "CLAIM_IMPLAUSIBLE")
    assert "are used up by the windows before" in refused.json()["detail"]


def tiny(node, number, mj):
    """Return the request for a window of a millisecond that says it took 2 s."""
    start_us = node.chain.wall_us
    times = {"start_us": start_us, "end_us": start_us + 1000, "duration_us": 2_000_000}
    (record,) = node.records(1, accelerator_active_mj=mj, host_cpu_mj=0, host_dram_mj=0, **times)
    record |= {"inference_id": f"tiny-{number}", "accelerator_idle_mj": 0, "accelerator_loaded_idle_mj": 0}
    counters = {"counter_start_mj": node.chain.counter_mj, "counter_end_mj": node.chain.counter_mj + mj}
    gpu = {"uuid": "GPU-1", "model": "NVIDIA H100 80GB HBM3", "scope": "gpu", "energy_mj": mj} | counters
    length = {"end_us": start_us + 1000, "duration_us": 2_000_000, "measured_us": 2_000_000}
    host = {"host_cpu_mj": 0, "host_dram_mj": 0}
    return node.zipped([record], accelerators=[gpu], accelerator_active_mj=mj, **NOTHING, **length, **host)


async def test_a_record_that_says_it_lasted_for_years_is_refused_with_its_window(any_site):
    node = WindowNode()
    answer = await post_window(any_site, node.zipped(node.records(1, duration_us=BIG)))
    assert (answer.status_code, problem(answer)) == (400, "WINDOW_RECORDS_MISMATCH")
    assert "record 0: duration_us" in answer.json()["detail"]


async def test_how_much_of_the_two_seconds_is_used_is_kept_with_the_chain(any_site):
    node = WindowNode()
    assert (await post_window(any_site, tiny(node, 0, mj=2_400_000))).status_code == 201
    store = any_site.store()
    state = json.loads((await store.nodes.get("node-7")).chain_state)
    await store.close()
    assert 380_000 < state["borrowed_us"] < 400_000
