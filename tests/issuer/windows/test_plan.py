"""Whose the records of a window are, and that sums of shares are sums of single credentials."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.carbon import factor, table
from issuer.carbon.window import boundaries_of
from issuer.store.records import TenantRecord
from issuer.windows.plan import MAX_TOLD_TENANTS, make_plan, shares_of, told
from schemas import decimals
from schemas.window_record import ENERGIES, decode_record
from tests.fakes.issuer import node
from tests.fakes.soft_tpm import canonical, record

OWN = TenantRecord(id="acme", issuer_slug="root", name="Acme", subject="did:web:acme.example", created_us=0)
OTHER = TenantRecord(id="umbra", issuer_slug="root", name="Umbra", subject=None, created_us=0)
CAMX = factor.of_table(table.find("CAMX"))


def read(number, **changes):
    return decode_record(canonical(record(number, **({"tenant_id": ...} | changes))))


def shares(records, pue=None, known=frozenset()):
    plan = make_plan(records, node(), [OTHER, OWN])
    return shares_of(plan, records, known, pue=pue, grid=CAMX, simulated=False)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(ENERGIES, st.integers(0, 10**12))), min_size=1, max_size=5))
@pytest.mark.parametrize("pue", [None, Decimal("1.123")])
def test_a_share_is_exactly_the_sum_of_single_credentials(pue, energies):
    records = [read(number, **one) for number, one in enumerate(energies)]
    (share,) = shares(records, pue)
    it_kwh = decimals.add(*(boundaries_of(one).it_kwh for one in records))
    energy_kwh = it_kwh if pue is None else decimals.multiply(it_kwh, pue)
    assert share.energy_kwh == decimals.render(energy_kwh)
    assert share.operational_emissions_gco2e == decimals.render(decimals.multiply(energy_kwh, CAMX.gco2e_per_kwh))
    assert share.count == len(records)


def test_a_record_is_the_tenants_that_it_names_else_the_nodes():
    records = [read(0), read(1, tenant_id="umbra"), read(2, tenant_id="did:web:acme.example"), read(3, tenant_id="x")]
    plan = make_plan(records, node(), [OTHER, OWN])
    assert {one.tenant_id: [index for _, index in one.places] for one in plan.places} == {
        "acme": [0, 2, 3],
        "umbra": [1],
    }
    found = told(plan, records, frozenset({2}), node())
    assert [one.kind for one in found] == ["tenant-not-allowed", "inference-repeated"]


def test_a_tenants_records_are_in_the_order_of_their_leaves_whatever_their_models():
    records = [read(0), read(1, model_id="other/model"), read(2)]
    (own,) = make_plan(records, node(), [OTHER, OWN]).places
    assert [index for _, index in own.places] == [0, 1, 2]


def test_a_tenant_with_a_subject_is_named_by_its_id_as_well():
    plan = make_plan([read(0, tenant_id="acme"), read(1, tenant_id=OWN.subject)], node(), [OTHER, OWN])
    assert list(plan.foreign) == []
    assert list(plan.groups[("acme", read(0).model_id)]) == [0, 1]


def test_of_tenants_that_share_a_subject_the_nodes_own_is_meant_and_each_id_means_its_own():
    shared = TenantRecord(id="umbra", issuer_slug="root", name="Umbra", subject=OWN.subject, created_us=0)
    records = [read(0, tenant_id=OWN.subject), read(1, tenant_id="umbra")]
    plan = make_plan(records, node(), [shared, OWN])
    assert {tenant: list(indexes) for (tenant, _), indexes in plan.groups.items()} == {"acme": [0], "umbra": [1]}


def test_the_flag_names_inferences_the_tenant_as_named_and_the_operators_command():
    records = [read(number, tenant_id="nosuch") for number in range(7)] + [read(7, tenant_id="umbra")]
    plan = make_plan(records, node(), [OWN])
    (flag,) = told(plan, records, frozenset(), node())
    shown = ", ".join(one.inference_id for one in records[:5])
    assert f"nosuch (inferences {shown} and 2 more), umbra (inferences {records[7].inference_id})" in flag.detail
    assert "8 records name a tenant for whom this node may not work, and count for acme" in flag.detail
    assert flag.detail.endswith(f"green-issuer nodes tenants allow {node().id} nosuch")


def test_the_flag_for_a_subject_says_where_its_tenants_id_is_found():
    records = [read(0, tenant_id="did:web:umbra.example")]
    (flag,) = told(make_plan(records, node(), [OWN]), records, frozenset(), node())
    assert f"nodes tenants allow {node().id} TENANT (green-issuer tenants list" in flag.detail


def test_a_node_is_told_the_names_that_it_may_use_unless_they_are_too_many():
    assert make_plan([read(0)], node(), [OTHER, OWN]).names == ["acme", OWN.subject, "umbra"]
    many = [
        TenantRecord(id=f"t-{number}", issuer_slug="root", name="T", subject=None, created_us=0)
        for number in range(MAX_TOLD_TENANTS)
    ]
    assert make_plan([read(0)], node(), [*many[1:], OWN]).names is not None
    assert make_plan([read(0)], node(), [*many, OWN]).names is None


def test_what_was_measured_before_counts_for_nobody():
    records = [read(0), read(1, model_id="other/model")]
    assert [one.model_id for one in shares(records, known=frozenset({0}))] == ["other/model"]
    assert shares(records, known=frozenset({0, 1})) == []
