"""The edge of the service, spoken to in ASGI: bodies that come slowly, in pieces, or without an end."""

import asyncio
import json

import pytest

from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher
from verifier.app import create_app
from verifier.settings import Settings

PAUSE = None
HEADERS = ((b"host", b"verifier.example"), (b"content-type", b"application/json"))


async def answer(*pieces, headers=HEADERS, path="/credentials/verify"):
    """Return (status, content) for a POST whose body arrives in ``pieces``; PAUSE is longer than any deadline."""
    settings = Settings(body_timeout_s=0.2)
    app = create_app(settings, fetcher=MemoryFetcher({}), engines=ENGINES, clock=FixedClock())
    sent, left = [], list(pieces)

    async def receive():
        if left and left[0] is PAUSE:
            await asyncio.sleep(10)
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)


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
