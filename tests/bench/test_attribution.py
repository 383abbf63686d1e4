"""The simulation, small: sharing by steps errs as little as is published, and the others are what they are."""

import statistics

import pytest

from agent.attribution.steps import Scheduled
from bench.attribution import compare
from bench.engine_simulation import common_j, own_s, shapley_j, simulate


@pytest.mark.parametrize(("concurrent", "percent"), [(4, 1), (16, 3), (48, 6)])
def test_by_its_steps_a_request_is_a_few_percent_off(concurrent, percent):
    ways = compare(concurrent, seconds=22, seed=7)
    off = {way: 100 * statistics.median(errors) for way, errors in ways.items()}

    assert off["step log"] <= percent
    assert off["step log"] < off["phase-weighted tokens of a window"] < off["tokens of a window"]
    # It counts everything as often as requests ran.
    assert off["energy while the request ran"] > 50 * concurrent


def test_the_truth_is_the_shapley_value_by_its_definition():
    from itertools import permutations

    parts = {
        "p": Scheduled(900, 0, "prefill"),
        "q": Scheduled(300, 100, "prefill"),
        "d": Scheduled(1, 700, "decode"),
        "e": Scheduled(1, 90, "decode"),
    }

    def value(names):
        own = sum(250.0 * 8 * own_s(parts[name])[0] + own_s(parts[name])[1] for name in names)
        return common_j(sum(parts[name].tokens for name in names)) + own

    orders = list(permutations(parts))
    for name, joules in shapley_j(parts).items():
        added = sum(value(order[: order.index(name) + 1]) - value(order[: order.index(name)]) for order in orders)
        assert joules == pytest.approx(added / len(orders))


def test_what_requests_truly_used_is_what_the_steps_used():
    ran = simulate(5, 4, 3)

    assert sum(one.true_j for one in ran.requests) == pytest.approx(sum(ran.energies_j))
