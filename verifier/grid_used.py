"""What a report says of the carbon intensity behind a credential: in members for programs, in one line for people."""

from __future__ import annotations

from msgspec import Struct

from schemas.credential import AnyCredential, GreenComputeSummaryCredential
from schemas.grid_data import GridData


class GridUsed(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The intensity that a credential claims, and what was seen behind it.

    ``zone`` to ``claim_status`` are the claims. ``year`` is an annual figure's, ``digest`` that of the slots; ``slots`` is
    how many there are and ``provider`` whose, absent where they were not at hand. ``line`` is all of it for a person.
    """

    zone: str
    gco2e_per_kwh: str
    source: str
    tier: str
    granularity: str
    factor_type: str
    claim_status: str
    line: str
    year: str | None = None
    digest: str | None = None
    provider: str | None = None
    slots: int | None = None


def grid_used(credential: AnyCredential | None, data: GridData | None) -> GridUsed | None:
    """Return what is shown of a credential's intensity, None where it has none of its own; ``data``: the slots, if seen."""
    if credential is None or isinstance(credential, GreenComputeSummaryCredential):
        return None
    subject = credential.credential_subject
    return GridUsed(
        zone=subject.grid_region,
        gco2e_per_kwh=subject.carbon_intensity_gco2e_per_kwh,
        source=subject.carbon_intensity_source,
        tier=subject.carbon_intensity_tier,
        granularity=subject.carbon_intensity_granularity,
        factor_type=subject.emission_factor_type,
        claim_status=subject.claim_status,
        line=_line(credential, data),
        year=subject.carbon_intensity_year,
        digest=subject.grid_data_digest,
        provider=None if data is None else data.provider,
        slots=None if data is None else len(data.slots),
    )


def _line(credential: AnyCredential, data: GridData | None) -> str:
    subject = credential.credential_subject
    if subject.carbon_intensity_year is not None:
        made_of = subject.carbon_intensity_year
    elif data is None:
        made_of = "slots not at hand"
    else:
        made_of = "1 slot" if len(data.slots) == 1 else f"{len(data.slots)} slots"
    stated = (
        subject.carbon_intensity_tier,
        subject.carbon_intensity_source,
        subject.carbon_intensity_granularity,
        made_of,
        subject.emission_factor_type,
    )
    figure = getattr(subject, "carbon_intensity_gco2e_per_kwh", None)
    kept = ", ".join(text for text in stated if text is not None)
    line = f"{subject.grid_region}, {figure} g/kWh ({kept})"
    return f"{line}, provisional" if subject.claim_status == "provisional" else line
