"""What the store takes and gives back of windows: frozen values, as in records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from issuer.store.records import EmissionFactorType


class WindowEntry(Struct, frozen=True, kw_only=True):
    """A window to be stored. ``header`` is JCS, ``body`` the request in gzip or zstd, ``evidence`` the bytes by their digest."""

    node_id: str
    epoch: str
    sequence: int
    digest: str
    tenant_id: str
    issuer_slug: str
    header: bytes
    evidence: bytes
    evidence_digest: str
    enrolment_digest: str | None
    assurance: str
    record_count: int
    end_us: int
    received_us: int
    body: bytes
    nonce: str | None = None


class StoredWindow(Struct, frozen=True, kw_only=True):
    """A stored window without its request; ``flags`` is JSON."""

    id: int
    node_id: str
    epoch: str
    sequence: int
    digest: str
    tenant_id: str
    issuer_slug: str
    header: bytes
    evidence_digest: str
    enrolment_digest: str | None
    assurance: str
    record_count: int
    flags: str
    end_us: int
    received_us: int


Place: TypeAlias = tuple[str, int]
"""An inference id and the index of its record in the window. Plain: they come by the ten thousand."""


class TenantPlaces(Struct, frozen=True, kw_only=True):
    """Whose records of a window are, in the order of their leaves."""

    tenant_id: str
    places: Sequence[Place]


class ShareFurther(Struct, frozen=True, kw_only=True):
    """What they have besides, as canonical decimals; None is not stated (issuer.store.report_models)."""

    embodied: str | None = None
    market: str | None = None
    estimated: str | None = None
    margin: str | None = None
    requests: int | None = None
    tokens: int | None = None
    attribution: str | None = None


class Share(Struct, frozen=True, kw_only=True):
    """What the inferences of one tenant and model have of a window, as canonical decimals."""

    tenant_id: str
    model_id: str
    count: int
    energy_kwh: str
    operational_emissions_gco2e: str
    emission_factor_type: EmissionFactorType
    simulated: bool
    further: ShareFurther = ShareFurther()


class Settled(Struct, frozen=True, kw_only=True):
    """What follows from a window once its place in the chain is known: the node's next state and flags (JSON), shares."""

    chain_state: str
    flags: str
    shares: Sequence[Share]
