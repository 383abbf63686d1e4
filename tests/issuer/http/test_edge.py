"""What is true of every request and every answer, routed or not."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import uuid
from datetime import datetime
from pathlib import Path

import pytest

from did.errors import SignerError
from issuer.app import running
from issuer.http.edge import accepted_hosts
from issuer.settings import Settings, SettingsError
from issuer.store import Store
from issuer.store.records import Reservation
from tests.fakes.asgi import exchange
from tests.fakes.issuer import FixedClock
from tests.fakes.site import bearer, problem, site_settings

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}


@pytest.mark.parametrize("path", ["/", "/healthz", "/nothing", "/api/v1/certificates", "/.well-known/did.json"])
async def test_every_answer_has_the_security_headers(site, path):
    answer = await site.client.get(path)
    assert HEADERS.items() <= dict(answer.headers).items()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert uuid.UUID(answer.headers["x-request-id"])


async def test_a_problem_names_the_request_by_its_id(site):
    answer = await site.client.get("/nothing")
    assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"


async def test_each_request_has_an_id_of_its_own_whatever_the_client_says(site):
    headers = {"x-request-id": "mine"}
    ids = {(await site.client.get("/healthz", headers=headers)).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert "mine" not in ids


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "oracle.example.evil.example",
        "evil.example:443",
        "oracle.example:8443",
        "oracleXexample",
        "oracle.example@evil.example",
        "oracle.example,evil.example",
        "",
        "localhost",
        "127.0.0.1",
    ],
)
async def test_another_host_is_refused(site, host):
    answer = await site.client.get("/healthz", headers={"host": host})
    assert answer.status_code == 400
    assert problem(answer) == "HOST_REFUSED"


@pytest.mark.parametrize("host", ["oracle.example", "ORACLE.example", "oracle.example:443"])
async def test_the_public_host_is_taken_however_it_is_spelled(site, host):
    assert (await site.client.get("/healthz", headers={"host": host})).status_code == 200


async def test_a_forwarded_host_counts_for_nothing(site):
    headers = {"host": "evil.example", "x-forwarded-host": "oracle.example"}
    assert (await site.client.get("/healthz", headers=headers)).status_code == 400
    headers = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    page = await site.client.get("/", headers=headers)
    assert page.status_code == 200
    assert "evil.example" not in page.text


async def _raw(app, **changes):
    """Send what no client library would; return status, headers and body."""
    return await exchange(app, **{"headers": [(b"host", b"oracle.example")], **changes})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": []}, 400),
        ({"headers": [(b"host", b"oracle.example")] * 2}, 400),
        ({"headers": [(b"host", b"oracle.example"), (b"Host", b"evil.example")]}, 400),
        ({"headers": [(b"host", b"oracle.example\xff")]}, 400),
        ({"headers": [(b"host", b"oracle.example"), (b"x", b"y" * 33_000)]}, 431),
        ({"headers": [(b"host", b"oracle.example")] + [(b"x", b"y")] * 100}, 431),
        ({"method": "CONNECT", "path": "", "raw_path": b""}, 400),
        ({"method": "OPTIONS", "path": "*", "raw_path": b"*"}, 400),
        ({"query_string": b"a=" + b"b" * 9000}, 414),
        ({"raw_path": b"/" + b"a" * 9000, "path": "/" + "a" * 9000}, 414),
    ],
)
async def test_a_malformed_request_is_refused_before_any_route(site, changes, status):
    answered, headers, body = await _raw(site.service, **changes)
    assert answered == status
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert body.startswith(b'{"type":')


@pytest.mark.parametrize(
    "path", ["/healthz", "/.well-known/did.json", "/contexts/v1", "/schemas/credential-v1.json", "/", "/nothing"]
)
async def test_head_is_answered_as_get_without_the_body(site, path):
    whole, head = await site.client.get(path), await site.client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name)


async def test_head_needs_the_key_that_get_needs(site):
    assert (await site.client.head("/api/v1/certificates")).status_code == 401


async def test_web_sockets_are_closed(site):
    sent = []

    async def send(message):
        sent.append(message)

    await site.service({"type": "websocket"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1003, "reason": "no WebSockets here"}]


async def test_an_answer_cut_off_in_the_middle_is_not_made_whole(site):
    async def half(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("secret detail")

    service = type(site.service)(half, site.settings)
    with pytest.raises(RuntimeError):
        await _raw(service)


async def test_an_answer_that_nobody_reads_is_given_up(site, capsys):
    parts = 0

    async def endless(_scope, _receive, send):
        nonlocal parts
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            parts += 1

    async def send(message):
        if message["type"] == "http.response.body" and parts == 2:
            await asyncio.Event().wait()

    service = type(site.service)(endless, site.settings, send_timeout_s=0.01)
    headers = [(b"host", b"oracle.example")]
    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": headers}
    async with asyncio.timeout(30):
        with pytest.raises(TimeoutError):
            await service(scope, None, send)
    assert parts == 2
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_failure_outside_the_routes_tells_nothing(site):
    async def broken(_scope, _receive, _send):
        raise RuntimeError("secret detail")

    status, _, body = await _raw(type(site.service)(broken, site.settings))
    assert status == 500
    assert b"secret" not in body


async def test_a_fault_of_ours_is_a_problem_without_internals(site, site_url):
    with sqlite3.connect(site_url.removeprefix("sqlite:///")) as database:
        database.execute("ALTER TABLE issuer RENAME TO elsewhere")
    answer = await site.client.get("/")
    assert answer.status_code == 500
    assert problem(answer) == "INTERNAL_ERROR"
    assert not re.search("sqlite|select|table|traceback|elsewhere", answer.text, re.IGNORECASE)


async def test_a_failed_storage_stops_the_service(site, site_url):
    path = Path(site_url.removeprefix("sqlite:///"))
    for file in path.parent.glob("issuer.db*"):
        # In place: a file cut to nothing first is a valid, empty database to whoever reads it in that moment.
        with file.open("r+b") as opened:
            opened.write(b"no database at all" * 1000)
    answer = await site.client.get("/healthz")
    assert answer.status_code == 503
    assert problem(answer) == "STORAGE_FAILED"
    assert site.stopped == [True]


async def test_without_a_setting_no_origin_may_call(site):
    for origin in ("https://app.example", "null"):
        answer = await site.client.get("/healthz", headers={"origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_origin_of_the_settings_may_call_without_cookies(open_site):
    site = await open_site(cors_origins=("https://app.example",))
    answer = await site.client.get("/healthz", headers={"origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in answer.headers
    preflight = await site.client.options(
        "/api/v1/certificates",
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        },
    )
    assert preflight.status_code in {200, 204}
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"]
)
async def test_another_origin_may_not_call(open_site, origin):
    site = await open_site(cors_origins=("https://app.example",))
    answer = await site.client.get("/healthz", headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers


def test_hosts_of_development_are_those_of_this_machine():
    settings = Settings(public_url="http://localhost:8080", development=True)
    assert accepted_hosts(settings) == {"localhost:8080", "127.0.0.1:8080", "[::1]:8080"}


def test_further_hosts_can_be_set():
    settings = Settings(public_url="https://oracle.example", extra_hosts=("Issuer.internal:8080",))
    assert accepted_hosts(settings) == {"oracle.example", "oracle.example:443", "issuer.internal:8080"}


async def test_a_key_has_a_limit_and_is_told_when_to_come_back(open_site):
    site = await open_site(key_rate_per_minute=2)
    answers = [await site.get("/api/v1/certificates") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert problem(answers[2]) == "RATE_LIMITED"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert (await site.get("/api/v1/certificates", tenant="umbra")).status_code == 200


async def test_guessing_keys_is_limited_and_stops_no_valid_key(open_site):
    site = await open_site(refused_rate_per_minute=2)
    guesses = [
        await site.client.get("/api/v1/certificates", headers={"x-forwarded-for": f"198.51.100.{n}"}) for n in range(4)
    ]
    assert [guess.status_code for guess in guesses] == [401, 401, 429, 429]
    assert (await site.get("/api/v1/certificates")).status_code == 200


async def test_a_revoked_key_stops_with_the_next_request(any_site):
    assert (await any_site.get("/api/v1/certificates")).status_code == 200
    store = any_site.store()
    await store.api_keys.revoke("acme-read", now_us=1)
    await store.close()
    assert (await any_site.get("/api/v1/certificates")).status_code == 401


async def test_a_service_whose_key_is_gone_does_not_start(site_url, tmp_path):
    with sqlite3.connect(site_url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE signing_key SET uri = ?", (f"file:{tmp_path / 'gone.pem'}",))
    with pytest.raises(SignerError, match=r"gone\.pem"):
        async with running(site_settings(site_url), FixedClock()):
            pass


async def test_a_service_on_another_schema_does_not_start(tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    with pytest.raises(SettingsError, match="green-issuer db upgrade"):
        async with running(site_settings(url), FixedClock()):
            pass


class ClockThatNeverComes(FixedClock):
    """Nobody who sleeps until a moment wakes up."""

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.Event().wait()


async def reserve(url: str, issuance_date: str) -> None:
    store = Store.open(url)
    request = Reservation(
        issuer_slug="root",
        tenant_id="acme",
        inference_id="unfinished",
        body_digest="digest",
        now_us=1,
        period_end_us=1,
        credential_type="GreenComputeCredential",
        emission_factor_type="lifecycle",
    )
    await store.credentials.reserve(request, lambda _: b'{"issuanceDate":"%b"}' % issuance_date.encode())
    await store.close()


async def test_an_unfinished_record_that_ends_ahead_of_the_clock_does_not_hold_up_the_start(site_url):
    await reserve(site_url, "2026-11-20T20:02:00Z")
    async with asyncio.timeout(30), running(site_settings(site_url), ClockThatNeverComes()) as service:
        await service.store.health()
        assert len(await service.store.credentials.pending()) == 1


async def test_what_was_left_unfinished_is_settled_beside_the_service(site_url):
    await reserve(site_url, "2026-11-20T20:01:00Z")
    async with asyncio.timeout(30), running(site_settings(site_url), FixedClock()) as service:
        while await service.store.credentials.pending():  # noqa: ASYNC110 - it tells nobody when it is done
            await asyncio.sleep(0.01)


async def test_an_api_key_never_reaches_the_log(site, capsys):
    await site.client.get("/api/v1/certificates", headers=bearer("acme", "read"))
    out, err = capsys.readouterr()
    assert "gck_" not in out + err
