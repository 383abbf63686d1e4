"""Taking a node's windows from its issuer's pages: what is asked, what is believed, and when to ask again."""

import gzip
import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from schemas import base64url, digests, jcs
from schemas.cmw import build_evidence
from schemas.window_record import encode_records
from tests.fakes.verifier import FixedClock, MemoryFetcher, fetched
from tests.fakes.windows import CERTIFICATES
from tests.verifier.bundles import AUDITOR, audited, boot_event, node_of, nonces
from verifier import cli
from verifier.audit_bundle import write_bundle
from verifier.audit_errors import IssuerBusyError, IssuerRefusedError
from verifier.audit_issuer import MAX_PAGE_BYTES, Period, refusal, take_windows
from verifier.audit_make import Collected, complete
from verifier.errors import FetchFailedError, HostUnreachableError, UsageError
from verifier.fetch import EgressClient
from verifier.report import Outcome

ISSUER = "https://oracle.example"


class Issuer:
    """An Asked that answers with what it is given, one after the other; an error is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.waited = []

    async def get(self, url, accept):
        self.asked.append(url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return fetched(url, answer)

    async def sleep(self, seconds):
        self.waited.append(seconds)


def item(place, made, *, event=None, **changes):
    """Return a window as the issuer's page has it."""
    line = {"evidence": json.loads(build_evidence(made.evidence))}
    line |= {} if event is None else {"boot_event": json.loads(event)}
    body = jcs.canonical_bytes(line) + b"\n" + (encode_records(made.records.records) if made.records.records else b"")
    log = [json.loads(one) for one in nonces(made).splitlines()]
    return {
        "window": "uEi",
        "boot_epoch": "1.0",
        "sequence": made.header["sequence"],
        "credential": place.credential(made),
        "nonce": log[0] if log else None,
        "request": base64url.encode(gzip.compress(body)),
        **changes,
    }


def page(*items, cursor=None):
    return {"items": list(items), "next_cursor": cursor}


@pytest.fixture(scope="module")
def place():
    return node_of(2)


async def taken(*answers, period=None, **options):
    issuer, collected = Issuer(*answers), Collected(**options)
    told = await take_windows(f"{ISSUER}/", period or Period("node-7"), issuer, collected, sleep=issuer.sleep)
    return issuer, collected, told


async def test_pages_become_the_files_of_a_bundle_that_verifies(tmp_path):
    place = node_of(2)
    place.node.reboot()
    event = boot_event(place)
    place.close()
    pages = [page(item(place, place.made[0]), cursor="1"), page(item(place, place.made[1]), cursor="2")]
    pages.append(page(item(place, place.made[2], event=event)))
    issuer, collected, told = await taken(*pages, spool=tmp_path, period=Period("node-7", "2026-11-01", "2026-12-01"))
    assert told == []
    assert issuer.asked == [
        f"{ISSUER}/api/v1/windows/node-7?limit=100&since=2026-11-01&until=2026-12-01{cursor}"
        for cursor in ("", "&cursor=1", "&cursor=2")
    ]
    beside = place.attachments | {digests.digest(raw): raw for raw in CERTIFICATES}
    served = place.world.served() | {f"{place.world.base}/evidence/{name}": raw for name, raw in beside.items()}
    served[f"{place.world.base}/enrolments/{digests.digest(place.enrolment)}"] = place.enrolment
    assert await complete(collected, MemoryFetcher(served)) == []
    write_bundle(tmp_path / "b.zip", collected.files, created="2026-11-20T21:00:00Z")
    report = audited(tmp_path / "b.zip", policy=AUDITOR)
    assert (report.outcome, report.windows.verified, report.nodes[0].records) == (Outcome.VERIFIED, 3, 6)


async def test_a_window_without_a_credential_is_told(place):
    _, collected, told = await taken(page(item(place, place.made[0], credential=None), item(place, place.made[1])))
    assert told == ["window 0 has no credential: the issuer has not finished it yet"]
    assert len([*collected.of("window")]) == 1
    assert len([*collected.of("records")]) == 2


async def test_a_busy_issuer_is_asked_again_when_it_says(place):
    busy = refusal(429, {"retry-after": "30"}, b'{"detail": "more than 100 requests a minute"}')
    assert isinstance(busy, IssuerBusyError)
    issuer, _, _ = await taken(busy, FetchFailedError("broke off"), page(item(place, place.made[0])))
    assert issuer.waited == [30.0, 4.0]


async def test_an_issuer_that_stays_busy_ends_it(place):
    busy = IssuerBusyError("the issuer answers 503: later", retry_after_s=10_000)
    with pytest.raises(IssuerBusyError, match="later"):
        await taken(*[busy] * 6, page(item(place, place.made[0])))


@pytest.mark.parametrize(
    "error", [HostUnreachableError("no such host"), refusal(403, {}, b'{"detail": "ask the operator"}')]
)
async def test_what_time_does_not_mend_is_told_at_once(error):
    issuer = Issuer(error)
    with pytest.raises(type(error), match=re.escape(error.detail)):
        await take_windows(ISSUER, Period("node-7"), issuer, Collected(), sleep=issuer.sleep)
    assert issuer.waited == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "word"),
    [
        (401, b'{"detail": "send Authorization"}', IssuerRefusedError, "401: send Authorization"),
        (404, b"<html>", IssuerRefusedError, "is this the issuer's address"),
        (404, b"[]", IssuerRefusedError, "is this the issuer's address"),
        (200 + 3, b"[" * 100_000, IssuerRefusedError, "203"),
        (500, b'{"detail": 1}', IssuerBusyError, "500: 1"),
    ],
)
def test_a_refusal_is_told_in_the_issuers_words(status, body, kind, word):
    error = refusal(status, {"retry-after": "soon"}, body)
    assert type(error) is kind
    assert word in error.detail


def test_what_the_issuer_says_is_bounded():
    assert len(refusal(403, {}, json.dumps({"detail": "x" * 10_000}).encode()).detail) < 600


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"request": base64url.encode(b"no gzip at all")}, "no gzip"),
        ({"request": "!"}, "cannot be read"),
        ({"request": base64url.encode(gzip.compress(b"x")[:-4])}, "cut off"),
        ({"request": base64url.encode(gzip.compress(b"not json\n"))}, "cannot be read"),
        ({"request": base64url.encode(gzip.compress(bytes(70 * 1024 * 1024)))}, "larger than any window"),
        ({"request": base64url.encode(gzip.compress(b'{"evidence":{"x":1}}\n'))}, "belongs in no bundle"),
        ({"request": base64url.encode(gzip.compress(b'{"evidence":{"jws":"a.b.c"}}\n{"x":1}\n'))}, "cannot be read"),
        ({"credential": {"x": 1}}, "belongs in no bundle"),
    ],
)
async def test_a_window_that_cannot_be_taken_apart_is_told_by_its_number(place, changes, word):
    with pytest.raises(FetchFailedError, match=word) as raised:
        await taken(page(item(place, place.made[1], **changes)))
    assert "window 1" in raised.value.detail


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"items": [{}]}', b"\xff", b"[" * 100_000])
async def test_an_answer_that_is_no_page_is_told(answer):
    with pytest.raises(FetchFailedError, match="no page of windows"):
        await taken(*[answer] * 6)


async def test_pages_that_go_round_in_a_circle_end(place):
    one = item(place, place.made[0])
    with pytest.raises(FetchFailedError, match="lead nowhere"):
        await taken(page(one, cursor="1"), page(one, cursor="1"))
    with pytest.raises(FetchFailedError, match="lead nowhere"):
        await taken(page(cursor="1"))


async def test_a_period_without_windows_makes_no_bundle():
    with pytest.raises(UsageError, match="no window of node-7"):
        await taken(page())


async def test_more_than_a_bundle_holds_is_told(place):
    with pytest.raises(UsageError, match="shorter periods"):
        await taken(page(*(item(place, made) for made in place.made)), max_files=3)


# --- the client that bears the key -----------------------------------------------------------------------------


class Body(httpx.AsyncByteStream):
    def __init__(self, content):
        self.content = content

    async def __aiter__(self):
        yield self.content


class Line(httpx.AsyncBaseTransport):
    def __init__(self, status, body, **headers):
        self.status, self.body, self.headers, self.requests = status, body, headers, []

    async def handle_async_request(self, request):
        self.requests.append(request)
        return httpx.Response(self.status, headers=self.headers, stream=Body(self.body))


class Names:
    async def resolve(self, host, port):
        return ("93.184.215.14",)


def client(line, **options):
    return EgressClient(
        resolver=Names(), transport=line, clock=FixedClock(), bearer="gck_secret", refusal=refusal, **options
    )


async def test_the_key_goes_to_the_issuer_in_its_header_alone():
    line = Line(200, b"{}", **{"content-type": "application/json"})
    await client(line, max_bytes=MAX_PAGE_BYTES).get(f"{ISSUER}/api/v1/windows/node-7?limit=100", ("application/json",))
    (request,) = line.requests
    assert request.headers["authorization"] == "Bearer gck_secret"
    assert "gck_secret" not in str(request.url)


async def test_a_client_without_a_key_bears_none():
    line = Line(200, b"{}", **{"content-type": "application/json"})
    await EgressClient(resolver=Names(), transport=line).get(ISSUER, ("application/json",))
    assert "authorization" not in line.requests[0].headers


async def test_an_answer_with_another_status_is_told_in_the_issuers_words():
    line = Line(403, b'{"detail": "ask the operator"}', **{"content-type": "application/problem+json"})
    with pytest.raises(IssuerRefusedError, match="403: ask the operator"):
        await client(line).get(ISSUER, ("application/json",))


async def test_a_redirect_carries_the_key_nowhere():
    line = Line(302, b"", location="https://evil.example/")
    with pytest.raises(IssuerRefusedError, match="302"):
        await client(line).get(ISSUER, ("application/json",))
    assert len(line.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_of_the_issuer_is_no_wrong_usage(tmp_path, capsys, status):
    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"detail": "ask the operator"}'
            self.send_response(status)
            self.send_header("content-type", "application/problem+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    (tmp_path / "key").write_text("gck_" + "A" * 43)
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        words = ["--from-issuer", url, "--node", "node-7", "--api-key-file", str(tmp_path / "key"), "--development"]
        code = cli.main(["audit-bundle", "make", *words, "--out", str(tmp_path / "b.zip")])
        thread.join()
    assert (code, (tmp_path / "b.zip").exists()) == (1, False)
    assert f"the issuer answers {status}: ask the operator" in capsys.readouterr().err
