"""A window has no more energy than its node draws in its time, and the clocks' 2 s are there once for all windows."""

import msgspec
import pytest

from tests.fakes.soft_tpm import Node
from tests.fakes.window_chain import taken
from verifier.attestation.chain_state import ChainState
from verifier.attestation.errors import WindowEnergyError

BIG = 2**53 - 1
BOARD_W = 700


def drew(node, mj, *, wall_us=10_000_000, duration_us=10_000_000, **changes):
    """Return the next window: so much by its one accelerator, for nobody."""
    counter = node.counter_mj
    gpu = {"uuid": "GPU-1", "model": "NVIDIA H100 80GB HBM3", "scope": "gpu"}
    gpu |= {"counter_start_mj": counter, "counter_end_mj": counter + mj, "energy_mj": mj}
    header = {
        "accelerators": [gpu],
        "accelerator_idle_mj": 0,
        "accelerator_loaded_idle_mj": 0,
        "unattributed_mj": mj,
        "end_us": node.wall_us + wall_us,
        "duration_us": duration_us,
        "measured_us": duration_us,
        "host_cpu_mj": 0,
        "host_dram_mj": 0,
    }
    return node.window(records=[], header=header | changes)


@pytest.mark.parametrize("name", ["host_cpu_mj", "host_dram_mj", "host_other_mj", "network_mj"])
@pytest.mark.parametrize("power_w", [BOARD_W, None], ids=["registered", "unknown"])
def test_host_and_network_have_a_bound(name, power_w):
    node = Node()
    made = drew(node, 0, **{name: BIG})
    with pytest.raises(WindowEnergyError, match="host and network"):
        taken(Node().begun(), made, max_power_w=power_w)


def test_host_and_network_are_bounded_together_by_10_kw_and_the_registered_power():
    # 10 s at 10.7 kW and a tenth are 117,700 J.
    for energy_mj, fits in ((117_700_000, True), (117_700_001, False)):
        made = drew(Node(), 0, host_cpu_mj=energy_mj - 3_000_000, host_other_mj=1_000_000, network_mj=2_000_000)
        if fits:
            taken(Node().begun(), made, max_power_w=BOARD_W)
        else:
            with pytest.raises(WindowEnergyError, match="10700 W"):
                taken(Node().begun(), made, max_power_w=BOARD_W)


def test_where_the_power_is_not_known_no_accelerator_draws_more_than_5_kw():
    # 10 s at 5 kW and a tenth.
    taken(Node().begun(), drew(Node(), 55_000_000))
    with pytest.raises(WindowEnergyError, match="5000 W"):
        taken(Node().begun(), drew(Node(), 55_000_001))


def test_tiny_windows_spend_the_clocks_2_s_once():
    node, state, total_mj = Node(), Node().begun(), 0
    mj = BOARD_W * 1_900
    refused = None
    while refused is None and total_mj < 100 * mj:
        made = drew(node, mj, wall_us=1_000, duration_us=2_000_000)
        try:
            state = taken(state, made, max_power_w=BOARD_W).state
        except WindowEnergyError as error:
            refused = error
        else:
            total_mj += mj
    assert refused is not None
    assert "used up" in refused.detail
    # 2 s and 15 % of the wall time.
    assert total_mj <= BOARD_W * 1.1 * (2_000 + 1.15 * (node.wall_us - Node().wall_us) / 1000)


def test_windows_that_use_less_than_their_time_give_the_2_s_back():
    node, state = Node(), Node().begun()
    tiny = {"wall_us": 1_000, "duration_us": 2_000_000}
    for _ in range(5):
        state = taken(state, drew(node, BOARD_W * 1_900, **tiny), max_power_w=BOARD_W).state
        assert state.borrowed_us > 0
        state = taken(state, drew(node, BOARD_W * 5_000), max_power_w=BOARD_W).state
        assert state.borrowed_us == 0


def test_a_node_at_full_power_whose_labels_run_a_tenth_slow_is_never_refused():
    node, state = Node(), Node().begun()
    for _ in range(50):
        made = drew(node, BOARD_W * 10_000, wall_us=9_000_000)
        state = taken(state, made, max_power_w=BOARD_W).state
    assert state.borrowed_us == 0


@pytest.mark.parametrize("back_us", [500_000, 1_900_000, 2_900_000])
def test_a_wall_clock_that_is_set_back_every_minute_refuses_nothing_at_full_power(back_us):
    node, state = Node(), Node().begun()
    for number in range(60):
        wall_us = 10_000_000 - (back_us if number % 6 == 0 else 0)
        state = taken(state, drew(node, BOARD_W * 10_000, wall_us=wall_us), max_power_w=BOARD_W).state


def test_a_window_shorter_than_a_tick_may_have_a_whole_tick_of_its_counter():
    taken(Node().begun(), drew(Node(), BOARD_W * 100, wall_us=3_000, duration_us=3_000), max_power_w=BOARD_W)


def test_a_state_of_before_has_borrowed_nothing():
    stored = msgspec.json.encode(Node().begun())
    assert b"borrowed" not in stored
    assert msgspec.json.decode(stored, type=ChainState).borrowed_us == 0


def test_what_is_borrowed_is_remembered():
    state = taken(
        Node().begun(), drew(Node(), BOARD_W * 1_900, wall_us=1_000, duration_us=2_000_000), max_power_w=BOARD_W
    ).state
    again = msgspec.json.decode(msgspec.json.encode(state), type=ChainState)
    assert again.borrowed_us == state.borrowed_us > 1_700_000
