"""Quotes of a TPM: none is made or checked yet, so none can lift what a claim is worth."""

from __future__ import annotations

from tests.attacks.catalogue import attack, waits
from tests.fakes.issuer import body, signed
from tests.issuer import conftest as running
from tests.vectors import ROOT

furnished, site_url, site = running.furnished, running.site_url, running.site

waits(
    "TPM quotes and enrolment",
    *("IQ002", "IQ003", "IQ005", "IQ006", "IQ007", "IQ009", "IQ010", "IQ011", "IQ012"),
)


@attack("IQ014", "documented residual risk; PCR/IMA evidence only")
async def test_a_node_that_lies_to_its_meter_gets_software_assurance_and_the_docs_say_so(expected, site):
    # What a preloaded library would make of an idle GPU: any figure below what the hardware can draw.
    invented = {"energy_kwh": "0.0000001", "method": "counter", "gpu_utilization": "1"}
    answer = await site.telemetry(**invented)
    assert answer.status_code == 201
    subject = answer.json()["credentialSubject"]
    assert subject["assurance"] == "software"
    for claim in ({"assurance": "tpm-hardware"}, {"quote": "AAAA"}, {"pcrs": {}}, {"hardware_id": "x"}):
        assert (await site.post("/api/v1/telemetry", signed(body(inference_id="i-2", **claim)))).status_code == 400
    # Beyond the hardware nothing is believed.
    assert (await site.telemetry(inference_id="i-3", energy_kwh="1")).status_code == 422
    threat_model = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert "LD_PRELOAD" in threat_model.partition("## What we do not defend against")[2]
    assert "that the meter told the truth" in (ROOT / "README.md").read_text(encoding="utf-8")
    expected.held()
