"""Who may do what at the issuer: no key, a wrong key, another tenant's key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import subprocess
import sys

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from did.errors import SignerError
from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer.app import running as running_service
from issuer.command import main
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError
from schemas import status as status_format
from tests.attacks.catalogue import attack, of_response, unreachable
from tests.attacks.places import PLACES
from tests.fakes import site as sites
from tests.fakes.issuer import node_signer, posted
from tests.fakes.issuer_server import Server
from tests.fakes.site import JSON, bearer
from tests.issuer import conftest as running
from tests.issuer.test_authorization_matrix import MATRIX

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site, any_site, open_site = running.site, running.any_site, running.open_site

STATUS = "/credentials/status"


def _named(credential):
    return {
        "slug": "root",
        "inference_id": "inference-1",
        "model_id": "model-1",
        "credential": credential["id"].rpartition("/")[2],
        "list_id": credential["credentialStatus"]["statusListCredential"].rpartition("/")[2],
        "name": credential["evidence"][0]["digestMultibase"],
    }


def _registration(**changes):
    details = {"node_id": "node-20", "tenant_id": "acme", "grid_region": "DEU", "tdp_w": 5600}
    return details | {"jwk": {**node_signer(20).public_key.jwk}} | changes


async def test_what_each_attack_begins_from_is_accepted(site):
    assert (await site.telemetry()).status_code == 201
    assert (await site.post("/api/v1/nodes", _registration(), bearer("acme", "admin"))).status_code == 201
    assert (await site.get("/api/v1/certificates")).status_code == 200


_EXTRA = {
    "tenant_id": "umbra",
    "status": "active",
    "state": "active",
    "role": "admin",
    "created_at": "2020-01-01T00:00:00Z",
    "created_us": 0,
    "assurance": "tpm-hardware",
    "issuer": "did:web:evil.example",
    "__proto__": {"admin": True},
}


@attack("IA004", "reject:400 unknown field")
async def test_members_that_a_body_does_not_have_are_refused_by_every_route(expected, site):
    bodies = {
        "/api/v1/telemetry": json.loads(posted()),
        "/api/v1/nodes": _registration(),
        "/api/v1/nodes/enrol": {"token": "gci_x", "jwk": {}, "signature": "x"},
        "/credentials/issue": {"credential": {}},
        STATUS: {"credentialId": "x", "credentialStatus": []},
        "/api/v1/nonces": {},
        "/api/v1/nodes/attest": {},
        "/api/v1/nodes/attest/{enrolment_id}": {},
    }
    # A window is lines of closed shapes of its own: tests/schemas/test_window_record.py, test_window_header.py.
    assert set(bodies) == {path for method, path in MATRIX if method == "POST"} - {"/api/v1/windows"}
    for (path, body), (name, value) in itertools.product(bodies.items(), _EXTRA.items()):
        if name in body:
            continue
        answer = await site.post(path, body | {name: value}, bearer("acme", "admin"))
        assert of_response(answer).problem.startswith("400 "), (path, name, answer.text)
    expected.held()


_NO_SESSION = (
    "there is no session and no cookie: a caller is who bears an API key in Authorization, which no browser adds to "
    "another site's request, so a forged one is 401"
)


@attack("IA005", "reject:401", differs=_NO_SESSION)
async def test_a_request_forged_by_another_site_bears_no_key_whatever_cookies_it_has(expected, site):
    credential = (await site.telemetry()).json()
    entry = {"type": "StatusList2021Entry", "status": "1", "statusPurpose": "revocation"}
    body = {"credentialId": credential["id"], "credentialStatus": [entry]}
    forged = [
        {"cookie": "session=admin; token=gck_x", "origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"cookie": bearer("acme", "status")["authorization"], "referer": "https://evil.example/"},
        {"cookie": "authorization=" + bearer("acme", "status")["authorization"]},
        {"x-api-key": bearer("acme", "status")["authorization"].removeprefix("Bearer ")},
        {"proxy-authorization": bearer("acme", "status")["authorization"]},
        {"x-forwarded-user": "admin", "x-original-url": "/", "x-http-method-override": "GET"},
    ]
    answers = [await site.post(STATUS, body, headers) for headers in forged]
    key = bearer("acme", "status")["authorization"].removeprefix("Bearer ")
    answers.append(await site.client.post(f"{STATUS}?authorization={key}", json=body))
    expected.met_by(*map(of_response, answers))
    # A form, the only body that another site's page can send with a key of its own choosing, is not JSON.
    form = await site.client.post(STATUS, data=body, headers=bearer("acme", "status"))
    assert form.status_code == 415


async def test_no_answer_sets_a_cookie(site):
    names = _named((await site.telemetry(model_id="model-1")).json())
    for method, template in MATRIX:
        answer = await site.client.request(
            method, template.format(**PLACES | names), content=b"{}" if method == "POST" else None, headers=JSON
        )
        assert "set-cookie" not in answer.headers


def _encoded(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _jwt(header, key=b""):
    signing_input = _encoded(header) + "." + _encoded({"sub": "admin", "scope": "admin", "exp": 9_999_999_999})
    return (
        signing_input + "." + _encoded(hmac.new(key, signing_input.encode(), hashlib.sha256).digest() if key else b"")
    )


_OPAQUE = "API keys are opaque random values, found by their hash: no token is ever parsed, so all of these are 401"


@attack("IA007", "reject:401", differs=_OPAQUE)
async def test_a_jwt_is_no_key_whatever_its_header_says(expected, site):
    published = json.dumps((await site.client.get("/.well-known/did.json")).json()["verificationMethod"][0]).encode()
    tokens = [
        _jwt({"alg": "none"}),
        _jwt({"alg": "nOnE", "typ": "JWT"}),
        _jwt({"alg": "HS256"}, published),
        _jwt({"alg": "HS256", "kid": "../../../../dev/null"}, b"\0"),
        _jwt({"alg": "HS256", "kid": "' UNION SELECT 'x"}, b"x"),
        _jwt({"alg": "RS256", "jku": "https://evil.example/jwks.json"}, b"x"),
        _jwt({"alg": "ES256", "jwk": {**node_signer(7).public_key.jwk}}, b"x"),
        _jwt({"alg": "ES256", "x5u": "file:///etc/passwd", "crit": []}, b"x"),
        "gck_" + _jwt({"alg": "none"})[:43],
        "gck_" + "A" * 43,
    ]
    expected.met_by(
        *[
            of_response(
                await site.client.get("/api/v1/nodes", headers={"authorization": f"Bearer {token}"}),
            )
            for token in tokens
        ]
    )


async def _bits(site, credential):
    entry = credential["credentialStatus"]
    found = []
    for member in ("statusListCredential", "suspensionListCredential"):
        path = entry[member].removeprefix(site.settings.public_url)
        listed = (await site.client.get(path)).json()["credentialSubject"]["encodedList"]
        found.append(status_format.get(status_format.decode_list(listed), int(entry["statusListIndex"])))
    return found


@attack("IA009", "revocation stays", network="its PostgreSQL")
async def test_a_revocation_outlasts_every_later_change(expected, any_site):
    credential = (await any_site.telemetry()).json()

    async def change(purpose, status):
        entry = {"type": "StatusList2021Entry", "status": status, "statusPurpose": purpose}
        body = {"credentialId": credential["id"], "credentialStatus": [entry]}
        return await any_site.post(STATUS, body, bearer("acme", "status"))

    assert (await change("suspension", "1")).status_code == 200
    assert (await change("revocation", "1")).status_code == 200
    for purpose, status in (("suspension", "0"), ("revocation", "0"), ("suspension", "1")):
        assert (await change(purpose, status)).status_code == 409
        assert await _bits(any_site, credential) == [True, True]
    assert (await change("revocation", "1")).json()["changed"] is False
    both = [
        {"type": "StatusList2021Entry", "status": "0", "statusPurpose": purpose}
        for purpose in ("suspension", "revocation")
    ]
    body = {"credentialId": credential["id"], "credentialStatus": both}
    assert (await any_site.post(STATUS, body, bearer("acme", "status"))).status_code == 409
    assert await _bits(any_site, credential) == [True, True]
    expected.held()


unreachable(
    "IA010",
    "no route and no command deletes a tenant, and the database refuses it while credentials refer to the tenant "
    "(test_a_tenant_with_credentials_cannot_be_deleted_by_anyone)",
)


async def test_a_tenant_with_credentials_cannot_be_deleted_by_anyone(any_site, capsys):
    await any_site.telemetry()
    store = any_site.store()
    for statement in ("DELETE FROM tenant WHERE id = 'acme'", "UPDATE tenant SET id = 'x' WHERE id = 'acme'"):
        with pytest.raises(NotFoundError, match=r"does not exist"):
            async with store._database.write() as connection:
                await connection.execute(text(statement))
    await store.close()
    assert not [path for method, path in MATRIX if method == "DELETE" or "tenant" in path]
    with pytest.raises(SystemExit):
        main(["tenants", "remove", "acme"])
    assert "invalid choice: 'remove' (choose from 'add', 'set', 'list')" in capsys.readouterr().err


@attack("IA017", "reject:404")
async def test_nothing_is_served_that_was_not_meant_to_be(expected, site):
    paths = (
        *("/metrics", "/docs", "/docs/", "/redoc", "/swagger", "/schema", "/schema/openapi.json", "/openapi.json"),
        *(
            "/debug",
            "/debug/pprof",
            "/debug/vars",
            "/server-status",
            "/actuator",
            "/actuator/env",
            "/admin",
            "/console",
        ),
        *("/graphql", "/.git/config", "/.env", "/issuer.toml", "/issuer.db", "/keys/root.pem", "/api", "/api/v1"),
        *("/static/app.js", "/favicon.ico", "/robots.txt", "/tenants", "/backup.sql", "/__pycache__/", "/openapi/"),
    )
    answers = [await site.client.get(path, headers=bearer("all", "admin")) for path in paths if path != "/openapi/"]
    expected.met_by(*map(of_response, answers))
    # A trailing slash is the same route to the framework, and no other one.
    assert (await site.client.get("/openapi/")).json() == (await site.client.get("/openapi")).json()


@attack("IA018", "reject:startup refuses", heavy="starts the program")
def test_a_key_that_others_can_read_stops_the_start_and_no_key_is_anywhere_else(expected, tmp_path):
    issuer = Server(tmp_path)
    issuer.run("init", "--public-url", issuer.url, "--development")
    (key,) = (tmp_path / "data" / "keys").glob("*.pem")
    command = [sys.executable, "-m", "issuer.cli", "serve", "--port", str(issuer.port)]
    key.chmod(0o644)
    done = subprocess.run(command, env=issuer.environment, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert b"chmod 600" in done.stderr
    secret = [line for line in key.read_text().splitlines() if "-----" not in line]
    for written in [*(tmp_path / "data").glob("*.db*"), *(tmp_path / "data").glob("*.toml")]:
        content = written.read_bytes()
        assert b"PRIVATE" not in content
        assert not [line for line in secret if line.encode() in content]
    assert not [value for value in issuer.environment.values() if "PRIVATE" in value or "BEGIN" in value]
    assert secret[0].encode() not in done.stdout + done.stderr
    expected.held()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o777, 0o620, 0o602])
async def test_a_key_file_with_any_right_for_others_stops_the_start(site_url, tmp_path, mode):
    key = tmp_path / "other.pem"
    generate_file_key(key, "ES256")
    built = sites.build(sites.site_settings(site_url))
    store = built.store()
    await Keyring(store, built.clock).rotate("root", "key-2", file_uri(key))
    await store.close()
    key.chmod(mode)
    with pytest.raises(SignerError, match="chmod 600"):
        async with running_service(built.settings, built.clock):
            pass


@attack("IA019", "headers present")
async def test_every_answer_refuses_frames_sniffing_and_referrers(expected, site):
    names = _named((await site.telemetry(model_id="model-1")).json())
    asked = [(method, template.format(**PLACES | names), JSON | bearer("acme", "admin")) for method, template in MATRIX]
    asked += [("GET", "/nowhere", {}), ("PUT", "/", {}), ("GET", "/api/v1/nodes", {}), ("GET", "/", {"host": "evil"})]
    for method, path, headers in asked:
        answer = await site.client.request(method, path, content=b"{}" if method == "POST" else None, headers=headers)
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert int(answer.headers["strict-transport-security"].partition("max-age=")[2].split(";")[0]) >= 31_536_000
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in {name.lower() for name in answer.headers}
        assert "x-powered-by" not in answer.headers
    expected.held()


_KEPT = ("credential_bytes", "evidence", "status_entry", "status_list", "signing_key", "audit_log", "credential")
_FORBIDDEN = (
    *(f"DELETE FROM {table}" for table in _KEPT),
    *(
        f"UPDATE credential SET {change}"
        for change in ("energy_kwh = '0'", "tenant_id = 'umbra'", "state = 'rejected'")
    ),
    *(f"UPDATE credential SET {change}" for change in ("operational_emissions_gco2e = '0'", "state = 'reserved'")),
    *("UPDATE credential_bytes SET document = NULL", "UPDATE evidence SET digest = 'u'"),
    *("UPDATE status_entry SET idx = idx + 1", "UPDATE status_entry SET revoked_us = NULL"),
    *("UPDATE status_list SET allocated = 0", "UPDATE signing_key SET jwk = '{}'"),
    *("UPDATE audit_log SET actor = 'nobody'", "UPDATE audit_log SET at_us = 0"),
)


@attack(
    "IA020",
    "reject:refused by the database itself",
    differs="triggers in the database refuse it to every role, the tables' owner included, rather than grants to one",
    network="its PostgreSQL",
)
async def test_no_statement_changes_or_removes_what_was_issued_or_logged(expected, any_site):
    credential = (await any_site.telemetry()).json()
    store = any_site.store()
    await store.status.revoke(credential["id"].rpartition("/")[2], "", "admin", 1, tenant_id=None)
    before = await store.credentials.by_inference("acme", "inference-1")
    log = await store.log.page()
    for statement in _FORBIDDEN:
        with pytest.raises(DBAPIError, match=r"never|stays|frozen|constraint"):
            async with store._database._writer.begin() as connection:
                await connection.execute(text(statement))
    assert await store.credentials.by_inference("acme", "inference-1") == before
    assert await store.log.page() == log
    await store.close()
    expected.held()


@pytest.mark.postgres
async def test_on_postgresql_no_table_of_them_can_be_emptied_at_once(site_postgres):
    site_postgres.restore_rows("site")
    connection = await asyncpg.connect(site_postgres.url("site"))
    for table in ("credential", "credential_bytes", "evidence", "status_entry", "status_list", "signing_key", "tenant"):
        with pytest.raises(asyncpg.PostgresError, match=r"never|foreign key"):
            await connection.execute(f"TRUNCATE {table} CASCADE")
    await connection.close()
