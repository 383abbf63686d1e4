"""From an emulated TPM's certificate to a credential of its windows, on both databases."""

import asyncio

from schemas.enrolment_record import parse_enrolment
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.tpm_site import token_for, tpm_node, trust
from tests.fakes.window_node import post_window


async def test_a_node_enrols_with_its_tpm_and_its_windows_are_certified(any_site, swtpm, manufactured, tmp_path):
    await trust(any_site, manufactured)
    node = tpm_node(swtpm.uri, tmp_path / "home")
    enrolled = await node.enrol(any_site, await token_for(any_site))
    assert enrolled.attestation == "tpm-emulated"
    first = await post_window(any_site, await asyncio.to_thread(node.body, nonce=node.nonces[0]))
    assert first.status_code == 201, first.text
    second = await post_window(any_site, await asyncio.to_thread(node.body))
    assert second.status_code == 201, second.text
    credential = (await any_site.client.get(second.json()["credential"].removeprefix(PUBLIC_URL))).json()
    subject, (evidence,) = credential["credentialSubject"], credential["evidence"]
    assert (subject["assurance"], subject["hardwareId"]) == ("tpm-emulated", enrolled.ek)
    assert evidence["type"] == ["TpmQuoteEvidence"]
    record = await any_site.client.get(f"/enrolments/{evidence['enrolmentDigest']}")
    assert parse_enrolment(record.content).ek == enrolled.ek
    single = await any_site.get("/api/v1/certificate/inference-0/vc", tenant="acme")
    assert single.status_code == 200, single.text
    assert single.json()["credentialSubject"]["assurance"] == "tpm-emulated"
