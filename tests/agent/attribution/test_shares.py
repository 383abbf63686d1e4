"""Whatever ticks and steps there are: the shares are the ticks, nobody owes, and nothing depends on an order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.attribution.shares import Coefficients, Tick, largest_remainder, share, weights_of
from agent.attribution.steps import Scheduled, Step

MS = 1_000_000
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
PART = st.builds(Scheduled, st.integers(0, 3000), st.integers(0, 9000), st.sampled_from(["prefill", "decode"]))
COST = st.builds(Coefficients, *[st.integers(0, 10**11)] * 4)


@st.composite
def steps(draw):
    begin = draw(st.integers(0, 4000)) * MS
    # Some of no length, some that end before they begin, some over many ticks.
    length = draw(st.sampled_from([-5, 0, 1, 8, 30, 99, 100, 700, 2500])) * MS
    return Step(begin, begin + length, draw(st.dictionaries(NAMES, PART, max_size=5)))


@st.composite
def ticks(draw):
    now, found = draw(st.integers(0, 300)) * MS, []
    for _ in range(draw(st.integers(0, 25))):
        end = now + draw(st.sampled_from([0, 1, 49, 100, 101, 1500])) * MS
        energy = draw(st.integers(0, 10**6))
        idle = draw(st.integers(0, energy))
        loaded = draw(st.integers(0, energy - idle))
        found.append(Tick(now, end, energy, draw(st.integers(0, energy)), idle, loaded))
        # With holes, and with ticks of other devices beside it.
        now = draw(st.sampled_from([end, end, end, now, end + 40 * MS]))
    return found


TICKS = ticks()
STEPS = st.lists(steps(), max_size=25)


def portions(split):
    return {name: (part.energy_mj, part.estimated_mj) for name, part in split.requests.items()}


@settings(max_examples=150, deadline=None)
@given(TICKS, STEPS, COST)
def test_requests_and_idle_and_unattributed_are_the_ticks(found, ran, cost):
    split = share(found, ran, cost)

    assert split.energy_mj == sum(tick.energy_mj for tick in found)
    assert min(split.idle_mj, split.loaded_idle_mj, split.unattributed_mj) >= 0
    assert split.idle_mj <= sum(tick.idle_mj for tick in found)
    for part in split.requests.values():
        assert 0 <= part.estimated_mj <= part.energy_mj
    assert sum(part.estimated_mj for part in split.requests.values()) <= sum(tick.estimated_mj for tick in found)


@settings(max_examples=100, deadline=None)
@given(TICKS, STEPS, COST, st.randoms(use_true_random=False))
def test_no_order_and_no_repetition_changes_anything(found, ran, cost, chance):
    mixed = [*ran, *ran]
    chance.shuffle(mixed)
    turned = [Step(step.t0_ns, step.t1_ns, dict(reversed(step.requests.items()))) for step in mixed]
    shuffled = list(found)
    chance.shuffle(shuffled)

    assert portions(share(shuffled, turned, cost)) == portions(share(found, ran, cost))


@settings(max_examples=100, deadline=None)
@given(TICKS, STEPS, COST, st.integers(0, 25))
def test_two_windows_are_one(found, ran, cost, at):
    """Steps over the border are in both, as the agent keeps them."""
    whole, first, second = (share(part, ran, cost) for part in (found, found[:at], found[at:]))

    assert whole.idle_mj == first.idle_mj + second.idle_mj
    assert whole.unattributed_mj == first.unattributed_mj + second.unattributed_mj
    for name in whole.requests:
        parts = [split.requests[name].energy_mj for split in (first, second) if name in split.requests]
        assert whole.requests[name].energy_mj == sum(parts)


@settings(max_examples=100, deadline=None)
@given(STEPS, COST, st.permutations(["a", "b", "c", "d", "e"]))
def test_names_carry_no_energy(ran, cost, names):
    """Renaming requests renames their shares, but for the last millijoule of a tick, which goes by name."""
    other = dict(zip(["a", "b", "c", "d", "e"], names, strict=True))
    renamed = [
        Step(step.t0_ns, step.t1_ns, {other[name]: part for name, part in step.requests.items()}) for step in ran
    ]
    found = [Tick(at * 100 * MS, (at + 1) * 100 * MS, 10**6) for at in range(40)]
    mine, theirs = share(found, ran, cost), share(found, renamed, cost)
    for name, part in mine.requests.items():
        assert abs(theirs.requests[other[name]].energy_mj - part.energy_mj) <= len(found)


@given(st.integers(0, 10**12), st.dictionaries(st.text(max_size=3), st.integers(0, 10**15), max_size=8))
def test_the_largest_remainder_keeps_the_whole_and_is_fair(total, weights):
    shares = largest_remainder(total, weights)

    assert sum(shares.values()) == (total if weights else 0)
    whole = sum(weights.values())
    for name, weight in weights.items():
        if whole:
            assert abs(shares[name] * whole - total * weight) < whole


def test_who_is_equally_near_is_served_by_id():
    assert largest_remainder(5, {"b": 1, "c": 1, "a": 1}) == {"a": 2, "b": 2, "c": 1}


def test_a_request_weighs_an_even_part_of_the_step_and_its_own_cost():
    cost = Coefficients(step_nj=900, prefill_nj=2, decode_nj=50, context_nj=1)
    step = Step(
        0, 1, {"p": Scheduled(200, 0, "prefill"), "d": Scheduled(1, 40, "decode"), "e": Scheduled(1, 0, "decode")}
    )

    assert {name: weight >> 20 for name, weight in weights_of(step, cost).items()} == {"p": 700, "d": 390, "e": 350}


def test_the_weights_are_the_shapley_value_of_an_affine_step():
    """By definition: the mean over all orders of what a request adds when it comes."""
    from itertools import permutations

    cost = Coefficients(600, 3, 70, 1)
    parts = {"a": Scheduled(10, 5, "prefill"), "b": Scheduled(1, 30, "decode"), "c": Scheduled(1, 90, "decode")}

    def value(names):
        return (600 if names else 0) + sum(cost.marginal_nj(parts[name]) for name in names)

    orders = list(permutations(parts))
    for name, weight in weights_of(Step(0, 1, parts), cost).items():
        added = sum(value(order[: order.index(name) + 1]) - value(order[: order.index(name)]) for order in orders)
        assert weight == added * (1 << 20) // len(orders)


def test_a_step_over_two_ticks_counts_in_each_by_its_time_there():
    cost = Coefficients(1000, 0, 0, 0)
    found = [Tick(0, 100 * MS, 1000), Tick(100 * MS, 200 * MS, 1000)]
    ran = [
        Step(0, 75 * MS, {"a": Scheduled(1, 0, "decode")}),
        Step(75 * MS, 175 * MS, {"b": Scheduled(1, 0, "decode")}),
    ]
    split = share(found, ran, cost)

    # In the first tick all of a's step and a quarter of b's; in the second, only b.
    assert portions(split) == {"a": (800, 0), "b": (1200, 0)}


def test_all_steps_of_a_tick_count():
    alone = [Step(at * 25 * MS, (at + 1) * 25 * MS, {"a": Scheduled(1, 0, "decode")}) for at in range(3)]
    last = Step(75 * MS, 100 * MS, {"b": Scheduled(1, 0, "decode")})
    split = share([Tick(0, 100 * MS, 400)], [*alone, last], Coefficients(1, 0, 0, 0))

    assert portions(split) == {"a": (300, 0), "b": (100, 0)}


def test_a_tick_that_nobody_ran_in_is_idle_or_unattributed():
    split = share([Tick(0, 100 * MS, 500, idle_mj=200, loaded_idle_mj=100)], [], Coefficients(1, 1, 1, 1))

    assert (split.requests, split.idle_mj, split.loaded_idle_mj, split.unattributed_mj) == ({}, 200, 100, 200)


def test_of_a_tick_that_nobody_watched_only_the_covered_part_is_shared():
    ran = [Step(0, 500 * MS, {"a": Scheduled(1, 0, "decode")})]
    split = share([Tick(0, 2000 * MS, 1000)], ran, Coefficients(1, 0, 0, 0))

    assert portions(split) == {"a": (250, 0)}
    assert split.unattributed_mj == 750


def test_where_all_is_free_the_tokens_weigh():
    ran = [Step(0, 100 * MS, {"a": Scheduled(3, 0, "prefill"), "b": Scheduled(1, 0, "decode")})]

    assert portions(share([Tick(0, 100 * MS, 400)], ran, Coefficients(0, 0, 0, 0))) == {"a": (300, 0), "b": (100, 0)}
