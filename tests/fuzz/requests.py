"""Hostile requests: valid ones of both services, with one or two parts of them broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote

from contexts import green_compute
from schemas import base64url, jcs
from tests.fakes.issuer import node_signer, signed
from tests.fakes.verifier import World, put
from tests.fuzz.asgi import Request
from tests.fuzz.mutation import edited, random_edits
from tests.fuzz.nasty import NASTY_TEXTS

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X" * 40, "")

_SEGMENTS: Final = (
    b"",
    b".",
    b"..",
    b"%2e%2e",
    b"%2F",
    b"%00",
    b"%ff",
    b"%C0%AF",
    b"%",
    b"*",
    b";a=b",
    b"~",
    b"a" * 3000,
)
_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-type", b"text/plain"),
    (b"content-type", b"application/json; charset=utf-16"),
    (b"content-type", b"application/json"),
    (b"content-type", b"multipart/form-data; boundary=\xff"),
    (b"content-type", b""),
    (b"content-length", b"-1"),
    (b"content-length", b"9" * 30),
    (b"content-length", b"0"),
    (b"content-encoding", b"gzip"),
    (b"transfer-encoding", b"chunked"),
    (b"host", b"evil.example"),
    (b"host", b""),
    (b"host", b"oracle.example:99999999"),
    (b"host", b"\xff\xfe"),
    (b"authorization", b"Bearer " + b"A" * 60),
    (b"authorization", b"Basic \xff"),
    (b"authorization", b"bearer gck_" + b"_" * 43),
    (b"x-forwarded-for", b"1.2.3.4, \x00, ::1"),
    (b"x-forwarded-host", b"evil.example"),
    (b"if-none-match", b'W/"x", *, "'),
    (b"range", b"bytes=0-,-5"),
    (b"accept", b"\xff/\xfe;q=nan"),
    (b"accept-encoding", b"zstd, br, gzip;q=1e9"),
    (b"origin", b"null"),
    (b"access-control-request-method", b"DELETE"),
    (b"cookie", b"a=b; " * 200),
    (b"expect", b"100-continue"),
    (b"connection", b"upgrade"),
    (b"upgrade", b"websocket"),
    (b"x-" + b"a" * 100, b"b" * 40_000),
    (b"", b""),
)

Break = Callable[[Random, Request], Request]


def broken(random: Random, request: Request, others: Sequence[bytes]) -> Request:
    """Return the request with one of its parts broken, now and then two, seldom none."""
    # The body is what most of the code reads; what is wrong elsewhere is refused before it is looked at.
    weights = (10, 1, 1, 1, 2) if request.body else (0, 1, 3, 4, 2)
    for _ in range(random.choice((0, 1, 1, 1, 1, 1, 1, 1, 1, 2))):
        part = random.choices((_body_of(others), _method, _path, _query, _header), weights)[0]
        request = part(random, request)
    return request


def _body_of(others: Sequence[bytes]) -> Break:
    def change(random: Random, request: Request) -> Request:
        return request._replace(body=edited(request.body, random_edits(random, 3), others))

    return change


def _method(random: Random, request: Request) -> Request:
    return request._replace(method=random.choice(METHODS))


def _path(random: Random, request: Request) -> Request:
    path, mark, query = request.target.partition(b"?")
    segments = path.split(b"/")
    at = random.randrange(1, len(segments))
    piece = random.choice((random.choice(_SEGMENTS), _quoted(random.choice(NASTY_TEXTS)[:200])))
    match random.randrange(4):
        case 0:
            segments[at] = piece
        case 1:
            segments[at] += piece
        case 2:
            segments.insert(at, piece)
        case 3:
            del segments[at]
    return request._replace(target=(b"/".join(segments) or b"/") + mark + query)


def _query(random: Random, request: Request) -> Request:
    path, _, query = request.target.partition(b"?")
    pairs = [pair for pair in query.split(b"&") if pair]
    name = random.choice(
        (b"limit", b"cursor", b"since", b"until", b"tenant", b"model_id", b"node_id", b"alg", b"x", b"")
    )
    value = random.choice(
        (b"", b"1", b"-1", b"1e9", b"acme", b"2026-11-20", b"%ff", b"+", _quoted(random.choice(NASTY_TEXTS)[:600]))
    )
    match random.randrange(4):
        case 0 if pairs:
            at = random.randrange(len(pairs))
            pairs[at] = pairs[at].partition(b"=")[0] + b"=" + value
        case 1 if pairs:
            pairs.append(random.choice(pairs))
        case 2:
            pairs.append(random.choice((b"=", b"&&", b"%", b"a=b=c", b";", b"a[]=1", b"\xff=\xfe")))
        case _:
            pairs.append(name + b"=" + value)
    return request._replace(target=path + b"?" + b"&".join(pairs))


def _header(random: Random, request: Request) -> Request:
    headers = list(request.headers)
    match random.randrange(4):
        case 0 if headers:
            del headers[random.randrange(len(headers))]
        case 1 if headers:
            headers.append(random.choice(headers))
        case 2 if headers:
            at = random.randrange(len(headers))
            headers[at] = (headers[at][0], edited(headers[at][1], random_edits(random, 1)))
        case _:
            headers += [random.choice(_HEADERS)] * random.choice((1, 1, 1, 2, 150))
    return request._replace(headers=tuple(headers))


def _quoted(text: str) -> bytes:
    return quote(text.encode("utf-8", "surrogatepass"), safe="").encode("ascii")


# --- bodies that are broken before they are signed: only so is what stands behind the signature reached -----------


# Of the right form, and still nothing to issue for.
_UNTRUE: Final[tuple[dict[str, Any], ...]] = (
    {"timestamp": "2026-11-20T20:10:00Z"},
    {"timestamp": "2026-11-01T20:01:04Z"},
    {"timestamp": "9999-12-31T23:59:59.999999Z"},
    {"timestamp": "1000-01-01T00:00:00Z", "duration_s": "86400"},
    {"energy_kwh": "999"},
    {"energy_kwh": "0"},
    {"energy_kwh": "999999999999.999999999999"},
    {"duration_s": "0.000001"},
    {"duration_s": "86400", "energy_kwh": "999999"},
    {"duration_s": None, "period_start": "2026-11-20T20:01:04.25Z"},
    {"node_id": "node-8"},
    {"node_id": "node-99"},
    {"inference_id": "first"},
    {"inference_id": ".."},
    {"model_id": 'org/a model, "quoted"'},
    {"model_id": "org/e\u0301"},
    {"model_id": "=1+1"},
    {"simulated": True},
    {"gpu_utilization": 100.5},
)


def hostile_record(random: Random, record: dict[str, Any]) -> bytes:
    """Return a record that its node signed with something wrong in it; unsigned where it cannot be."""
    if random.random() < 0.5:
        changed = record | random.choice(_UNTRUE)
        return signed({name: member for name, member in changed.items() if member is not None})
    raw = edited(json.dumps(record).encode(), random_edits(random, 2))
    try:
        value = json.loads(raw)
        return signed({name: member for name, member in value.items() if name != "signature"})
    except Exception:  # noqa: BLE001 - nobody can sign it, so it goes as it is
        return raw


def hostile_enrolment(random: Random, token: str, number: int) -> bytes:
    """Return the enrolment of node-``number`` by ``token`` with something wrong, and the proof of its key."""
    key = node_signer(number)
    asked = {"token": random.choice((token, "gci_" + "A" * 43)), "jwk": {**key.public_key.jwk}}
    raw = edited(json.dumps(asked).encode(), random_edits(random, 2) if random.random() < 0.6 else [])
    try:
        value = json.loads(raw)
        message = b"gc/1 enrolment\0" + jcs.canonical_bytes({"jwk": value["jwk"], "token": value["token"]})
        signer = random.choice((key, key, node_signer(9)))
        return json.dumps(value | {"signature": base64url.encode(signer.sign(message, "ES256"))}).encode()
    except Exception:  # noqa: BLE001 - nobody can sign it, so it goes as it is
        return raw


def hostile_credential(random: Random, world: World) -> bytes:
    """Return a request to verify what a hostile issuer signed: a credential with something wrong in it."""
    unsecured = world.unsecured(put("@context.3", green_compute.URL))
    raw = edited(json.dumps(unsecured).encode(), random_edits(random, 2))
    try:
        value = world.issuer.sign(json.loads(raw))
    except Exception:  # noqa: BLE001 - nobody can sign it, so it goes as it is
        return b'{"verifiableCredential":' + raw + b"}"
    return json.dumps({"verifiableCredential": value}).encode()
