"""What the proxy refuses by itself, and how connections end."""

import asyncio
import json

import pytest

from tests.agent.proxy.proxying import BODY, CHAT, http, proxied
from tests.fakes.openai_backend import silence, whole

pytestmark = pytest.mark.timeout(60)


def status(answer):
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\n\r\n", 400),
        (http("POST", "http://other/v1/completions"), 400),
        (b"CONNECT other:443 HTTP/1.1\r\nHost: here\r\n\r\n", 400),
        (http("OPTIONS", "*", body=None), 400),
        # One reader would go by the length, the other by the chunks.
        (http("POST", CHAT, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        (b"POST /v1/x HTTP/1.0\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (http("POST", CHAT, "Content-Length: 5", body=b"{}"), 400),
        (http("POST", CHAT, "Transfer-Encoding: gzip", body=None), 400),
        (http("POST", CHAT, "Transfer-Encoding: chunked", body=None) + b"zz\r\n{}\r\n0\r\n\r\n", 400),
        (http("POST", CHAT, "X : 1"), 400),
        (http("POST", CHAT, "X-Long: " + "a" * 70_000), 431),
        (http("POST", CHAT, *(f"X-{number}: 1" for number in range(101))), 431),
        (http("POST", "/" + "a" * 9000), 414),
        (http("POST", CHAT, "Via: 1.1 green-agent, 1.1 green-agent"), 508),
    ],
)
async def test_what_may_be_read_in_two_ways_or_is_too_large_is_refused(request_bytes, expected):
    async with proxied() as proxy:
        answer = await proxy.send(request_bytes)

    assert status(answer) == expected
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == expected
    assert proxy.backend.asked == []
    assert proxy.measurer.running == {}


@pytest.mark.parametrize("path", [CHAT, "/v1/files"])
async def test_a_body_that_is_too_large_is_refused_said_or_unsaid(path):
    chunked = http("POST", path, "Transfer-Encoding: chunked", body=None)
    async with proxied(max_body_bytes=1000) as proxy:
        said = await proxy.send(http("POST", path, body=b"a" * 1001))
        unsaid = await proxy.send(chunked + (b"1f4\r\n" + b"a" * 500 + b"\r\n") * 3 + b"0\r\n\r\n")
        fits = await proxy.send(http("POST", path, body=b"a" * 1000))

    assert [status(answer) for answer in (said, unsaid, fits)] == [413, 413, 200]
    assert proxy.measurer.running == {}


async def test_requests_follow_each_other_on_one_connection():
    async with proxied() as proxy:
        answer = await proxy.send(http(close=False) + http("GET", "/v1/models", body=None))

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [asked.line.split()[1] for asked in proxy.backend.asked] == [CHAT, "/v1/models"]


async def test_a_request_that_waits_to_be_told_to_go_on_is_told():
    async with proxied() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(http("POST", CHAT, "Expect: 100-continue", body=b"").replace(b"Length: 0", b"Length: 2"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"{}")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()

    assert proxy.backend.asked[0].header("expect") == []


async def test_the_head_of_an_answer_passes_without_its_body():
    async with proxied(whole(b"")) as proxy:
        answer = await proxy.send(http("HEAD", "/v1/models", body=None))

    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 0" in answer.lower()


async def test_an_old_client_gets_a_stream_that_ends_with_its_connection():
    async with proxied() as proxy:
        answer = await proxy.send(http(version="1.0"))

    assert status(answer) == 200
    assert b"ransfer-" not in answer


async def test_a_head_or_a_body_that_does_not_come_ends_the_connection():
    async with proxied(head_s=0.2, body_s=0.2) as proxy:
        assert await proxy.send(b"POST /v1/comple") == b""
        assert await proxy.send(http(body=b"{}")[:-1]) == b""

    assert proxy.measurer.ended == []


async def test_a_client_that_does_not_read_is_ended_and_the_work_with_it():
    async with proxied(whole(b"x" * 30_000_000), send_s=0.3) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.transport.pause_reading()
        writer.write(http())
        await asyncio.wait_for(proxy.backend.gone.wait(), 10)
        assert await proxy.settled()
        writer.close()

    assert [one[3] for one in proxy.measurer.ended] == ["stop"]


async def test_more_connections_than_are_taken_are_ended():
    async with proxied(silence(), max_connections=1) as proxy:
        _, first = await asyncio.open_connection("127.0.0.1", proxy.port)
        first.write(http())
        await proxy.backend.arrived.wait()
        with pytest.raises((OSError, AssertionError)):
            assert await proxy.send(http())
        first.close()


async def test_the_next_request_on_a_connection_may_come_early():
    async with proxied(silence()) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(http(close=False))
        await proxy.backend.arrived.wait()
        writer.write(http())
        proxy.backend.go_on.set()
        answers = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert answers.count(b"HTTP/1.1 200") == 2


async def test_a_handler_that_fails_is_a_500_and_the_proxy_goes_on(caplog):
    async with proxied() as proxy:
        proxy.measurer.simulated = property()
        kept, proxy.measurer.start = proxy.measurer.start, lambda *_: type("Odd", (), {"inference_id": "ä"})()
        failed = await proxy.post()
        proxy.measurer.start = kept
        proxy.measurer.simulated = False
        well = await proxy.post(json=BODY)

    assert failed.status_code == 500
    assert "a request failed" in caplog.text
    assert well.status_code == 200
