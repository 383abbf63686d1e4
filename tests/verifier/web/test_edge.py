"""The edge of the service, spoken to in ASGI: bodies that come slowly, in pieces, or without an end."""

import asyncio
import gzip
import json

import pytest

from tests.fakes.asgi import exchange
from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher
from verifier.settings import Settings
from verifier.web.app import create_app
from verifier.web.edge import Edge

PAUSE, GONE = None, object()
HEADERS = ((b"host", b"verifier.example"), (b"content-type", b"application/json"))


def service(**changes):
    settings = Settings(**{"body_timeout_s": 0.2, **changes})
    return create_app(settings, fetcher=MemoryFetcher({}), engines=ENGINES, clock=FixedClock())


async def answer(*pieces, headers=HEADERS, path="/credentials/verify", **changes):
    """Return (status, content) for a POST whose body arrives in ``pieces``; PAUSE is longer than any deadline."""
    status, _, body = await raw(service(**changes), *pieces, headers=headers, path=path)
    return status, json.loads(body)


async def raw(
    app, *pieces, headers=HEADERS, path="/credentials/verify", method="POST", client=("192.0.2.1", 1), pause_s=0.0
):
    """Return (status, headers, body). GONE in place of a piece: the client goes away."""
    left = list(pieces)

    async def receive():
        await asyncio.sleep(pause_s)
        if left and left[0] is PAUSE:
            await asyncio.sleep(10)
        if left and left[0] is GONE:
            return {"type": "http.disconnect"}
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return await exchange(app, receive, method=method, path=path, headers=list(headers), client=client)


async def test_a_body_in_pieces_is_put_together():
    status, content = await answer(b'{"verifiable', b'Credential": {}}')
    assert (status, content["verified"]) == (400, False)


async def test_a_body_that_does_not_arrive_in_time_is_given_up():
    status, content = await answer(b"{", PAUSE, b"}")
    assert (status, content["type"].rpartition("#")[2]) == (408, "REQUEST_TIMEOUT")


@pytest.mark.parametrize("declared", [(), ((b"content-length", b"10"),)], ids=["no length", "a false length"])
async def test_a_body_is_given_up_as_soon_as_it_is_too_large(declared):
    pieces = [b"x" * 300_000] * 2
    status, _ = await answer(*pieces, PAUSE, headers=(*HEADERS, *declared))
    assert status == 413


async def test_two_hosts_are_one_too_many():
    status, content = await answer(b"{}", headers=(*HEADERS, (b"host", b"evil.example")))
    assert (status, content["status"]) == (400, 400)


async def test_a_path_that_climbs_is_no_path():
    assert (await answer(b"{}", path="/credentials/../credentials/verify"))[0] == 404


def name(content):
    return content["type"].rpartition("#")[2]


async def test_what_is_announced_as_too_large_is_refused_before_it_is_waited_for():
    status, content = await answer(PAUSE, headers=(*HEADERS, (b"content-length", b"99999999")))
    assert (status, name(content)) == (413, "RESOURCE_LIMIT")


async def test_a_length_that_is_no_number_is_refused():
    assert (await answer(b"{}", headers=(*HEADERS, (b"content-length", b"2e1"))))[0] == 400


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify", "/challenges"])
async def test_who_goes_away_has_sent_a_bad_request_and_broken_nothing(path, capsys):
    status, content = await answer(b'{"veri', GONE, path=path)
    assert (status, name(content)) == (400, "DISCONNECTED")
    assert "unexpected" not in "".join(capsys.readouterr())


async def test_a_body_at_a_crawl_is_given_up_before_its_deadline():
    crawl = {"body_timeout_s": 30, "body_stall_timeout_s": 0.05}
    status, content = await answer(b"{" * 1000, PAUSE, b"}", **crawl)
    assert (status, name(content)) == (408, "REQUEST_TIMEOUT")


async def test_a_body_that_keeps_its_pace_may_take_longer_than_a_stall():
    app = service(body_timeout_s=30, body_stall_timeout_s=0.2)
    pieces = [b" " * 16_384] * 8 + [b"{}"]
    assert (await raw(app, *pieces, pause_s=0.05))[0] == 400


async def test_a_compressed_body_is_not_read():
    headers = (*HEADERS, (b"content-encoding", b"gzip"))
    assert (await answer(gzip.compress(b"{}"), headers=headers))[0] == 415


async def test_where_bodies_find_no_room_the_request_may_come_back():
    app = service(bodies_max_bytes=1_000_000, body_timeout_s=30)
    waiting = asyncio.create_task(raw(app, b" " * 700_000, PAUSE, path="/presentations/verify"))
    while not app.app.dependencies["service"].dependency().bodies.taken_bytes:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    status, headers, body = await raw(app, b" " * 400_000)
    assert (status, name(json.loads(body))) == (503, "OVERLOADED")
    assert int(headers[b"retry-after"]) > 0
    assert (await raw(app, b"{}"))[0] == 400
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert app.app.dependencies["service"].dependency().bodies.taken_bytes == 0


async def test_a_document_that_would_never_find_memory_is_too_large():
    status, content = await answer(b'{"a":"' + b"x" * 1000 + b'"}', documents_max_bytes=1000)
    assert (status, name(content)) == (413, "RESOURCE_LIMIT")


async def test_an_address_has_a_rate_and_each_address_its_own():
    app = service(rate_per_minute=2)
    answers = [await raw(app, b"{}") for _ in range(3)]
    assert [status for status, _, _ in answers] == [400, 400, 429]
    _, headers, body = answers[2]
    assert 1 <= int(headers[b"retry-after"]) <= 60
    assert name(json.loads(body)) == "RATE_LIMITED"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert (await raw(app, b"{}", client=("192.0.2.2", 1)))[0] == 400


@pytest.mark.parametrize("path", ["/", "/healthz", "/page.css", "/page.js"])
async def test_the_page_and_its_health_are_answered_whatever_the_rate(path):
    app = service(rate_per_minute=1)
    assert [(await raw(app, method=method, path=path))[0] for method in ("GET", "HEAD") * 3] == [200] * 6


async def test_paths_that_are_none_count_too():
    app = service(rate_per_minute=1)
    assert [(await raw(app, method="GET", path="/nowhere"))[0] for _ in range(2)] == [404, 429]


async def test_a_rate_of_zero_is_none():
    app = service(rate_per_minute=0)
    assert {(await raw(app, b"{}"))[0] for _ in range(20)} == {400}


async def test_what_a_trusted_proxy_says_counts_and_what_others_say_does_not():
    app = service(rate_per_minute=1, trusted_proxies=("10.0.0.0/8",))

    async def status(peer, forwarded):
        return (await raw(app, b"{}", headers=(*HEADERS, (b"x-forwarded-for", forwarded)), client=(peer, 1)))[0]

    assert [await status("10.0.0.1", b"198.51.100.1"), await status("10.0.0.1", b"198.51.100.2")] == [400, 400]
    assert await status("10.0.0.1", b"198.51.100.1") == 429
    assert await status("10.0.0.1", b"9.9.9.9, 198.51.100.1") == 429
    assert [await status("192.0.2.9", b"198.51.100.8"), await status("192.0.2.9", b"198.51.100.9")] == [400, 429]


async def test_a_target_that_is_too_long_is_refused():
    status, headers, body = await raw(service(), method="GET", path="/" + "a" * 9000)
    assert (status, headers[b"connection"]) == (414, b"close")
    assert name(json.loads(body)) == "RESOURCE_LIMIT"


async def test_a_proxy_request_is_refused():
    assert (await raw(service(), method="CONNECT", path=""))[0] == 400


@pytest.mark.parametrize("path", ["/", "/page.js", "/healthz", "/openapi", "/nowhere"])
async def test_head_is_answered_as_get_without_the_body(path):
    whole, head = [await raw(service(), method=method, path=path) for method in ("GET", "HEAD")]
    assert (head[0], head[2]) == (whole[0], b"")
    assert head[1].get(b"content-length") == whole[1].get(b"content-length")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/", b"GET, HEAD"), ("/healthz", b"GET, HEAD"), ("/credentials/verify", b"POST")]
)
async def test_options_is_refused_and_told_what_is_not(path, allowed):
    status, headers, _ = await raw(service(), method="OPTIONS", path=path)
    assert (status, headers[b"allow"]) == (405, allowed)


async def test_web_sockets_are_closed():
    sent = []

    async def send(message):
        sent.append(message)

    await service()({"type": "websocket"}, None, send)
    assert sent == [{"type": "websocket.close", "code": 1003, "reason": "no WebSockets here"}]


async def test_a_failure_outside_the_routes_tells_nothing():
    async def broken(_scope, _receive, _send):
        raise RuntimeError("secret detail")

    status, _, body = await raw(Edge(broken, Settings()), b"{}")
    assert status == 500
    assert b"secret" not in body


async def test_an_answer_cut_off_in_the_middle_is_not_made_whole():
    async def half(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("secret detail")

    with pytest.raises(RuntimeError):
        await raw(Edge(half, Settings()), b"{}")


@pytest.mark.parametrize(
    "codings", [["identity", "gzip"], ["gzip", "identity"], ["identity", "identity"], ["identity, gzip"], [""]]
)
async def test_two_content_codings_are_refused_as_one_is(codings):
    headers = (*HEADERS, *((b"content-encoding", coding.encode()) for coding in codings))
    status, content = await answer(b"{}", headers=headers)
    assert (status, content["type"].rpartition("#")[2]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_answer_that_nobody_reads_is_given_up():
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

    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": list(HEADERS)}
    async with asyncio.timeout(30):
        with pytest.raises(TimeoutError):
            await Edge(endless, Settings(), send_timeout_s=0.01)({**scope, "client": None}, None, send)
    assert parts == 2
