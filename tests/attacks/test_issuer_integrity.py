"""One record, one credential: kills, clocks, keys, deploys and backups that would make it two, none or another."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from datetime import datetime, timedelta

import pytest
import structlog

from did.documents import parse_document
from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer.app import running as running_service
from issuer.errors import KeyMismatchError, MisdatedError, SignatureFaultError
from issuer.keyring import Keyring
from issuer.store import Store
from issuer.store.records import Reservation
from schemas import strict_json, times
from schemas.telemetry import parse_telemetry
from tests.attacks.catalogue import attack, of_response, waits
from tests.fakes import issuer as fakes
from tests.fakes import site as sites
from tests.fakes.did import signer as signer_for
from tests.fakes.issuer import PUBLIC_URL, START, posted
from tests.fakes.stored import furnish, issued
from tests.issuer import conftest as running
from verifier.rdf.canonicalize import InProcess
from verifier.suites import json_web_signature_2020

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site = running.site

waits("transparency log", "IR005", "IR006")


@pytest.fixture
async def works(tmp_path):
    """A whole issuer without its service."""
    async with fakes.opened(tmp_path) as made:
        yield made


async def test_what_each_attack_begins_from_is_issued_and_verifies(works):
    issued_one = await works.issuance.issue_telemetry(posted())
    assert (await works.verdict(issued_one.document)).outcome.value == "verified"


@attack("IR001", "refuse to sign + alert")
async def test_what_our_own_verifier_refuses_is_never_signed_and_the_operator_is_told(expected, site):
    # What stands reserved says another energy than it adds up to, as a fault of ours in the arithmetic would.
    honest = strict_json.parse_object((await site.telemetry()).content)
    del honest["proof"]
    raw = posted(inference_id="inference-2")
    store = site.store()

    def miscalculated(reserved):
        subject = honest["credentialSubject"] | {"operationalEmissionsGco2e": "1", "inferenceId": "inference-2"}
        status = honest["credentialStatus"] | _named(honest, reserved)
        named = {"id": f"{PUBLIC_URL}/credentials/{reserved.id}"}
        return json.dumps(honest | named | {"credentialSubject": subject, "credentialStatus": status}).encode()

    reserved = await store.credentials.reserve(_reservation(raw, "inference-2"), miscalculated)
    with structlog.testing.capture_logs() as events:
        answer = await site.post("/api/v1/telemetry", raw)
    assert answer.status_code == 500
    assert "operationalEmissions" not in answer.text
    assert [event for event in events if event["log_level"] == "critical" and "own check" in event["event"]]
    rejected = await store.credentials.by_id(reserved.id, tenant_id=None)
    assert (rejected.state, rejected.document) == ("rejected", None)
    assert rejected.revoked_us is not None
    (entry,) = await store.log.page(target=reserved.id)
    assert entry.action == "reject"
    assert "operationalEmissionsGco2e" in entry.detail
    await store.close()
    # The record itself is as good as ever.
    again = await site.post("/api/v1/telemetry", raw)
    assert again.status_code == 201
    assert again.json()["id"].rpartition("/")[2] != reserved.id
    expected.held()


def _named(honest, reserved):
    listed = honest["credentialStatus"]["statusListCredential"]
    return {"statusListIndex": str(reserved.index), "id": f"{listed}#{reserved.index}"}


def _reservation(raw, inference_id):
    parsed = parse_telemetry(raw)
    return Reservation(
        issuer_slug="root",
        tenant_id="acme",
        inference_id=inference_id,
        body_digest=parsed.body_digest,
        now_us=times.to_microseconds(START),
        period_end_us=times.to_microseconds(parsed.record.timestamp),
        node_id="node-7",
        model_id=parsed.record.model_id,
        emission_factor_type="direct",
        record_digest=parsed.record_digest,
        record=parsed.record_bytes,
    )


@attack("IR002", "body hash frozen at reservation")
async def test_a_second_version_of_the_program_signs_the_bytes_that_the_first_one_reserved(expected, works):
    faulty = fakes.FaultySigner(signer_for("ES256"))
    works.keyholder.signers[fakes.KEY_URI] = faulty
    old = works.replica()
    await old.issue_telemetry(posted(inference_id="opens-the-key"))
    faulty.broken = True
    with pytest.raises(SignatureFaultError):
        await old.issue_telemetry(posted())
    (reserved,) = await works.store.credentials.pending()
    faulty.broken = False
    # The new version writes the context by its URL, and at another moment: another body altogether.
    works.clock.advance(timedelta(days=3))
    new = works.replica(context_form="url")
    fresh = await new.issue_telemetry(posted(inference_id="new", timestamp=times.render_claim(works.clock.now())))
    assert b'"https://w3id.org/green-compute/v1"' in fresh.document
    first, second = await asyncio.gather(new.issue_telemetry(posted()), old.issue_telemetry(posted()))
    assert first.document == second.document
    assert first.document.startswith(reserved.unsecured[:-1])
    assert first.id == reserved.id
    assert (await works.verdict(first.document)).outcome.value == "verified"
    expected.held()


def _assert_signed(credential, did_document):
    key = parse_document(did_document, credential["issuer"]).key_for(
        credential["proof"]["verificationMethod"], "assertionMethod"
    )
    json_web_signature_2020.verify_proof(credential, credential["proof"], key.key, InProcess())


@attack("IR004", "indexes never reused (epoch or random+unique)", heavy="hundreds of durable transactions")
async def test_no_status_index_is_given_out_twice_over_restarts_and_a_restored_backup(expected, tmp_path):
    path = tmp_path / "issuer.db"
    url = f"sqlite:///{path}"
    store = Store.open(url, list_size=64, fill_limit=1.0)
    await store.migrate()
    await furnish(store)
    await store.close()
    given, number = [], 0

    async def run(count, *, close_lists=False):
        nonlocal number
        # A new process each time: nothing is remembered but what the database holds.
        process = Store.open(url, list_size=64, fill_limit=1.0)
        if close_lists:
            await process.status.close_lists("root", now_us=1)
        for _ in range(count):
            number += 1
            row = await issued(process, inference_id=f"i-{number}")
            given.append((row.id, row.list_id, row.index))
        await process.close()

    for _ in range(4):
        await run(10)
    _copy(path, tmp_path / "backup.db")
    await run(30)
    lost = len(given)
    for name in ("issuer.db", "issuer.db-wal", "issuer.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "backup.db", path)
    # As docs/operating.md says of a restored backup.
    await run(50, close_lists=True)
    await run(10)
    assert len(given) == lost + 60
    assert len({credential_id for credential_id, *_ in given}) == len(given)
    assert len({(list_id, index) for _, list_id, index in given}) == len(given)
    before = {list_id for _, list_id, _ in given[:lost]}
    assert not before & {list_id for _, list_id, _ in given[lost:]}
    expected.held()


def _copy(source, target):
    with sqlite3.connect(source) as there, sqlite3.connect(target) as here:
        there.backup(here)


class SameIndexes(random.SystemRandom):
    """Ids at random, and indexes in the same order in every process."""

    def __init__(self):
        super().__init__()
        self._next = random.Random(7)

    def randrange(self, stop):
        return self._next.randrange(stop)


async def test_a_second_process_takes_no_index_that_the_first_has_taken(tmp_path):
    url = f"sqlite:///{tmp_path / 'issuer.db'}"
    stores = [Store.open(url, list_size=64, fill_limit=1.0, randomness=SameIndexes()) for _ in range(2)]
    await stores[0].migrate()
    await furnish(stores[0])
    # Both draw the same indexes: only the database keeps them apart.
    rows = await asyncio.gather(*(issued(store, inference_id=f"i-{n}") for n, store in enumerate(stores * 16)))
    assert len({(row.list_id, row.index) for row in rows}) == 32
    assert len({row.id for row in rows}) == 32
    await asyncio.gather(*(store.close() for store in stores))


@attack("IR010", "startup self-test: sign+verify vs did.json, refuse")
async def test_a_key_that_is_not_the_published_one_stops_the_start(expected, site_url, tmp_path):
    key, other = tmp_path / "root.pem", tmp_path / "other.pem"
    generate_file_key(key, "ES256")
    generate_file_key(other, "ES256")
    ed25519 = tmp_path / "ed25519.pem"
    generate_file_key(ed25519, "EdDSA")
    built = sites.build(sites.site_settings(site_url))
    store = built.store()
    await Keyring(store, built.clock).rotate("root", "key-2", file_uri(key))
    await store.close()
    good = key.read_bytes()
    for swapped in (other.read_bytes(), ed25519.read_bytes()):
        key.write_bytes(swapped)
        with pytest.raises(KeyMismatchError, match="not the one that the DID document publishes"):
            async with running_service(built.settings, built.clock):
                pass
    key.write_bytes(good)
    async with running_service(built.settings, built.clock) as service:
        assert await service.keyring.document("root")
    expected.held()


@attack("IR011", "0 failed verifications, no VC signed by unpublished key", heavy="thirty credentials, six rotations")
async def test_keys_are_rotated_while_records_come_in_and_each_signature_is_a_published_one_s(expected, site, tmp_path):
    store = site.store()
    answers = []

    async def post(number):
        answers.append(await site.telemetry(inference_id=f"i-{number}"))
        # A cold verifier, that fetches the document as soon as it has the credential.
        did = (await site.client.get("/.well-known/did.json")).json()
        _assert_signed(strict_json.parse_object(answers[-1].content), did)

    async def rotate(number):
        key = tmp_path / f"rotated-{number}.pem"
        await asyncio.to_thread(generate_file_key, key, "ES256")
        await Keyring(store, site.clock).rotate("root", f"rotated-{number}", file_uri(key))

    for number in range(6):
        await asyncio.gather(rotate(number), *(post(5 * number + n) for n in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    did = (await site.client.get("/.well-known/did.json")).json()
    for answer in answers:
        _assert_signed(strict_json.parse_object(answer.content), did)
    methods = {answer.json()["proof"]["verificationMethod"] for answer in answers}
    assert len(methods) > 1
    assert methods <= {entry["id"] for entry in did["verificationMethod"]}
    await store.close()
    expected.held()


def _dates(document):
    yield document["issuanceDate"]
    yield document["proof"]["created"]
    subject = document["credentialSubject"]
    yield from (subject[name] for name in ("periodStart", "periodEnd") if name in subject)


def _none_later(document, moment):
    return all(datetime.fromisoformat(date) <= moment for date in _dates(document))


@attack("IR013", "no future-dated VC, no expired list served")
async def test_a_clock_that_jumps_dates_nothing_ahead_and_serves_no_list_of_the_future(expected, site):
    async def record(name):
        return await site.telemetry(inference_id=name, timestamp=times.render_claim(site.clock.now()))

    async def lists(credential):
        urls = [credential["credentialStatus"][m] for m in ("statusListCredential", "suspensionListCredential")]
        return [(await site.client.get(url.removeprefix(PUBLIC_URL))).json() for url in urls]

    for jump in (timedelta(0), timedelta(days=400), -timedelta(days=400), -timedelta(hours=1), timedelta(hours=1)):
        site.clock.advance(jump)
        answer = await record(f"after-{jump.total_seconds():.0f}")
        assert answer.status_code == 201, answer.text
        credential = answer.json()
        assert _none_later(credential, site.clock.now())
        for published in await lists(credential):
            assert _none_later(published, site.clock.now())
            assert site.clock.now() - datetime.fromisoformat(published["issuanceDate"]) < timedelta(days=1)
    # A record of the time ahead is refused once the clock is right again.
    ahead = await site.telemetry(inference_id="x", timestamp=times.render_claim(START + timedelta(days=400)))
    assert of_response(ahead).problem == "422 CLOCK_SKEW"
    expected.held()


async def test_a_reservation_of_a_clock_that_ran_ahead_is_given_up_and_made_anew(works):
    faulty = fakes.FaultySigner(signer_for("ES256"))
    works.keyholder.signers[fakes.KEY_URI] = faulty
    issuance = works.replica()
    await issuance.issue_telemetry(posted(inference_id="opens-the-key"))
    works.clock.advance(timedelta(days=2))
    faulty.broken = True
    with pytest.raises((SignatureFaultError, MisdatedError)):
        await issuance.issue_telemetry(posted())
    faulty.broken = False
    works.clock.advance(-timedelta(days=2))
    document = json.loads((await issuance.issue_telemetry(posted())).document)
    assert _none_later(document, works.clock.now())
