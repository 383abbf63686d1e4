"""What a credential says: the claims of one inference or job, of one window, of a summary.

Every value is the text as it was signed (schemas.decimals and schemas.times read it); ``None`` means
"not stated", never zero. schemas.terms has the rules, FORMATS.md "Terms" the meanings.
"""

from __future__ import annotations

from msgspec import Struct


def json_name(field: str) -> str:
    """Return the member name of a Struct's field: ``market_based_emissions_gco2e`` gives ``marketBasedEmissionsGco2e``."""
    first, *rest = field.split("_")
    # msgspec's own "camel" makes "Gco2E" of it.
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


class Claims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename=json_name):
    """The claims that all three types share: period, energy, emissions, method, uncertainty."""

    id: str
    period_end: str
    accelerator_active_kwh: str
    energy_kwh: str
    operational_emissions_gco2e: str
    claim_status: str
    measurement_method: str
    assurance: str
    period_start: str | None = None
    accelerator_idle_kwh: str | None = None
    host_kwh: str | None = None
    network_kwh: str | None = None
    facility_overhead_kwh: str | None = None
    estimated_kwh: str | None = None
    pue: str | None = None
    pue_kind: str | None = None
    pue_source: str | None = None
    grid_region: str | None = None
    carbon_intensity_source: str | None = None
    carbon_intensity_year: str | None = None
    grid_data_digest: str | None = None
    carbon_intensity_granularity: str | None = None
    carbon_intensity_tier: str | None = None
    emission_factor_type: str | None = None
    ipcc_characterization_factors: str | None = None
    embodied_emissions_gco2e: str | None = None
    market_based_intensity_gco2e_per_kwh: str | None = None
    market_based_emissions_gco2e: str | None = None
    market_based_instrument: str | None = None
    measurement_coverage: str | None = None
    largest_gap_seconds: str | None = None
    energy_uncertainty_percent: str | None = None
    emissions_uncertainty_percent: str | None = None
    standard_uncertainty_meter_percent: str | None = None
    standard_uncertainty_timing_percent: str | None = None
    standard_uncertainty_gaps_percent: str | None = None
    standard_uncertainty_attribution_percent: str | None = None
    standard_uncertainty_pue_percent: str | None = None
    standard_uncertainty_intensity_percent: str | None = None
    input_tokens: str | None = None
    output_tokens: str | None = None
    request_count: str | None = None
    supersedes: str | None = None


class GreenComputeSubject(Claims, frozen=True, kw_only=True):
    """One inference or one job; ``id`` is its URL."""

    model_id: str
    node_id: str
    grid_region: str
    carbon_intensity_gco2e_per_kwh: str
    carbon_intensity_source: str
    carbon_intensity_granularity: str
    carbon_intensity_tier: str
    emission_factor_type: str
    inference_id: str | None = None
    job_id: str | None = None
    hardware_id: str | None = None
    accelerator_model: str | None = None
    tenant_id: str | None = None
    tenant_commitment: str | None = None
    duration_seconds: str | None = None
    attribution_method: str | None = None
    marginal_intensity_gco2e_per_kwh: str | None = None
    marginal_emissions_gco2e: str | None = None
    functional_unit: str | None = None
    functional_unit_count: str | None = None
    window_credential: str | None = None


class WindowSubject(Claims, frozen=True, kw_only=True):
    """One signed telemetry window of one node: totals and the Merkle root over its records."""

    node_id: str
    accelerator_id: tuple[str, ...]
    period_start: str
    duration_seconds: str
    accelerator_idle_kwh: str
    unattributed_kwh: str
    grid_region: str
    carbon_intensity_gco2e_per_kwh: str
    carbon_intensity_source: str
    carbon_intensity_granularity: str
    carbon_intensity_tier: str
    emission_factor_type: str
    measurement_coverage: str
    largest_gap_seconds: str
    window_sequence: str
    boot_epoch: str
    window_digest: str
    record_count: str
    records_merkle_root: str
    freshness: str
    hardware_id: str | None = None
    accelerator_model: str | None = None
    attribution_method: str | None = None
    previous_window_digest: str | None = None


class SummarySubject(Claims, frozen=True, kw_only=True):
    """A period of a tenant or model: sums over its member credentials and the Merkle root over them."""

    period_start: str
    credential_count: str
    credentials_merkle_root: str
    model_id: str | None = None
    tenant_id: str | None = None
    tenant_commitment: str | None = None
    functional_unit: str | None = None
    functional_unit_count: str | None = None
