"""Whose the records of a window are, and what of its energy: sums of integers, thousands of records at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec import Struct

from issuer.carbon.factor import GridFactor
from issuer.errors import WindowTooLargeError
from issuer.store.records import NodeRecord, TenantRecord
from issuer.store.window_records import Place, Share, TenantPlaces
from schemas import decimals
from schemas.window_record import WindowRecord

TENANT_NOT_ALLOWED: Final = "tenant-not-allowed"
INFERENCE_REPEATED: Final = "inference-repeated"

MAX_SHARES: Final = 1_000
"""Pairs of a tenant and a model in one window: each is a row, and sums of its own."""

_PICO: Final = 12
_SHOWN: Final = 5


class Told(Struct, frozen=True):
    """One thing to tell of a window: its kind (verifier.attestation.chain_state.FlagKind or one of ours), in words."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The records of a window by tenant and model, each its index; ``foreign`` name a tenant that is not the node's."""

    groups: Mapping[tuple[str, str], Sequence[int]]
    places: Sequence[TenantPlaces]
    foreign: Sequence[int]


def make_plan(records: Sequence[WindowRecord], node: NodeRecord, tenants: Sequence[TenantRecord]) -> Plan:
    """Return whose each record is. ``tenants`` are the node's own and those that it may name.

    A record names a tenant by its subject or, where it has none, by its id. One that names nobody, or a tenant that
    this node may not work for, is the node's own tenant's: its energy was used, and nobody else is charged with it.

    Raises WindowTooLargeError where there are more models and tenants than MAX_SHARES.
    """
    named: dict[str | None, str] = {tenant.subject or tenant.id: tenant.id for tenant in tenants}
    named[None] = node.tenant_id
    keys = [(named.get(record.tenant_id, node.tenant_id), record.model_id) for record in records]
    foreign = [index for index, record in enumerate(records) if record.tenant_id not in named]
    groups: dict[tuple[str, str], Sequence[int]] = {}
    if len(set(keys)) == 1:
        groups[keys[0]] = range(len(records))
    else:
        lists: dict[tuple[str, str], list[int]] = {}
        for index, key in enumerate(keys):
            lists.setdefault(key, []).append(index)
        groups |= lists
    if len(groups) > MAX_SHARES:
        raise WindowTooLargeError(
            f"records: they name {len(groups)} models and tenants together; at most {MAX_SHARES} are taken in one window"
        )
    by_tenant: dict[str, list[int]] = {}
    for (tenant_id, _), indexes in groups.items():
        by_tenant.setdefault(tenant_id, []).extend(indexes)
    # In one order everywhere, as the store keeps it within a tenant: windows wait for each other, never in a circle.
    places = [TenantPlaces(tenant_id=name, places=_places(records, by_tenant[name])) for name in sorted(by_tenant)]
    return Plan(groups, places, foreign)


def _places(records: Sequence[WindowRecord], indexes: Sequence[int]) -> list[Place]:
    return [(records[index].inference_id, index) for index in sorted(indexes)]


def told(plan: Plan, records: Sequence[WindowRecord], known: AbstractSet[int]) -> list[Told]:
    """Return what is to be told of the records: foreign tenants, and inferences that were measured before."""
    found = []
    if plan.foreign:
        found.append(Told(TENANT_NOT_ALLOWED, f"records {_listed(plan.foreign)} name a tenant of others"))
    if known:
        names = ", ".join(records[index].inference_id for index in sorted(known)[:_SHOWN])
        found.append(Told(INFERENCE_REPEATED, f"{len(known)} records of inferences that were measured before: {names}"))
    return found


def shares_of(
    plan: Plan,
    records: Sequence[WindowRecord],
    known: AbstractSet[int],
    *,
    pue: Decimal | None,
    grid: GridFactor,
    simulated: bool,
) -> list[Share]:
    """Return each tenant's and model's part: exactly the sum of what single credentials of its inferences would say.

    Records whose inference was measured before count for nobody: the first one stands.
    """
    shares = []
    for (tenant_id, model_id), indexes in plan.groups.items():
        counted = [index for index in indexes if index not in known] if known else indexes
        if not counted:
            continue
        it_kwh = Decimal(sum([_pico_kwh(records[index]) for index in counted])).scaleb(-_PICO)
        energy_kwh = it_kwh if pue is None else decimals.multiply(it_kwh, pue)
        shares.append(
            Share(
                tenant_id=tenant_id,
                model_id=model_id,
                count=len(counted),
                energy_kwh=decimals.render(energy_kwh),
                operational_emissions_gco2e=decimals.render(decimals.multiply(energy_kwh, grid.gco2e_per_kwh)),
                emission_factor_type=grid.factor_type,
                simulated=simulated,
            )
        )
    return shares


def _pico_kwh(record: WindowRecord) -> int:
    """Return the IT energy in 1e-12 kWh: each boundary is rounded half-even as in a credential, a tie being impossible."""
    return (
        (record.accelerator_active_mj * 5000 + 9) // 18
        + ((record.accelerator_loaded_idle_mj + record.accelerator_idle_mj) * 5000 + 9) // 18
        + ((record.host_cpu_mj + record.host_dram_mj + record.host_other_mj) * 5000 + 9) // 18
        + (record.network_mj * 5000 + 9) // 18
    )


def _listed(indexes: Sequence[int]) -> str:
    shown = ", ".join(map(str, indexes[:_SHOWN]))
    return shown + (f" and {len(indexes) - _SHOWN} more" if len(indexes) > _SHOWN else "")
