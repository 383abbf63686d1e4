import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from issuer.errors import (
    BadSignatureError,
    FutureTimestampError,
    ImplausibleEnergyError,
    KeyMismatchError,
    NodeRevokedError,
    NoSigningKeyError,
    StaleTimestampError,
    UnknownNodeError,
)
from issuer.keyring import Keyring
from issuer.store.errors import ConflictError
from issuer.store.records import Reservation
from schemas import times
from schemas.errors import MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.telemetry import parse_telemetry
from tests.fakes import issuer as fakes
from tests.fakes.did import signer
from tests.fakes.issuer import Works
from tests.vectors import FORMATS
from verifier.report import Outcome


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


def subject(document: bytes) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(document)["credentialSubject"]
    return claims


async def stored_count(works: Works) -> int:
    return len((await works.store.credentials.page(None)).rows) + len(await works.store.credentials.pending())


async def test_a_measured_record_becomes_a_credential_that_a_stranger_verifies(works: Works) -> None:
    issued = await works.issuance.issue_telemetry(fakes.posted())
    report = await works.verdict(issued.document)
    assert report.outcome is Outcome.VERIFIED, report
    assert issued.created
    assert json.loads(issued.document)["id"] == works.addresses.credential(issued.id)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "ES384", "PS256"])
async def test_each_kind_of_issuer_key_issues_what_verifies(tmp_path: Path, algorithm: Any) -> None:
    async with fakes.opened(tmp_path, algorithm=algorithm) as works:
        issued = await works.issuance.issue_telemetry(fakes.posted())
        assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def test_a_credential_with_the_context_by_url_verifies_too(works: Works) -> None:
    issued = await works.replica(context_form="url").issue_telemetry(fakes.posted())
    assert len(issued.document) < 4000
    assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def test_every_claim_of_a_node_with_a_pue_and_a_named_tenant_verifies(works: Works) -> None:
    await works.store.tenants.add("named", "root", "Named", "did:web:named.example", now_us=0)
    await works.store.nodes.add(
        fakes.node(
            8, tenant_id="named", pue="1.12", pue_kind="reported", pue_source="operator", accelerator_model="H100"
        )
    )
    raw = fakes.signed(fakes.body(node_id="node-8"), fakes.node_signer(8))
    issued = await works.issuance.issue_telemetry(raw)
    assert subject(issued.document)["tenantId"] == "did:web:named.example"
    assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def test_a_simulator_s_figures_are_refused_by_default_and_shown_when_allowed(works: Works) -> None:
    await works.store.nodes.add(fakes.node(8, simulated=True))
    issued = await works.issuance.issue_telemetry(fakes.signed(fakes.body(node_id="node-8"), fakes.node_signer(8)))
    assert subject(issued.document)["assurance"] == "simulated"
    assert (await works.verdict(issued.document)).problem == "SIMULATED_NOT_ALLOWED"
    assert (await works.verdict(issued.document, allow_simulated=True)).outcome is Outcome.VERIFIED


async def test_the_format_s_record_keeps_its_figures(works: Works) -> None:
    body = json.loads((FORMATS / "telemetry.json").read_bytes())
    del body["signature"]
    issued = await works.issuance.issue_telemetry(fakes.signed(body))
    expected = json.loads((FORMATS / "credential-minimal.vc11.json").read_bytes())["credentialSubject"]
    # The example is simulated and its subject's URL does not name the tenant.
    kept = expected.keys() - {"id", "assurance"}
    assert {name: subject(issued.document)[name] for name in kept} == {name: expected[name] for name in kept}


async def test_the_same_record_again_is_the_same_credential_however_late(works: Works) -> None:
    raw = fakes.posted()
    first = await works.issuance.issue_telemetry(raw)
    works.clock.advance(timedelta(days=300))
    again = await works.issuance.issue_telemetry(raw)
    assert (again.id, again.document) == (first.id, first.document)
    assert not again.created


async def test_the_same_body_signed_anew_is_the_same_credential(works: Works) -> None:
    first = await works.issuance.issue_telemetry(fakes.posted())
    raw = fakes.posted()
    again = await works.issuance.issue_telemetry(raw)
    assert again.document == first.document


@pytest.mark.parametrize("names", [{"model_id": "a\u00a0b"}, {"inference_id": "."}, {"inference_id": ".."}])
async def test_a_name_that_no_new_record_may_have_is_read_where_it_was_taken_before(
    works: Works, names: dict[str, str]
) -> None:
    raw = fakes.posted(**names)
    with pytest.raises(MalformedValueError):
        await works.issuance.issue_telemetry(raw)
    record = parse_telemetry(raw)
    reserved = await works.store.credentials.reserve(
        Reservation(
            issuer_slug="root",
            tenant_id="acme",
            inference_id=record.record.inference_id,
            body_digest=record.body_digest,
            now_us=0,
            period_end_us=0,
            emission_factor_type="direct",
        ),
        lambda _: b"{}",
    )
    await works.store.credentials.complete(reserved.id, b"as issued before", 0)
    assert (await works.issuance.issue_telemetry(raw)).document == b"as issued before"


async def test_another_body_under_the_same_inference_conflicts(works: Works) -> None:
    await works.issuance.issue_telemetry(fakes.posted())
    with pytest.raises(ConflictError, match="another"):
        await works.issuance.issue_telemetry(fakes.posted(energy_kwh="0.00073"))


async def test_two_tenants_may_use_the_same_inference_id(works: Works) -> None:
    await works.store.tenants.add("umbra", "root", "Umbra", now_us=0)
    await works.store.nodes.add(fakes.node(8, tenant_id="umbra"))
    first = await works.issuance.issue_telemetry(fakes.posted())
    other = await works.issuance.issue_telemetry(fakes.signed(fakes.body(node_id="node-8"), fakes.node_signer(8)))
    assert first.id != other.id
    assert subject(first.document)["id"] != subject(other.document)["id"]


async def test_the_same_record_at_once_from_two_processes_is_one_credential(works: Works) -> None:
    issuances = [works.issuance, works.replica(), works.replica()]
    raw = fakes.posted()
    answers = await asyncio.gather(*(issuance.issue_telemetry(raw) for issuance in issuances * 2))
    assert len({answer.document for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert await stored_count(works) == 1


async def test_many_records_at_once_have_indexes_of_their_own(works: Works) -> None:
    raws = [fakes.posted(inference_id=f"inference-{number}") for number in range(6)]
    answers = await asyncio.gather(*map(works.issuance.issue_telemetry, raws))
    entries = [json.loads(answer.document)["credentialStatus"]["id"] for answer in answers]
    assert len(set(entries)) == 6


async def test_an_unknown_node_is_told_so(works: Works) -> None:
    with pytest.raises(UnknownNodeError, match="enrol"):
        await works.issuance.issue_telemetry(fakes.posted(node_id="node-99"))


async def test_a_wrong_signature_gets_nothing_not_even_an_existing_credential(works: Works) -> None:
    await works.issuance.issue_telemetry(fakes.posted())
    with pytest.raises(BadSignatureError):
        await works.issuance.issue_telemetry(fakes.signed(fakes.body(), fakes.node_signer(8)))


async def test_a_revoked_node_is_refused_and_the_refusal_recorded(works: Works) -> None:
    await works.issuance.issue_telemetry(fakes.posted())
    await works.store.nodes.revoke("node-7")
    with pytest.raises(NodeRevokedError):
        await works.issuance.issue_telemetry(fakes.posted(inference_id="inference-2"))
    (entry,) = await works.store.log.page(target="inference-2")
    assert (entry.actor, entry.action) == ("node:node-7", "refuse")


async def test_a_stranger_cannot_fill_the_log_in_a_revoked_node_s_name(works: Works) -> None:
    await works.store.nodes.revoke("node-7")
    before = len(await works.store.log.page())
    with pytest.raises(NodeRevokedError):
        await works.issuance.issue_telemetry(fakes.signed(fakes.body(), fakes.node_signer(8)))
    assert len(await works.store.log.page()) == before


async def test_whoever_has_a_revoked_node_s_key_cannot_fill_the_log_either(works: Works) -> None:
    await works.store.nodes.revoke("node-7")
    for number in range(30):
        with pytest.raises(NodeRevokedError):
            await works.issuance.issue_telemetry(fakes.posted(inference_id=f"inference-{number}"))
    assert len([entry for entry in await works.store.log.page() if entry.action == "refuse"]) == 10


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"timestamp": "2026-11-13T20:01:05Z"}, StaleTimestampError),
        ({"timestamp": "1970-01-01T00:00:00Z"}, StaleTimestampError),
        ({"timestamp": "2026-11-20T20:02:06Z"}, FutureTimestampError),
        ({"timestamp": "9999-12-31T23:59:59Z"}, FutureTimestampError),
        ({"energy_kwh": "1"}, ImplausibleEnergyError),
        ({"timestamp": "2026-11-20T20:01:04"}, SchemaInvalidError),
        ({"timestamp": "2026-11-20T20:01:04+00:00"}, SchemaInvalidError),
        ({"energy_kwh": -1}, MalformedValueError),
        ({"energy_kwh": True}, SchemaInvalidError),
        ({"energy_kwh": 1e300}, MalformedValueError),
        ({"model_id": "<img onerror=x>"}, SchemaInvalidError),
        ({"model_id": "{{7*7}}"}, SchemaInvalidError),
        ({"inference_id": "../x"}, SchemaInvalidError),
        ({"unknown": "x"}, SchemaInvalidError),
    ],
)
async def test_a_record_that_cannot_be_reserves_nothing(works: Works, changes: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        await works.issuance.issue_telemetry(fakes.posted(**changes))
    assert await stored_count(works) == 0


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", ParsingError),
        (b"[]", ParsingError),
        (b'{"node_id": "node-7"', ParsingError),
        (b'{"a": NaN}', ParsingError),
        (b"\xff\xfe", ParsingError),
        (b'{"node_id": "a", "node_id": "b"}', ParsingError),
        (b'{"a":' * 100 + b"1" + b"}" * 100, ResourceLimitError),
        (b" " * 20_000, ResourceLimitError),
    ],
)
async def test_bytes_that_are_no_record_are_refused_at_the_gate(works: Works, raw: bytes, error: type) -> None:
    with pytest.raises(error):
        await works.issuance.issue_telemetry(raw)


async def test_a_record_ahead_of_our_clock_is_dated_and_signed_when_it_has_ended(works: Works) -> None:
    end = fakes.START + timedelta(seconds=30.1)
    issued = await works.issuance.issue_telemetry(fakes.posted(timestamp=times.render_claim(end)))
    document = json.loads(issued.document)
    assert document["issuanceDate"] == "2026-11-20T20:01:36Z"
    assert document["proof"]["created"] == "2026-11-20T20:01:36Z"
    assert works.clock.slept_until == [times.parse_seconds("2026-11-20T20:01:36Z")]


async def test_a_record_of_the_past_is_dated_now_and_waits_for_nothing(works: Works) -> None:
    issued = await works.issuance.issue_telemetry(fakes.posted(timestamp="2026-11-19T20:00:00Z"))
    assert json.loads(issued.document)["issuanceDate"] == "2026-11-20T20:01:05Z"
    assert works.clock.slept_until == []


async def test_a_crash_before_signing_is_mended_by_the_client_s_retry(works: Works) -> None:
    raw, key = fakes.posted(), fakes.FaultySigner(signer("ES256"))
    works.keyholder.signers[fakes.KEY_URI] = key
    crashing = works.replica()
    await Keyring(works.store, works.clock, works.keyholder).active("root")
    reserved = await reserve_only(crashing, key, raw, works)
    issued = await works.issuance.issue_telemetry(raw)
    assert issued.id == reserved
    assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def reserve_only(issuance: Any, key: fakes.FaultySigner, raw: bytes, works: Works) -> str:
    """Stop an issuing right after its reservation, by a signer that errs; return the reserved id."""
    other = fakes.posted(inference_id="warm-up")
    await issuance.issue_telemetry(other)
    key.broken = True
    with pytest.raises(Exception, match="nothing was issued"):
        await issuance.issue_telemetry(raw)
    key.broken = False
    (row,) = await works.store.credentials.pending()
    return row.id


async def test_without_a_working_key_nothing_is_reserved(works: Works) -> None:
    works.keyholder.signers[fakes.KEY_URI] = signer("ES256", 50)
    with pytest.raises(KeyMismatchError):
        await works.replica().issue_telemetry(fakes.posted())
    await works.store.keys.retire("root", "key-1", now_us=0)
    with pytest.raises(NoSigningKeyError):
        await works.issuance.issue_telemetry(fakes.posted())
    assert await stored_count(works) == 0


async def test_a_rotation_between_two_records_changes_the_key_and_nothing_else(works: Works) -> None:
    first = await works.issuance.issue_telemetry(fakes.posted())
    works.keyholder.signers["memory:2"] = signer("EdDSA", 2)
    await works.keyring.rotate("root", "key-2", "memory:2")
    second = await works.issuance.issue_telemetry(fakes.posted(inference_id="inference-2"))
    methods = [json.loads(issued.document)["proof"]["verificationMethod"] for issued in (first, second)]
    assert methods == [f"{fakes.DID}#key-1", f"{fakes.DID}#key-2"]
    for issued in (first, second):
        assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def test_a_revoked_credential_is_refused_and_its_neighbour_is_not(works: Works) -> None:
    first = await works.issuance.issue_telemetry(fakes.posted())
    second = await works.issuance.issue_telemetry(fakes.posted(inference_id="inference-2"))
    now_us = times.to_microseconds(works.clock.now())
    await works.store.status.revoke(first.id, "test", "tester", now_us, tenant_id=None)
    assert (await works.verdict(first.document)).problem == "REVOKED"
    assert (await works.verdict(second.document)).outcome is Outcome.VERIFIED


async def test_the_store_sums_what_the_credentials_say(works: Works) -> None:
    for number in range(3):
        await works.issuance.issue_telemetry(fakes.posted(inference_id=f"inference-{number}"))
    totals = await works.store.credentials.emissions("acme")
    assert (totals.measured.count, totals.measured.energy_kwh) == (3, Decimal("0.002187"))
