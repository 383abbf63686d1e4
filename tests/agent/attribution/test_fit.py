"""The small solver against every active set, and what the fit learns."""

import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.attribution.fit import FEWEST_TICKS, Fit, nonnegative_least_squares, observations
from agent.attribution.shares import Coefficients, Tick
from agent.attribution.steps import Scheduled, Step

MS = 1_000_000
ROW = st.tuples(*[st.floats(0, 100)] * 4, st.floats(-50, 500))


def normal_of(rows):
    normal = [[sum(row[i] * row[j] for row in rows) for j in range(4)] for i in range(4)]
    return normal, [sum(row[i] * row[4] for row in rows) for i in range(4)]


def cost_of(normal, moments, x):
    return sum(x[i] * normal[i][j] * x[j] for i in range(4) for j in range(4)) - 2 * sum(
        value * moment for value, moment in zip(x, moments, strict=True)
    )


def cramer(matrix, target):
    def det(rows):
        if len(rows) == 1:
            return rows[0][0]
        return sum((-1) ** j * rows[0][j] * det([row[:j] + row[j + 1 :] for row in rows[1:]]) for j in range(len(rows)))

    whole = det(matrix)
    if abs(whole) < 1e-9:
        return None
    return [
        det([[*row[:j], value, *row[j + 1 :]] for row, value in zip(matrix, target, strict=True)]) / whole
        for j in range(len(matrix))
    ]


def best_of_all_sets(normal, moments):
    """Solve each of the sixteen sets of unknowns that are not zero; take the best that is not negative."""
    best = [0.0] * 4
    for size in range(1, 5):
        for chosen in combinations(range(4), size):
            solved = cramer([[normal[i][j] for j in chosen] for i in chosen], [moments[i] for i in chosen])
            if solved and min(solved) >= 0:
                x = [0.0] * 4
                for index, value in zip(chosen, solved, strict=True):
                    x[index] = value
                best = min(best, x, key=lambda one: cost_of(normal, moments, one))
    return best


@settings(max_examples=300, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=12))
def test_no_active_set_is_better(rows):
    normal, moments = normal_of(rows)
    found = nonnegative_least_squares(normal, moments)

    assert min(found) >= 0
    brute = cost_of(normal, moments, best_of_all_sets(normal, moments))
    scale = sum(row[4] ** 2 for row in rows) + 1
    assert cost_of(normal, moments, found) <= brute + 1e-6 * scale


def test_an_unknown_that_would_be_negative_is_zero():
    rows = [(1, 2, 0, 0, 1), (1, 0, 1, 0, 9), (1, 1, 2, 0, 10), (1, 3, 1, 1, 2)]
    normal, moments = normal_of(rows)

    assert min(nonnegative_least_squares(normal, moments)) == 0
    assert nonnegative_least_squares(normal, moments) == pytest.approx(best_of_all_sets(normal, moments), abs=1e-6)


def engine(cost, ticks, *, noise=0.0, seed=1):
    """Return ticks of 100 ms whose energy is the ``cost`` of the steps in them."""
    chance = random.Random(seed)
    steps, now = [], 0
    while now < ticks * 100 * MS:
        end = now + chance.randrange(8, 40) * MS
        names = [f"r{number}" for number in range(chance.randrange(1, 9))]
        parts = {name: Scheduled(1, chance.randrange(4000), "decode") for name in names}
        if chance.random() < 0.3:
            parts["p"] = Scheduled(chance.randrange(1, 900), 0, "prefill")
        steps.append(Step(now, end, parts))
        now = end
    found = []
    for at in range(ticks):
        energy = 0.0
        for step in steps:
            overlap = min(step.t1_ns, (at + 1) * 100 * MS) - max(step.t0_ns, at * 100 * MS)
            if overlap > 0:
                whole = cost.step_nj + sum(cost.marginal_nj(part) for part in step.requests.values())
                energy += whole * overlap / (step.t1_ns - step.t0_ns) / 1e6
        found.append(Tick(at * 100 * MS, (at + 1) * 100 * MS, round(energy * (1 + chance.gauss(0, noise)))))
    return found, steps


COST = Coefficients(step_nj=20_000_000_000, prefill_nj=110_000_000, decode_nj=400_000_000, context_nj=80_000)


def test_what_an_affine_step_costs_is_learnt():
    ticks, steps = engine(COST, 200)
    fitted = Fit().learn(ticks, steps)

    for name in ("step_nj", "prefill_nj", "decode_nj", "context_nj"):
        assert getattr(fitted.cost, name) == pytest.approx(getattr(COST, name), rel=0.01)
    assert fitted.residual_ppm < 100
    assert fitted.ticks == 200


def test_the_residual_is_what_the_costs_do_not_explain():
    assert Fit().learn(*engine(COST, 400, noise=0.05)).residual_ppm == pytest.approx(50_000, rel=0.15)


def test_old_costs_are_forgotten():
    fit = Fit(half_life_s=5)
    before, steps = engine(COST, 300)
    fit.learn(before, steps)
    dear = Coefficients(*(2 * value for value in (COST.step_nj, COST.prefill_nj, COST.decode_nj, COST.context_nj)))
    after, more = engine(dear, 300, seed=2)
    later = 30_000 * MS
    moved = [Tick(one.t0_ns + later, one.t1_ns + later, one.energy_mj) for one in after]
    fitted = fit.learn(moved, [Step(one.t0_ns + later, one.t1_ns + later, one.requests) for one in more])

    assert fitted.cost.step_nj == pytest.approx(dear.step_nj, rel=0.05)


def test_the_same_observations_in_any_order_of_requests_teach_the_same():
    ticks, steps = engine(COST, 60, noise=0.03)
    turned = [Step(one.t0_ns, one.t1_ns, dict(reversed(one.requests.items()))) for one in reversed(steps)]

    assert Fit().learn(ticks, steps) == Fit().learn(list(reversed(ticks)), turned)


def test_too_little_teaches_nothing():
    ticks, steps = engine(COST, FEWEST_TICKS - 1)

    assert Fit().learn(ticks, steps) is None


def test_ticks_that_are_partly_idle_or_filled_in_are_no_observations():
    step = Step(0, 100 * MS, {"a": Scheduled(1, 0, "decode")})
    good, filled = Tick(0, 100 * MS, 5), Tick(0, 100 * MS, 5, estimated_mj=1)

    assert len(observations([good], [step])) == 1
    assert not observations([filled, Tick(0, 200 * MS, 5)], [step])


def test_a_constant_batch_has_a_cost_too():
    """Steps and tokens move together, so that only their sum is known: it is split, and stays finite."""
    parts = {name: Scheduled(1, 100, "decode") for name in "abcd"}
    steps = [Step(at * 20 * MS, (at + 1) * 20 * MS, parts) for at in range(500)]
    fitted = Fit().learn([Tick(at * 100 * MS, (at + 1) * 100 * MS, 5000) for at in range(100)], steps)

    cost = fitted.cost
    assert cost.step_nj + 4 * cost.decode_nj + 400 * cost.context_nj == pytest.approx(1000 * 10**6, rel=1e-4)
