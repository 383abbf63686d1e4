"""Targets of ``issuer``, ``agent`` and ``wallet``: bodies, settings, exports, answers, and files after damage."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from agent import config, contact, enrol, retry, status
from agent.home import Home
from agent.spool import Spool
from did.signers.software import SoftwareSigner
from issuer import certificate, enrolment, export, generic, node_details, settings, status_change
from issuer.addresses import Addresses
from issuer.http.query import moment_us
from issuer.routes import nodes
from issuer.store.records import Reserved
from issuer.windows import compression
from schemas import jcs, strict_json, times
from tests.fakes.agent import HandClock
from tests.fakes.issuer import DID, PUBLIC_URL, START, node_signer
from tests.fakes.verifier import ENGINE
from tests.fakes.zstd import zstd
from tests.fuzz.target import target, text_of
from tests.fuzz.targets_formats import credentials, jwks
from tests.issuer.test_export import ROW
from verifier.http.client_address import ClientAddresses
from verifier.http.limits import address_identity
from wallet.archive import Archive, read_credential

_BODY_BYTES: Final = settings.Settings(public_url=PUBLIC_URL).body_max_bytes
_NOW: Final = datetime(2026, 11, 20, 21, tzinfo=UTC)
_ADDRESSES: Final = Addresses(PUBLIC_URL)
_RESERVED: Final = Reserved(id="019aa2c4-6d00-7a10-8f00-000000000004", list_id="7", index=4, reserved_us=0)


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _work() -> Path:
    # Memory where there is some: every enqueue and every keep waits for its disk.
    shm = Path("/dev/shm")
    return shm if os.access(shm, os.W_OK) else Path(tempfile.gettempdir())


# --- issuer ------------------------------------------------------------------------------------------------

ASKED: Final = {
    "@context": ["https://www.w3.org/2018/credentials/v1"],
    "type": ["VerifiableCredential"],
    "issuer": DID,
    "expirationDate": "2027-11-20T00:00:00Z",
    "credentialSubject": {"id": "did:web:customer.example"},
}


_LINES: Final = b'{"evidence":{}}\n' * 1000


@target("window_body", lambda: [gzip.compress(_LINES), zstd.compress(_LINES), zstd.compress(b"")])
def _(raw: bytes) -> None:
    start = compression.begin(raw, "zstd", 1000) if raw.startswith(b"\x28") else compression.begin(raw, "gzip", 1000)
    content = compression.unpacked(raw)
    assert content[:1000] == start
    assert len(content) <= compression.MAX_INFLATED_BYTES
    assert compression.unpacked(compression.in_gzip(raw)) == content


@target("generic_credential", lambda: [_encoded(ASKED)], inputs=200)
def _(raw: bytes) -> None:
    asked = strict_json.parse_object(raw, max_bytes=_BODY_BYTES)
    drafted = generic.draft(asked, DID, _ADDRESSES, START)
    assert drafted["issuer"] == DID or drafted["issuer"]["id"] == DID
    assert not drafted.keys() & {"proof", "credentialStatus"}
    completed = generic.complete(drafted, _RESERVED, _ADDRESSES)
    canonical = ENGINE.canonicalize(completed)
    generic.check_vocabulary(canonical)
    generic.check_statements(canonical, completed, _ADDRESSES)
    assert b"https://w3id.org/green-compute#" not in canonical
    assert ENGINE.canonicalize(strict_json.parse_object(jcs.canonical_bytes(completed))) == canonical


STATUS_CHANGE: Final = {
    "credentialId": f"{PUBLIC_URL}/credentials/{_RESERVED.id}",
    "credentialStatus": [{"type": "StatusList2021Entry", "statusPurpose": "suspension", "status": "1"}],
}


@target("status_change", lambda: [_encoded(STATUS_CHANGE)])
def _(raw: bytes) -> None:
    update = status_change.read_update(strict_json.parse_object(raw))
    assert 1 <= len(update.changes) <= 2
    assert update.changes[-1].purpose == "revocation" or len(update.changes) == 1


def enrolment_body() -> dict[str, Any]:
    """Return an enrolment whose signature holds; its token is on file nowhere."""
    key = node_signer(7)
    return json.loads(enrol.request_body("gci_" + "A" * 43, key))


@target("enrolment", lambda: [_encoded(enrolment_body())])
def _(raw: bytes) -> None:
    asked = nodes._shape(strict_json.parse_object(raw), enrolment.EnrolmentRequest)
    key = enrolment.check_node_key({**asked.jwk})
    enrolment._check_possession(asked, key)
    assert len(enrolment.token_sha256(asked.token)) == 32


REGISTRATION: Final = {
    "node_id": "node-70",
    "tenant_id": "acme",
    "grid_region": "DEU",
    "tdp_w": 700,
    "accelerator_model": "NVIDIA H100 80GB HBM3",
    "pue": "1.2",
    "pue_kind": "reported",
    "pue_source": "operator, 2025",
    "jwk": {**node_signer(70).public_key.jwk},
}


@target("registration", lambda: [_encoded(REGISTRATION)])
def _(raw: bytes) -> None:
    details, jwk = nodes._registration(strict_json.parse_object(raw))
    checked = node_details.checked(details)
    assert node_details.checked(checked) == checked
    enrolment.check_node_key(jwk)


@target("query_moment", lambda: [b"2026-11-20", b"2026-11-20T20:00:03Z", b"0001-01-01", b"9999-12-31"])
def _(raw: bytes) -> None:
    found = moment_us(text_of(raw), "since")
    assert found is not None
    assert times.to_microseconds(times.from_microseconds(found)) == found


@target("forwarded_for", lambda: [b"10.0.0.1\n203.0.113.7, 10.0.0.9", b"::1\n2001:db8::1%eth0"])
def _(raw: bytes) -> None:
    peer, _, forwarded = raw.decode("latin-1").partition("\n")
    client = ClientAddresses(["10.0.0.0/8", "::1"]).of(peer, forwarded.split("\n"))
    assert isinstance(address_identity(client), str)


_CERTIFICATE_KEY: Final = node_signer(7).public_key


@target("certificate", lambda: [certificate_text()])
def _(raw: bytes) -> None:
    assert certificate.verify(text_of(raw), _CERTIFICATE_KEY)["iss"]


def certificate_text() -> bytes:
    """Return a compact certificate under node-7's key."""
    header = {"typ": certificate.TYPE, "kid": f"{DID}#key-1"}
    signer: SoftwareSigner = node_signer(7)
    return certificate.sign_compact(b'{"iss":"did:web:oracle.example"}', header, signer, "ES256").encode()


@target("certificate_payload", credentials)
def _(raw: bytes) -> None:
    claims = certificate.payload(raw, _NOW)
    assert claims["credential"]["digestMultibase"].startswith("u")


@target("csv_export", lambda: [b"org/model", b"=1+1", b'a","b\r\nc', b"'"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    row = msgspec.structs.replace(ROW, model_id=text, inference_id=text[::-1])

    async def rows() -> Any:
        yield row

    async def read() -> bytes:
        return b"".join([chunk async for chunk in export.csv_chunks(rows())])

    header, cells = csv.reader(io.StringIO(asyncio.run(read()).decode("utf-8"), newline=""))
    found = dict(zip(header, cells, strict=True))
    for name, stated in (("model_id", text), ("inference_id", text[::-1])):
        assert found[name] in {stated, "'" + stated}
        assert not found[name].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert found["energy_kwh"] == ROW.energy_kwh


@target("issuer_settings", lambda: [b'public_url = "https://a.example"\nport = 8080\ncors_origins = ["https://b"]\n'])
def _(raw: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=_work()) as file:
        file.write(raw)
        file.flush()
        settings.load(environment={}, config=Path(file.name))


@target("issuer_environment", lambda: [b"PUBLIC_URL=https://a.example\nWORKERS=1\nTRUSTED_PROXIES=10.0.0.0/8,::1"])
def _(raw: bytes) -> None:
    pairs = (line.partition("=") for line in text_of(raw).split("\n"))
    found = settings.load(environment={f"GREEN_ISSUER_{name}": value for name, _, value in pairs})
    ClientAddresses(found.trusted_proxies)
    settings.load(environment={}, overrides=msgspec.structs.asdict(found))


# --- agent -------------------------------------------------------------------------------------------------


@target("agent_settings", lambda: [b'issuer = "https://oracle.example"\nnode_id = "node-7"\nslice_s = 60.0\n'])
def _(raw: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_work()) as place:
        (Path(place) / "agent.toml").write_bytes(raw)
        config.load({"GREEN_AGENT_HOME": place})


@target("damaged_spool", lambda: [b"[1, 2, 3]" + b" " * 247, _encoded({"type": "x", "title": "y", "status": 409})])
def _(raw: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_work()) as place:
        home = Home(Path(place))
        Spool(home.spool, HandClock()).close()
        (home.spool / "lost").write_bytes(raw)
        (home.spool / "pending" / f"{raw[:40].hex()}-torn.json").write_bytes(raw)
        (home.spool / "rejected" / "1-a.json").write_bytes(raw)
        (home.spool / "rejected" / "1-a.problem.json").write_bytes(raw)
        home.contact_file.write_bytes(raw)
        found = status.collect(config.Settings(), home, HandClock())
        assert found.rejected == 1
        msgspec.json.encode(found)
        spool = Spool(home.spool, HandClock())
        try:
            (name,) = spool.pending()
            assert spool.load(name) == raw
            losses = spool.losses()
            assert losses.count >= 0
            spool.note_loss()
            assert spool.losses().count > losses.count
        finally:
            spool.close()
        contact.read(home.contact_file)


@target("answer_to_the_agent", lambda: [credentials()[0], _encoded({"type": "x", "title": "y", "detail": "z"})])
def _(raw: bytes) -> None:
    for code in (200, 201, 302, 400, 409, 429, 503, 999):
        for media_type in ("application/problem+json", "text/html"):
            headers = {"content-type": media_type, "retry-after": raw[:40].decode("latin-1")}
            verdict = retry.judge(retry.Answer(code, headers, raw), "inference-1", _NOW)
            if isinstance(verdict, retry.Refused):
                assert isinstance(strict_json.parse_object(verdict.problem), dict)
                assert verdict.reason.isprintable()
                retry.is_taken(verdict.problem)
            elif isinstance(verdict, retry.Later):
                assert verdict.after_s is None or 0 <= verdict.after_s <= retry.LONGEST_RETRY_AFTER_S


@target("enrolment_answer", lambda: [_encoded({"node_id": "node-7", "tenant_id": "acme", "simulated": False})])
def _(raw: bytes) -> None:
    assert enrol.read_answer(retry.Answer(201, {}, raw), node_signer(7)).node_id


@target("retry_after", lambda: [b"120", b"Fri, 20 Nov 2026 21:00:30 GMT", b"Mon, 1 Jan 0001 00:00:00 +2359"])
def _(raw: bytes) -> None:
    headers = {"retry-after": raw.decode("latin-1")}
    verdict = retry.judge(retry.Answer(503, headers, b""), "inference-1", _NOW)
    assert isinstance(verdict, retry.Later)
    assert verdict.after_s is None or 0 <= verdict.after_s <= retry.LONGEST_RETRY_AFTER_S


@target("issuer_url_of_the_agent", lambda: [b"https://oracle.example", b"http://[::1]:8080/", b"http://127.0.0.1:80/a"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    assert text.startswith(config.check_issuer(text, development=True))


# --- wallet ------------------------------------------------------------------------------------------------


@target("wallet_archive", lambda: [*credentials(), *jwks()])
def _(raw: bytes) -> None:
    held = read_credential(raw)
    assert all(isinstance(text, str) for text in (held.id, held.issuer, held.claim("modelId"), *held.types))
    with tempfile.TemporaryDirectory(dir=_work()) as place:
        archive = Archive(Path(place))
        assert archive.keep(held)
        assert not archive.keep(held)
        (again,) = archive.all()
        assert again == held
        assert archive.find(held.digest) == held
