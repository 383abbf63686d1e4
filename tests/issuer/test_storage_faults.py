"""What the service answers when its database cannot be written, is moved away or broken: never more than a stranger may know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import asyncpg
import pytest
import structlog

from issuer.store.models import METADATA
from issuer.windows.nonces import signing_input
from schemas import base64url, times
from tests.fakes import site as sites
from tests.fakes.issuer import START, posted
from tests.fakes.site import JSON, bearer, problem
from tests.fakes.window_node import HEADERS, WindowNode, post_window
from tests.issuer.test_authorization_matrix import MATRIX


@pytest.fixture(autouse=True)
def logged():
    """What is logged. Uncaught it would be printed with the variables of every frame, which takes seconds."""
    with structlog.testing.capture_logs() as events:
        yield events


async def _tell(site, statement):
    """Send a statement over the service's own writing connection, outside of any transaction."""
    store = site.service.app.state["service"].store
    async with store._database._writer.connect() as connection:
        raw = await connection.get_raw_connection()
        await raw.driver_connection.execute(statement)


async def _assert_unwritable(site):
    answer = await site.telemetry(inference_id="while-unwritable")
    assert (answer.status_code, problem(answer)) == (503, "STORAGE_UNWRITABLE"), answer.text
    assert int(answer.headers["retry-after"]) >= 10
    assert site.stopped == []


async def _assert_nothing_lost(site):
    first = await site.telemetry(inference_id="while-unwritable")
    assert first.status_code == 201, first.text
    assert (await site.telemetry(inference_id="while-unwritable")).content == first.content


async def test_a_database_without_room_is_read_on_and_takes_records_again_later(site):
    assert (await site.telemetry()).status_code == 201
    await _tell(site, "PRAGMA max_page_count = 1")
    await _assert_unwritable(site)
    assert len((await site.get("/api/v1/certificates")).json()["items"]) == 1
    await _tell(site, "PRAGMA max_page_count = 1000000")
    await _assert_nothing_lost(site)


async def test_a_database_that_turns_read_only_is_read_on_and_takes_records_again_later(site):
    assert (await site.telemetry()).status_code == 201
    await _tell(site, "PRAGMA query_only = ON")
    await _assert_unwritable(site)
    assert len((await site.get("/api/v1/certificates")).json()["items"]) == 1
    await _tell(site, "PRAGMA query_only = OFF")
    await _assert_nothing_lost(site)


@pytest.mark.postgres
async def test_a_server_that_turns_read_only_loses_nothing(site_postgres):
    site_postgres.restore_rows("site")
    built = sites.build(sites.site_settings(site_postgres.url("site")))

    async def turn(value):
        settings = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(site_postgres.url("site"), server_settings=settings)
        await connection.execute(f"ALTER DATABASE site SET default_transaction_read_only = {value}")
        await connection.close()
        site_postgres.disconnect_all()

    async with built.client:
        assert (await built.telemetry()).status_code == 201
        await turn("on")
        try:
            answers = [await built.telemetry(inference_id="while-unwritable") for _ in range(3)]
        finally:
            await turn("off")
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["retry-after"] for answer in answers)
        assert built.stopped == []
        for _ in range(3):
            answer = await built.telemetry(inference_id="while-unwritable")
        assert answer.status_code in {200, 201}


@pytest.fixture
def disk(furnished, tmp_path):
    """A disk of 1 MB with a furnished database."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    shutil.copyfile(furnished / "issuer.db", disk / "issuer.db")
    (disk / "issuer.db").chmod(0o600)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


@pytest.fixture
async def site_on_a_disk(disk):
    built = sites.build(sites.site_settings(f"sqlite:///{disk / 'issuer.db'}"))
    async with built.client:
        yield built


async def test_a_full_disk_loses_nothing(site_on_a_disk, disk):
    site = site_on_a_disk
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    answers = [await site.telemetry(inference_id=f"full-{number}") for number in range(3)]
    # What found room in the log that was there already is acknowledged, and stays.
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert answers[-1].status_code == 503
    ballast.unlink()
    if not site.stopped:
        again = [await site.telemetry(inference_id=f"full-{number}") for number in range(3)]
        assert {answer.status_code for answer in again} <= {200, 201}
        assert all(b.content == a.content for a, b in zip(answers, again, strict=True) if a.status_code == 201)


async def test_a_database_file_that_was_replaced_is_written_no_more(site, tmp_path):
    first = await site.telemetry()
    assert first.status_code == 201
    # As a restored backup that is moved into place under the running service.
    path = tmp_path / "issuer.db"
    shutil.copyfile(path, tmp_path / "backup.db")
    (tmp_path / "backup.db").rename(path)
    answer = await site.telemetry(inference_id="into-nowhere")
    assert (answer.status_code, problem(answer)) == (503, "STORAGE_FAILED")
    assert site.stopped == [True]
    assert (await site.client.get("/healthz")).status_code == 503


_INTERNALS = (
    *("sqlite", "sqlalchemy", "asyncpg", "postgres", "SELECT ", "INSERT ", "UPDATE ", "PRAGMA", "Traceback", ".py"),
    *("OperationalError", "Exception", "no such table", "issuer.db", "/tmp", "/home", "/var", "root.pem"),
)


@pytest.mark.parametrize("table", sorted(METADATA.tables))
async def test_no_answer_of_a_broken_database_tells_of_it(site, table, tmp_path):
    credential = (await site.telemetry(model_id="model-1")).json()
    names = {
        "slug": "root",
        "inference_id": "inference-0",
        "model_id": "model-1",
        "credential": credential["id"].rpartition("/")[2],
        "list_id": credential["credentialStatus"]["statusListCredential"].rpartition("/")[2],
        "name": credential["evidence"][0]["digestMultibase"],
        "node_id": "node-7",
        "epoch": "12",
        "sequence": "1",
        "enrolment_id": "0" * 32,
        "digest": credential["evidence"][0]["digestMultibase"],
    }
    node, timestamp = WindowNode(), times.render_claim(START)
    assert (await post_window(site, node.zipped())).status_code == 201
    asked = {"node_id": "node-7", "timestamp": timestamp}
    asked["signature"] = base64url.encode(node.signer.sign(signing_input("node-7", timestamp), "ES256"))
    bodies = {
        "/api/v1/telemetry": posted(inference_id="inference-2"),
        "/api/v1/windows": node.zipped(),
        "/api/v1/nonces": json.dumps(asked).encode(),
    }
    await _tell(site, f"ALTER TABLE {table} RENAME TO away")
    failed = 0
    for method, template in sorted(MATRIX):
        body = bodies.get(template, b"{}")
        form = HEADERS if template == "/api/v1/windows" else JSON
        answer = await site.client.request(
            method,
            template.format(**names),
            content=body if method == "POST" else None,
            headers=form | bearer("acme", "admin"),
        )
        if answer.status_code < 400:
            continue
        problem(answer)
        failed += answer.status_code == 500
        names_of_tables = [table] if "_" in table else []
        found = [word for word in (*_INTERNALS, str(tmp_path), *names_of_tables) if word in answer.text]
        assert not found, (method, template, answer.text)
    # No request here gets as far as these: they want a signed window, a TPM or an invitation.
    unreached = {"audit_log", "enrolment_token", "node_tenant", "nonce", "receipt", "tpm_challenge", "tpm_root"}
    # And these are for receipts of an earlier version, and for what needs a grid's sources.
    unreached |= {"receipt_body", "grid_feed", "grid_slot", "lease", "provisional_claim"}
    assert failed or table in unreached
