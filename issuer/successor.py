"""The unsecured credential that comes in place of a provisional one: the same figures under the grid's settled data. Pure.

What was measured, and what was on file of the node then, is taken over from the document as it was issued: energy, PUE,
embodied and market-based claims, the components of the uncertainty. Changed are the grid's claims, the emissions that
they give, what the intensity adds to the uncertainty, and the credential's own id, status index and date.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from issuer import credential
from issuer.addresses import Addresses
from issuer.carbon.factor import GridFactor
from issuer.claims import uncertainty
from issuer.credential import ContextForm
from issuer.store.records import Reserved
from schemas import decimals, times
from schemas.strict_json import Json, JsonObject

_BUDGET: Final = ("Meter", "Timing", "Gaps", "Attribution", "Pue")
"""The components of the energy's uncertainty, as claims name them."""


class Succession(msgspec.Struct, frozen=True, kw_only=True):
    """In place of which document a new one comes, as it was issued, and under which factor; who issues it, and when."""

    old: JsonObject
    factor: GridFactor
    issuer_did: str
    issuance_date: datetime
    addresses: Addresses
    context_form: ContextForm = "inline"

    @property
    def energy_kwh(self) -> Decimal:
        """The energy: the old one's."""
        return decimals.parse(str(_subject(self.old)["energyKwh"]))

    @property
    def operational_emissions_gco2e(self) -> Decimal:
        """The emissions of that energy under the new factor, exact."""
        return decimals.multiply(self.energy_kwh, self.factor.gco2e_per_kwh)

    def document(self, reserved: Reserved) -> JsonObject:
        """Return the unsecured credential."""
        schema = self.old["credentialSchema"]
        if not isinstance(schema, dict):
            raise TypeError("a credential that was issued here names its schema")
        addresses = self.addresses
        return {
            "@context": credential.contexts(self.context_form),
            "id": addresses.credential(reserved.id),
            "type": self.old["type"],
            "issuer": self.issuer_did,
            "issuanceDate": times.render_seconds(self.issuance_date),
            "credentialSchema": credential.schema_reference(str(schema["id"])),
            "credentialStatus": credential.status_entry(reserved, addresses)
            | {"suspensionListCredential": addresses.status_list("suspension", reserved.list_id)},
            "credentialSubject": self._claims(),
            "evidence": self.old["evidence"],
        }

    def _claims(self) -> JsonObject:
        """Return the subject: members that there were stay in their places."""
        old = _subject(self.old)
        grid = credential.carbon_claims(self.factor, self.operational_emissions_gco2e)
        changed: dict[str, Json] = {**grid, **_uncertainty(old, self.factor.tier), "supersedes": self.old["id"]}
        return {name: value for name, value in (old | changed).items() if value is not None}


def _uncertainty(old: Mapping[str, Json], tier: str) -> dict[str, str]:
    """Return what a budget claims anew of the intensity; nothing where there was no budget."""
    if "standardUncertaintyIntensityPercent" not in old:
        return {}
    intensity = uncertainty.INTENSITY_PERCENT[tier]
    stated = [old.get(f"standardUncertainty{name}Percent") for name in _BUDGET]
    of_energy = [decimals.parse(text) for text in stated if isinstance(text, str)]
    return {
        "emissionsUncertaintyPercent": decimals.render(uncertainty.expanded(*of_energy, intensity)),
        "standardUncertaintyIntensityPercent": decimals.render(intensity),
    }


def _subject(document: JsonObject) -> JsonObject:
    subject = document["credentialSubject"]
    if not isinstance(subject, dict):
        raise TypeError("a credential that was issued here has a subject")
    return subject
