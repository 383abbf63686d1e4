import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from issuer.completion import Completion, Resumed
from issuer.errors import LintError, MisdatedError, SignatureFaultError
from issuer.keyring import Keyring
from issuer.store.records import Reservation, Reserved
from schemas import times
from tests.fakes import issuer as fakes
from tests.fakes.did import signer
from tests.fakes.issuer import Works
from verifier.report import Outcome

REQUEST = Reservation(
    issuer_slug="root",
    tenant_id="acme",
    inference_id="inference-1",
    body_digest="d",
    now_us=times.to_microseconds(fakes.START),
    period_end_us=times.to_microseconds(fakes.START),
    emission_factor_type="lifecycle",
)


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


def completion(works: Works) -> Completion:
    keyring = Keyring(works.store, works.clock, works.keyholder)
    return Completion(works.store, keyring, works.clock, works.engines, self_verify=True)


def document(reserved: Reserved, **changes: object) -> bytes:
    credential = fakes.format_document("credential-minimal.vc11.json") | {"issuer": fakes.DID}
    url = "https://oracle.example/status/{}/" + reserved.list_id
    credential["credentialStatus"] |= {
        "id": f"{url.format('revocation')}#{reserved.index}",
        "statusListIndex": str(reserved.index),
        "statusListCredential": url.format("revocation"),
        "suspensionListCredential": url.format("suspension"),
    }
    return msgspec.json.encode(credential | changes)


async def reserve(works: Works, **changes: object) -> Reserved:
    return await works.store.credentials.reserve(REQUEST, lambda reserved: document(reserved, **changes))


async def complete(works: Works, reserved: Reserved) -> bytes | None:
    return (await completion(works).complete(reserved.id, "root", reserved.unsecured)).document


async def state_of(works: Works, reserved: Reserved) -> str:
    stored = await works.store.credentials.by_id(reserved.id, tenant_id=None)
    assert stored is not None
    return stored.state


async def test_a_reservation_is_completed_with_the_bytes_that_were_frozen(works: Works) -> None:
    reserved = await reserve(works)
    completed = await complete(works, reserved)
    assert completed is not None
    assert completed.startswith(reserved.unsecured[:-1])


async def test_completing_twice_keeps_the_first_document(works: Works) -> None:
    reserved = await reserve(works)
    assert await complete(works, reserved) == await complete(works, reserved)


async def test_a_document_that_fails_our_check_is_rejected_on_record_and_never_signed(works: Works) -> None:
    reserved = await reserve(works, issuanceDate="2026-11-20T20:01:04Z")
    with pytest.raises(LintError, match="issuanceDate"):
        await complete(works, reserved)
    assert await state_of(works, reserved) == "rejected"
    (entry,) = await works.store.log.page(target=reserved.id)
    assert entry.action == "reject"
    assert "issuanceDate" in entry.detail


async def test_a_rejected_inference_may_be_reserved_anew_with_a_fresh_id(works: Works) -> None:
    broken = await reserve(works, issuanceDate="2026-11-20T20:01:04Z")
    with pytest.raises(LintError):
        await complete(works, broken)
    fresh = await reserve(works)
    assert (fresh.id, fresh.index) != (broken.id, broken.index)
    assert await complete(works, fresh) is not None


async def test_a_signature_that_does_not_verify_leaves_the_reservation_for_later(works: Works) -> None:
    key = fakes.FaultySigner(signer("ES256"))
    works.keyholder.signers[fakes.KEY_URI] = key
    finishing = completion(works)
    first = await reserve(works)
    await finishing._keyring.active("root")  # the self-test at opening would find it
    key.broken = True
    with pytest.raises(SignatureFaultError):
        await finishing.complete(first.id, "root", first.unsecured)
    assert await state_of(works, first) == "reserved"


async def test_a_reservation_by_a_clock_that_ran_ahead_is_rejected(works: Works) -> None:
    reserved = await reserve(works, issuanceDate="2027-12-25T20:01:05Z")
    with pytest.raises(MisdatedError, match="ahead"):
        await complete(works, reserved)
    assert await state_of(works, reserved) == "rejected"


async def test_a_reservation_dated_a_minute_ahead_is_waited_for(works: Works) -> None:
    reserved = await reserve(works, issuanceDate="2026-11-20T20:02:05Z")
    completed = await complete(works, reserved)
    assert json.loads(completed or b"")["proof"]["created"] == "2026-11-20T20:02:05Z"


@pytest.mark.parametrize("unsecured", [b"", b"[]", b"{}", b'{"issuanceDate": 5}', b'{"issuanceDate": "today"}'])
async def test_frozen_bytes_without_a_date_are_rejected(works: Works, unsecured: bytes) -> None:
    reserved = await works.store.credentials.reserve(REQUEST, lambda _: unsecured)
    with pytest.raises(LintError):
        await completion(works).complete(reserved.id, "root", unsecured)
    assert await state_of(works, reserved) == "rejected"


async def test_resuming_issues_what_a_stopped_process_had_reserved(works: Works) -> None:
    raw, key = fakes.posted(), fakes.FaultySigner(signer("ES256"))
    works.keyholder.signers[fakes.KEY_URI] = key
    crashing = works.replica()
    await crashing.issue_telemetry(fakes.posted(inference_id="before"))
    key.broken = True
    with pytest.raises(SignatureFaultError):
        await crashing.issue_telemetry(raw)
    key.broken = False
    works.clock.advance(timedelta(days=30))
    assert await works.issuance.resume_pending() == Resumed(issued=1)
    issued = await works.issuance.issue_telemetry(raw)
    assert not issued.created
    assert (await works.verdict(issued.document)).outcome is Outcome.VERIFIED


async def test_resuming_goes_on_after_one_that_fails(works: Works) -> None:
    await reserve(works, issuanceDate="2026-11-20T20:01:04Z")
    other = msgspec.structs.replace(REQUEST, inference_id="inference-2")
    await works.store.credentials.reserve(other, document)
    assert await works.issuance.resume_pending() == Resumed(issued=1, rejected=1)


async def test_resuming_without_a_key_leaves_everything_for_the_next_time(works: Works) -> None:
    await reserve(works)
    await works.store.keys.retire("root", "key-1", now_us=0)
    assert await works.issuance.resume_pending() == Resumed(failed=1)
    assert len(await works.store.credentials.pending()) == 1


async def test_resuming_with_nothing_left_does_nothing(works: Works) -> None:
    assert await works.issuance.resume_pending() == Resumed()
