"""Sums over windows: nothing is lost at a cut, and labels are bounded."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.sums import OTHER, Whose, WindowSums
from tests.fakes.agent_windows import measured, record


def test_kinds_add_up_to_what_all_counters_moved():
    sums = WindowSums()
    windows = [measured(number, records=number % 4) for number in range(20)]
    for window in windows:
        sums.add(replace(window, idle_mj=7, unattributed_mj=window.unattributed_mj - 10, loaded_idle_mj=3))
    now = sums.now()

    assert sum(now.by_kind.values()) == sum(now.by_device.values()) == 20_000
    assert sum(use.energy_mj for use in now.by_work.values()) == now.by_kind["active"]
    assert now.windows == 20


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 10**6)), max_size=40))
def test_work_beyond_the_first_models_and_tenants_is_other_and_nothing_is_lost(works):
    sums = WindowSums(max_pairs=3)
    records = []
    for number, (model, tenant, energy_mj) in enumerate(works):
        plain = record(number, start_us=0, end_us=1, energy_mj=energy_mj)
        changes = {"model_id": f"m{model}", "tenant_id": f"t{tenant}", "input_tokens": 2}
        records.append(type(plain)(**{name: getattr(plain, name) for name in plain.__struct_fields__} | changes))
    sums.add(replace(measured(0, records=0), records=tuple(records)))
    now = sums.now()

    assert len(now.by_work) <= 4
    assert sum(use.energy_mj for use in now.by_work.values()) == sum(energy_mj for _, _, energy_mj in works)
    assert sum(use.requests for use in now.by_work.values()) == len(works)
    assert sum(use.input_tokens for use in now.by_work.values()) == 2 * len(works)
    if len({work[:2] for work in works}) > 3:
        assert Whose(OTHER, OTHER) in now.by_work


def test_what_was_read_does_not_change_afterwards():
    sums = WindowSums()
    sums.add(measured(0))
    before = sums.now()
    sums.add(measured(1))

    assert before.windows == 1
    assert sum(before.by_kind.values()) == 1000
    assert {use.requests for use in before.by_work.values()} == {2}
