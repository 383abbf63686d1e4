"""What a report takes from a credential's document: columns of ``reported``. Pure, and the same for old documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from issuer.store.figures import parts_of
from issuer.store.report_models import COUNTS, FURTHER, PARTS
from issuer.store.window_records import ShareFurther
from schemas import decimals
from schemas.errors import MalformedValueError

_WINDOW_TYPE: Final = "GreenComputeWindowCredential"
_PERCENT: Final = -2
_DECIMALS: Final = 18

FULL_COVERAGE: Final = Decimal("0.99")
"""The share of its time that has to be measured for a full claim (decision 0013); below it a report says so."""

_BASIS: Final = {
    "region": "gridRegion",
    "source": "carbonIntensitySource",
    "year": "carbonIntensityYear",
    "tier": "carbonIntensityTier",
    "granularity": "carbonIntensityGranularity",
    "factor_type": "emissionFactorType",
    "gwp": "ipccCharacterizationFactors",
    "method": "measurementMethod",
    "claim_status": "claimStatus",
    "instrument": "marketBasedInstrument",
    "pue_kind": "pueKind",
    "intensity_percent": "standardUncertaintyIntensityPercent",
}
"""Members of the basis, and the terms that they are from."""


def reported(document: bytes, credential_type: str) -> dict[str, Any]:
    """Return the columns of a credential's row in ``reported``, but for its id, from its document's bytes.

    What the document does not state is None. So is everything of one that is none of our own kinds.
    """
    claims = _claims(document)
    columns: dict[str, Any] = {"basis": _basis(claims), "attribution": None}
    figures = {} if credential_type == _WINDOW_TYPE else _figures(claims)
    for figure in FURTHER:
        columns |= columns_of(figure, figures.get(figure))
    counts = {} if credential_type == _WINDOW_TYPE else _counts(claims)
    for name in COUNTS:
        columns[name] = counts.get(name)
    if credential_type != _WINDOW_TYPE:
        columns["attribution"] = claims.get("attributionMethod")
    return columns


def further_of_share(further: ShareFurther) -> dict[str, Any]:
    """Return the same columns of a window's share."""
    columns: dict[str, Any] = {"attribution": further.attribution, **{name: getattr(further, name) for name in COUNTS}}
    for figure in FURTHER:
        columns |= columns_of(figure, getattr(further, figure))
    return columns


def columns_of(figure: str, value: str | None) -> dict[str, int | None]:
    """Return the three columns of a figure, all None where it is not stated."""
    if value is None:
        return dict.fromkeys((f"{figure}_{part}" for part in PARTS), None)
    return {f"{figure}_{part}": number for part, number in parts_of(value)._asdict().items()}


def margin_of(energy_kwh: Decimal, percent: Decimal) -> str:
    """Return ``percent`` of an energy in kWh, rounded up to 18 decimals: what a report adds up of uncertainties."""
    exact = decimals.multiply(energy_kwh, percent).scaleb(_PERCENT, decimals.EXACT)
    rounded = decimals.round_half_even(exact, _DECIMALS)
    if rounded < exact:
        rounded = decimals.add(rounded, Decimal(1).scaleb(-_DECIMALS))
    return decimals.render(rounded)


def _claims(document: bytes) -> dict[str, str]:
    try:
        read = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    subject = read.get("credentialSubject") if isinstance(read, dict) else None
    if not isinstance(subject, dict):
        return {}
    return {name: value for name, value in subject.items() if isinstance(value, str)}


def _basis(claims: dict[str, str]) -> str | None:
    members = {name: claims[term] for name, term in _BASIS.items() if term in claims}
    if not members:
        return None
    if "embodiedEmissionsGco2e" in claims:
        members["embodied"] = "stated"
    coverage = claims.get("measurementCoverage")
    if coverage is not None:
        members["coverage"] = "full" if decimals.parse(coverage) >= FULL_COVERAGE else "reduced"
    # One spelling for one basis: sums group by the text.
    return msgspec.json.encode(dict(sorted(members.items()))).decode()


def _figures(claims: dict[str, str]) -> dict[str, str]:
    found = {
        figure: claims[term]
        for figure, term in (("embodied", "embodiedEmissionsGco2e"), ("market", "marketBasedEmissionsGco2e"))
        if term in claims
    }
    energy = claims.get("energyKwh")
    if energy is None:
        return found
    if "windowCredential" in claims:
        # Of a window's record it is always stated, and absent where it is nothing; of a posted one it never is.
        estimated = decimals.parse(claims.get("estimatedKwh", "0"))
        found["estimated"] = decimals.render(decimals.multiply(estimated, decimals.parse(claims.get("pue", "1"))))
    if "energyUncertaintyPercent" in claims:
        percent = decimals.parse(claims["energyUncertaintyPercent"])
        found["margin"] = margin_of(decimals.parse(energy), percent)
    return found


def _counts(claims: dict[str, str]) -> dict[str, int]:
    requests, read, generated = (_count(claims, term) for term in ("requestCount", "inputTokens", "outputTokens"))
    found = {} if requests is None else {"requests": requests}
    tokens = tokens_of(requests, read, generated)
    return found if tokens is None else found | {"tokens": tokens}


def tokens_of(requests: int | None, read: int | None, generated: int | None) -> int | None:
    """Return the tokens of one inference; None where they are not all stated.

    An earlier part of work that lasted over a window's end states none and counts no request: its last part does.
    """
    if read is not None and generated is not None:
        return read + generated
    return 0 if requests == 0 and read is None and generated is None else None


def _count(claims: dict[str, str], term: str) -> int | None:
    try:
        return decimals.parse_integer(claims[term]) if term in claims else None
    except MalformedValueError:
        return None
