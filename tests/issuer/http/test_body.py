"""Bodies are read raw, to a cap, within a deadline, however they arrive."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.fakes.asgi import exchange


async def _send(site, *chunks, headers=(), delay_s=0.0, gone=False):
    """Post telemetry chunk by chunk, as a server hands it to the application."""
    pending = list(chunks)

    async def receive():
        await asyncio.sleep(delay_s)
        if not pending:
            return {"type": "http.disconnect"} if gone else await asyncio.Event().wait()
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending) or gone}

    sent = [(b"host", b"oracle.example"), (b"content-type", b"application/json"), *headers]
    status, _, body = await exchange(site.service, receive, method="POST", path="/api/v1/telemetry", headers=sent)
    return status, json.loads(body)


async def test_a_body_without_a_length_is_cut_at_the_cap(site):
    status, document = await _send(site, *[b" " * 4096] * 10)
    assert status == 413
    assert document["type"].endswith("#RESOURCE_LIMIT")


async def test_a_body_longer_than_announced_is_cut_at_the_cap(site):
    status, _ = await _send(site, *[b" " * 4096] * 10, headers=[(b"content-length", b"10")])
    assert status == 413


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"0x10", b"", b"9" * 30])
async def test_a_length_that_is_no_number_is_refused(site, length):
    status, _ = await _send(site, b"{}", headers=[(b"content-length", length)])
    assert status in {400, 413}


async def test_a_slow_body_is_given_up(open_site):
    site = await open_site(body_timeout_s=0.05)
    status, document = await _send(site, b"{", b"}", delay_s=0.04)
    assert status == 408
    assert document["type"].endswith("#BODY_TIMEOUT")


async def test_a_body_that_never_ends_is_given_up(open_site):
    site = await open_site(body_timeout_s=0.05)
    status, _ = await _send(site)
    assert status == 408


async def test_a_client_that_goes_away_is_no_fault_of_ours(site):
    status, document = await _send(site, b"{", gone=True)
    assert status == 400
    assert document["type"].endswith("#DISCONNECTED")


async def test_chunks_are_joined_before_they_are_read(site):
    status, document = await _send(site, b'{"node_id":"\xc3', b'\xa9"', b"}")
    assert status == 400
    # The two halves of one character are a string that is read, and then is no node id.
    assert document["type"].endswith("#SCHEMA_INVALID")


@pytest.mark.parametrize("headers", [[(b"content-type", b"application/json")], [(b"content-type", b"text/plain")]])
async def test_two_content_types_are_refused(site, headers):
    status, _ = await _send(site, b"{}", headers=headers)
    assert status == 415


@pytest.mark.parametrize("codings", [("identity", "gzip"), ("gzip", "identity"), ("identity", "identity"), ("",) * 2])
async def test_two_content_codings_are_refused_as_one_is(site, codings):
    headers = [(b"content-encoding", coding.encode()) for coding in codings]
    status, document = await _send(site, b"{}", headers=headers)
    assert status == 415
    assert document["type"].endswith("#UNSUPPORTED_MEDIA_TYPE")
