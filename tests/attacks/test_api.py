"""The HTTP edge of both services: bodies, content types, headers, addresses, hosts, methods, origins.

What only a server decides is asked of granian itself, in test_api_server.py.
"""

import gzip
import json

import msgspec
import pytest
from litestar.testing import TestClient

from tests.attacks.catalogue import attack, of_response
from tests.fakes.issuer import posted
from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher, World
from tests.issuer.conftest import furnished, open_site, site, site_url  # noqa: F401 - fixtures
from verifier.settings import Settings
from verifier.web.app import create_app

WORLD = World()
GOOD = json.dumps({"verifiableCredential": WORLD.credential()}).encode()
JSON = {"content-type": "application/json"}
TELEMETRY = "/api/v1/telemetry"
ROUTES = ("/credentials/verify", "/presentations/verify", "/challenges")


def opened(**changes):
    return TestClient(
        create_app(Settings(**changes), fetcher=MemoryFetcher(WORLD.served()), engines=ENGINES, clock=FixedClock()),
        raise_server_exceptions=False,
    )


@pytest.fixture(scope="module")
def client():
    with opened(rate_per_minute=0) as client:
        yield client


def pieces(size, *, of=64 * 1024):
    """Yield a body without a length: chunks, as httpx sends a generator."""
    for _ in range(size // of):
        yield b" " * of


# --- positive controls -------------------------------------------------------------------------------------


async def test_what_is_in_order_is_accepted_by_both(client, site):  # noqa: F811 - the fixture
    assert client.post("/credentials/verify", content=GOOD, headers=JSON).status_code == 200
    assert client.post("/credentials/verify", content=iter([GOOD[:100], GOOD[100:]]), headers=JSON).status_code == 200
    assert client.post("/challenges").status_code == 201
    assert (await site.telemetry()).status_code == 201


# --- bodies ------------------------------------------------------------------------------------------------


@attack("VU001", "reject:413", heavy="eleven megabytes go through the application several times")
async def test_eleven_megabytes_are_refused_with_a_length_and_in_chunks(expected, client, site):  # noqa: F811
    size = 11 << 20
    for path in ("/credentials/verify", "/challenges"):
        expected.met_by(of_response(client.post(path, content=b" " * size, headers=JSON)))
        expected.met_by(of_response(client.post(path, content=pieces(size), headers=JSON)))
    for body in (b" " * (17 << 20), pieces(17 << 20)):
        expected.met_by(of_response(client.post("/presentations/verify", content=body, headers=JSON)))
    expected.met_by(of_response(await site.post(TELEMETRY, b" " * size)))


@attack("VU002", "reject:415")
async def test_json_that_is_not_declared_as_json_is_not_read(expected, client, site):  # noqa: F811
    declared = [
        [("content-type", value)]
        for value in (
            "text/plain",
            "text/plain; charset=utf-8",
            "text/plain;application/json",
            "application/msgpack",
            "application/x-msgpack",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/json",
            "application/jsonp",
            "application/json-seq",
            "application/vnd.api+json",
            "application/json, text/plain",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-16",
            "*/*",
            "",
        )
    ]
    declared += [
        [],
        [("content-type", "text/plain"), ("content-type", "application/json")],
        [("content-type", "application/json"), ("content-encoding", "gzip")],
        [("content-type", "application/json"), ("content-encoding", "br")],
    ]
    for headers in declared:
        compressed = any(name == "content-encoding" for name, _ in headers)
        for path in ROUTES[:2]:
            body = gzip.compress(GOOD) if compressed else GOOD
            expected.met_by(of_response(client.post(path, content=body, headers=headers)))
        record = gzip.compress(posted()) if compressed else posted()
        expected.met_by(of_response(await site.client.post(TELEMETRY, content=record, headers=headers)))


# --- framing -----------------------------------------------------------------------------------------------


@attack("VU004", "reject:400")
async def test_where_a_server_shows_length_and_chunks_both_the_request_is_refused(expected, client, site):  # noqa: F811
    both = JSON | {"content-length": "2", "transfer-encoding": "chunked"}
    expected.met_by(of_response(client.post("/challenges", content=b"{}", headers=both)))
    expected.met_by(of_response(await site.client.post(TELEMETRY, content=b"{}", headers=both)))


# --- headers -----------------------------------------------------------------------------------------------


@attack("VU005", "reject:431", heavy="client libraries take long for thousands of headers")
async def test_headers_that_are_too_many_or_too_long_are_refused(expected, client, site):  # noqa: F811
    for headers in (
        {"x-large": "x" * 200_000},
        {"cookie": "a=b; " * 40_000},
        {f"x-{n}": "y" for n in range(5000)},
        {f"x-{n}": "y" for n in range(101)},
        {f"x-{n}": "y" * 1000 for n in range(50)},
    ):
        expected.met_by(of_response(client.get("/nowhere", headers=headers)))
        expected.met_by(of_response(await site.client.get("/healthz", headers=headers)))


# --- addresses ---------------------------------------------------------------------------------------------

FORWARDED = (
    lambda n: {"x-forwarded-for": f"198.51.100.{n}"},
    lambda n: {"x-forwarded-for": f"198.51.100.{n}, 127.0.0.1"},
    lambda n: {"forwarded": f"for=198.51.100.{n}", "x-real-ip": f"198.51.100.{n}"},
    lambda n: {"true-client-ip": f"198.51.100.{n}", "cf-connecting-ip": f"198.51.100.{n}"},
)


@attack("VU007", "reject:429", heavy="it opens an issuer for each spelling")
async def test_a_forwarded_address_buys_no_further_request(expected, open_site):  # noqa: F811
    for spelled in FORWARDED:
        with opened(rate_per_minute=3) as client:
            answers = [client.post("/challenges", headers=spelled(n)) for n in range(6)]
        assert [answer.status_code for answer in answers[:3]] == [201] * 3
        expected.met_by(*map(of_response, answers[3:]))
        assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers[3:])
        issuer = await open_site(refused_rate_per_minute=2)
        path = "/api/v1/certificates"
        guesses = [await issuer.client.get(path, headers=spelled(n)) for n in range(4)]
        assert [guess.status_code for guess in guesses[:2]] == [401] * 2
        expected.met_by(*map(of_response, guesses[2:]))


# --- hosts -------------------------------------------------------------------------------------------------


@attack("VU008", "reject:400")
async def test_a_host_that_is_another_or_none_is_refused(expected, site):  # noqa: F811
    with opened(hosts=("good.example", "good.example:8090"), rate_per_minute=0) as client:
        assert client.get("/healthz", headers={"host": "GOOD.example"}).status_code == 200
        for host in (
            "goodXexample",
            "good.example.evil.example",
            "evilgood.example",
            "good.example:80",
            "good.example@evil.example",
            "good.example,evil.example",
            "good.example\\evil.example",
            "good.example/",
            "evil.example",
            "127.0.0.1",
            "",
        ):
            for path in ("/healthz", "/nowhere"):
                expected.met_by(of_response(client.get(path, headers={"host": host})))
            spoof = {"host": host, "x-forwarded-host": "good.example", "x-host": "good.example"}
            expected.met_by(of_response(client.get("/healthz", headers=spoof)))
    for host in ("oracleXexample", "evil.example", "oracle.example.evil.example", ""):
        headers = {"host": host, "x-forwarded-host": "oracle.example"}
        expected.met_by(of_response(await site.client.get("/healthz", headers=headers)))


# --- methods and origins -----------------------------------------------------------------------------------

ORIGINS = (
    "null",
    "https://evil.example",
    "https://a.example.evil.example",
    "http://a.example",
    "https://a.example:444",
)


def unallowed(answer):
    return not [
        name for name in answer.headers if name in {"access-control-allow-origin", "access-control-allow-credentials"}
    ]


@attack("VU012", "reject:405/no ACAO", heavy="nine methods at every path of both services")
async def test_other_methods_are_refused_and_other_origins_allowed_nothing(expected, client, open_site):  # noqa: F811
    issuer = await open_site(cors_origins=("https://a.example",))
    for method in ("HEAD", "OPTIONS", "GET", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"):
        for path in ROUTES:
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), (method, path)
        answer = await issuer.client.request(method, TELEMETRY)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), method
    for origin in ORIGINS:
        headers = {"origin": origin, "cookie": "session=1", "access-control-request-method": "POST"}
        assert unallowed(client.post("/credentials/verify", content=GOOD, headers=JSON | headers))
        assert unallowed(client.options("/credentials/verify", headers=headers))
        with opened(cors_origins=("https://a.example",)) as another:
            for method in ("POST", "OPTIONS"):
                assert unallowed(another.request(method, "/credentials/verify", headers=JSON | headers))
            assert not unallowed(another.get("/healthz", headers={"origin": "https://a.example"}))
        for method in ("GET", "OPTIONS"):
            assert unallowed(await issuer.client.request(method, "/healthz", headers=headers))
    expected.held()


def test_what_stands_in_a_problem_is_never_the_requests_own_text(client):
    marked = "<script>alert(1)</script>"
    for answer in (
        client.get(f"/{marked}"),
        client.post("/credentials/verify", content=json.dumps({marked: 1}), headers=JSON),
        client.post("/credentials/verify", content=json.dumps({"options": {marked: 1}}), headers=JSON),
        client.get(f"/healthz?{marked}=1"),
        client.get("/healthz", headers={"host": marked}),
    ):
        assert answer.status_code >= 400
        assert b"<script" not in answer.content
        assert set(msgspec.json.decode(answer.content)) == {"type", "title", "status", "detail", "instance"}
