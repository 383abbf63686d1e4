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
from issuer.tenant_id import TENANT_ID
from issuer.windows.share_figures import Whole, further_of
from schemas import decimals
from schemas.window_record import WindowRecord

TENANT_NOT_ALLOWED: Final = "tenant-not-allowed"
INFERENCE_REPEATED: Final = "inference-repeated"

MAX_TOLD_TENANTS: Final = 100
"""A node is told the names of so many tenants in an answer; where it may name more, none."""

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
    """The records of a window by tenant and model, each its index; ``foreign`` name a tenant that is not the node's.

    ``names`` is what tenant_names says.
    """

    groups: Mapping[tuple[str, str], Sequence[int]]
    places: Sequence[TenantPlaces]
    foreign: Sequence[int]
    names: Sequence[str] | None = None


def tenant_names(tenants: Sequence[TenantRecord]) -> Sequence[str] | None:
    """Return what a record may say for these tenants, ids and subjects; None where they are too many to be told."""
    if len(tenants) > MAX_TOLD_TENANTS:
        return None
    return sorted({name for tenant in tenants for name in (tenant.id, tenant.subject) if name is not None})


def make_plan(records: Sequence[WindowRecord], node: NodeRecord, tenants: Sequence[TenantRecord]) -> Plan:
    """Return whose each record is. ``tenants`` are the node's own and those that it may name.

    A record names a tenant by its subject or by its id; no id can be another's subject, which has a colon. Of tenants
    that share a subject, the last of ``tenants`` is meant. One that names nobody, or a tenant that this node may not
    work for, is the node's own tenant's: its energy was used, and nobody else is charged with it.

    Raises WindowTooLargeError where there are more models and tenants than MAX_SHARES.
    """
    named: dict[str | None, str] = {tenant.subject: tenant.id for tenant in tenants}
    named |= {tenant.id: tenant.id for tenant in tenants}
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
    return Plan(groups, places, foreign, tenant_names(tenants))


def _places(records: Sequence[WindowRecord], indexes: Sequence[int]) -> list[Place]:
    return [(records[index].inference_id, index) for index in sorted(indexes)]


def told(plan: Plan, records: Sequence[WindowRecord], known: AbstractSet[int], node: NodeRecord) -> list[Told]:
    """Return what is to be told of the records: foreign tenants, and inferences that were measured before."""
    found = []
    if plan.foreign:
        found.append(Told(TENANT_NOT_ALLOWED, _foreign(plan, records, node)))
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
    whole: Whole | None = None,
) -> list[Share]:
    """Return each tenant's and model's part: exactly the sum of what single credentials of its inferences would say.

    Records whose inference was measured before count for nobody: the first one stands. Without the ``whole`` window
    only their energy and location-based emissions are stated.
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
                further=further_of([records[index] for index in counted], energy_kwh, whole),
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


def _foreign(plan: Plan, records: Sequence[WindowRecord], node: NodeRecord) -> str:
    """Return which inferences name whom, for whom they count, and the command that lets them count for whom they name."""
    by_name: dict[str, list[str]] = {}
    for index in plan.foreign:
        by_name.setdefault(records[index].tenant_id or "", []).append(records[index].inference_id)
    named = [f"{name} (inferences {_listed(by_name[name])})" for name in by_name]
    first = next(iter(by_name))
    tenant = first if TENANT_ID.fits(first) else "TENANT"
    where = "" if tenant == first else " (green-issuer tenants list has the id of whose subject it is)"
    return (
        f"{len(plan.foreign)} records name a tenant for whom this node may not work, and count for {node.tenant_id}: "
        f"{_listed(named)}; to let later ones count: green-issuer nodes tenants allow {node.id} {tenant}{where}"
    )


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:_SHOWN])
    return shown + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
