"""The egress client, over a fake network first and then over this machine's loopback."""

import asyncio
import gzip
import socket
import threading
import time
import zlib

import httpx
import pytest

from tests.fakes.verifier import FixedClock
from verifier.fetch import MAX_ADDRESSES, EgressClient, SystemResolver

JSON = ("application/json",)
PUBLIC = "93.184.215.14"
URL = "https://oracle.example/did.json"


class Names:
    """A Resolver over fixed answers; it counts its questions."""

    def __init__(self, *addresses):
        self.addresses = addresses
        self.asked = []

    async def resolve(self, host, port):
        self.asked.append((host, port))
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such host")
        return self.addresses


class Network(httpx.AsyncBaseTransport):
    """A transport that answers with one response and keeps the requests."""

    def __init__(self, content=b"{}", *, status=200, headers=None, error=None, delay_s=0.0):
        self.content, self.status, self.error, self.delay_s = content, status, error, delay_s
        self.headers = {"content-type": "application/json"} if headers is None else headers
        self.requests = []

    async def handle_async_request(self, request):
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.error is not None and len(self.requests) <= len(self.error):
            raise self.error[len(self.requests) - 1]
        chunks = self.content if isinstance(self.content, list) else [self.content]
        return httpx.Response(self.status, headers=self.headers, stream=Chunks(chunks))


class Chunks(httpx.AsyncByteStream):
    def __init__(self, chunks):
        self.chunks = chunks

    async def __aiter__(self):
        for chunk in self.chunks:
            if chunk is None:
                await asyncio.sleep(10)
            else:
                yield chunk


async def get(url=URL, *, addresses=(PUBLIC,), accept=JSON, **network):
    client_options = {name: network.pop(name) for name in ("timeout_s", "max_bytes", "development") if name in network}
    transport = Network(**network)
    client = EgressClient(resolver=Names(*addresses), transport=transport, clock=FixedClock(), **client_options)
    return await client.fetch(url, accept), transport


# --- where the connection goes -----------------------------------------------------------------------------


async def test_the_connection_goes_to_the_judged_address_and_keeps_the_name():
    fetched, network = await get(URL)
    (request,) = network.requests
    assert str(request.url) == f"https://{PUBLIC}:443/did.json" or str(request.url) == f"https://{PUBLIC}/did.json"
    assert request.headers["host"] == "oracle.example"
    assert request.extensions["sni_hostname"] == "oracle.example"
    assert request.headers["accept-encoding"] == "identity"
    assert (fetched.body, fetched.media_type, fetched.problem) == (b"{}", "application/json", None)
    assert (fetched.origin, fetched.retrieved_at) == ("network", "2026-11-20T21:00:00Z")


async def test_a_port_stays_in_the_host_header():
    _, network = await get("https://oracle.example:8443/did.json", addresses=("2606:4700::1111",))
    assert network.requests[0].headers["host"] == "oracle.example:8443"
    assert network.requests[0].url.host == "2606:4700::1111"


async def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind():
    names = Names(PUBLIC)
    await EgressClient(resolver=names, transport=Network()).fetch(URL, JSON)
    assert names.asked == [("oracle.example", 443)]


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), (PUBLIC, "127.0.0.1"), (PUBLIC, "fd00:ec2::254"), ("10.0.0.1", PUBLIC), ("::ffff:127.0.0.1",)],
)
async def test_one_forbidden_address_condemns_the_host(addresses):
    fetched, network = await get(addresses=addresses)
    assert fetched.problem == "FETCH_BLOCKED"
    assert network.requests == []


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0", "localhost", "127.0.0.1", "[::1]"]
)
async def test_every_spelling_of_loopback_is_blocked_by_what_it_resolves_to(host):
    network = Network()
    client = EgressClient(resolver=SystemResolver(), transport=network)
    assert (await client.fetch(f"https://{host}/", JSON)).problem == "FETCH_BLOCKED"
    assert network.requests == []


async def test_http_is_blocked_before_anything_is_resolved():
    names = Names(PUBLIC)
    fetched = await EgressClient(resolver=names, transport=Network()).fetch("http://oracle.example/", JSON)
    assert (fetched.problem, names.asked) == ("FETCH_BLOCKED", [])


async def test_a_malformed_url_is_recorded_as_such():
    fetched, network = await get("https://user@oracle.example/")
    assert (fetched.problem, network.requests) == ("MALFORMED_VALUE_ERROR", [])


async def test_a_name_that_does_not_resolve_is_a_failure():
    fetched, _ = await get(addresses=())
    assert fetched.problem == "FETCH_FAILED"


async def test_the_next_address_is_tried_where_one_refuses():
    fetched, network = await get(addresses=(PUBLIC, "1.1.1.1"), error=[httpx.ConnectError("refused")])
    assert fetched.body == b"{}"
    assert [request.url.host for request in network.requests] == [PUBLIC, "1.1.1.1"]


async def test_a_name_of_many_machines_is_tried_at_a_few():
    addresses = [f"93.184.215.{number}" for number in range(200)]
    fetched, network = await get(addresses=addresses, error=[httpx.ConnectError("refused")] * 200)
    assert (fetched.problem, len(network.requests)) == ("FETCH_FAILED", MAX_ADDRESSES)


async def test_lookups_that_hang_take_no_thread_from_anybody_else(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: released.wait(20) and [])
    resolver = SystemResolver()
    hanging = [asyncio.create_task(resolver.resolve(f"host-{number}.example", 443)) for number in range(100)]
    await asyncio.sleep(0)
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "judged"), timeout=10) == "judged"
    finally:
        released.set()
        await asyncio.gather(*hanging)


async def test_no_connection_at_all_is_a_failure():
    fetched, _ = await get(error=[httpx.ConnectTimeout("black hole")])
    assert fetched.problem == "FETCH_FAILED"


async def test_an_exchange_that_breaks_off_is_a_failure():
    fetched, _ = await get(error=[httpx.RemoteProtocolError("cut")])
    assert fetched.problem == "FETCH_FAILED"


# --- development -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://localhost:8080/did.json", "https://localhost:8080/did.json"])
async def test_development_reaches_loopback_by_http(url):
    fetched, network = await get(url, addresses=("127.0.0.1",), development=True)
    assert str(network.requests[0].url) == "http://127.0.0.1:8080/did.json"
    assert network.requests[0].headers["host"] == "localhost:8080"
    assert fetched.body == b"{}"


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"])
async def test_development_reaches_no_other_private_address(address):
    fetched, network = await get("https://host.example/", addresses=(address,), development=True)
    assert (fetched.problem, network.requests) == ("FETCH_BLOCKED", [])


async def test_development_does_not_mix_loopback_with_the_network():
    fetched, network = await get("https://host.example/", addresses=("127.0.0.1", PUBLIC), development=True)
    assert (fetched.problem, network.requests) == ("FETCH_BLOCKED", [])


async def test_development_uses_no_http_on_the_network():
    fetched, network = await get("http://host.example/", development=True)
    assert (fetched.problem, network.requests) == ("FETCH_BLOCKED", [])


# --- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status):
    fetched, network = await get(status=status, headers={"location": "http://169.254.169.254/"})
    assert fetched.problem == "FETCH_BLOCKED"
    assert len(network.requests) == 1


@pytest.mark.parametrize("location", ["data:application/json,{}", "http://[", "//", "https://xn--/", "x" * 70_000])
async def test_a_place_that_no_url_parser_takes_is_not_even_read(location):
    fetched, _ = await get(status=302, headers={"location": location})
    assert fetched.problem == "FETCH_BLOCKED"


@pytest.mark.parametrize("status", [204, 404, 500, 503])
async def test_another_status_than_ok_is_a_failure(status):
    fetched, _ = await get(status=status)
    assert (fetched.problem, fetched.body) == ("FETCH_FAILED", None)


@pytest.mark.parametrize("media_type", ["text/html", "image/png", "", "application/jsonx"])
async def test_another_media_type_is_a_failure(media_type):
    fetched, _ = await get(headers={"content-type": media_type} if media_type else {})
    assert fetched.problem == "FETCH_FAILED"


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
async def test_a_charset_of_utf_8_may_be_stated(media_type):
    fetched, _ = await get(headers={"content-type": media_type})
    assert fetched.body == b"{}"


async def test_another_charset_is_refused():
    fetched, _ = await get(headers={"content-type": "application/json; charset=utf-16"})
    assert fetched.problem == "PARSING_ERROR"


async def test_a_body_past_the_cap_is_cut_off():
    fetched, _ = await get(content=[b"x" * 600] * 4, max_bytes=2000)
    assert (fetched.problem, fetched.body) == ("RESOURCE_LIMIT", None)


async def test_a_body_at_the_cap_is_read():
    fetched, _ = await get(content=b"x" * 2000, max_bytes=2000)
    assert len(fetched.body) == 2000


GZIP = {"content-type": "application/json", "content-encoding": "gzip"}


async def test_a_body_that_comes_deflated_all_the_same_is_inflated():
    fetched, _ = await get(content=gzip.compress(b'{"a": 1}'), headers=GZIP)
    assert fetched.body == b'{"a": 1}'


async def test_a_bomb_is_not_inflated_past_the_cap():
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(64)) + compressor.flush()
    started = time.perf_counter()
    fetched, _ = await get(content=bomb, headers=GZIP, max_bytes=100_000)
    assert fetched.problem == "RESOURCE_LIMIT"
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}" * 99, mtime=0)[:-6]])
async def test_a_damaged_stream_is_a_failure(content):
    fetched, _ = await get(content=content, headers=GZIP)
    assert fetched.problem == "FETCH_FAILED"


@pytest.mark.parametrize("after", [b"x", gzip.compress(b"{}", mtime=0)])
@pytest.mark.parametrize("apart", [False, True])
async def test_what_follows_a_compressed_stream_is_neither_read_nor_kept(after, apart):
    stream = gzip.compress(b"{}", mtime=0)
    chunks = [stream, after * 70_000, after] if apart else [stream[:10], stream[10:] + after]
    fetched, _ = await get(content=chunks, headers=GZIP)
    assert (fetched.problem, fetched.body) == ("FETCH_FAILED", None)


async def test_an_encoding_that_was_not_asked_for_is_a_failure():
    fetched, _ = await get(headers={"content-type": "application/json", "content-encoding": "br"})
    assert fetched.problem == "FETCH_FAILED"


async def test_the_deadline_is_for_the_whole_exchange():
    started = time.perf_counter()
    fetched, _ = await get(content=[b"{", None, b"}"], timeout_s=0.05)
    assert fetched.problem == "FETCH_FAILED"
    assert time.perf_counter() - started < 2


async def test_a_resolver_that_hangs_is_within_the_deadline():
    class Hanging:
        async def resolve(self, host, port):
            await asyncio.sleep(10)
            return (PUBLIC,)

    fetched = await EgressClient(resolver=Hanging(), transport=Network(), timeout_s=0.05).fetch(URL, JSON)
    assert fetched.problem == "FETCH_FAILED"


# --- real sockets ------------------------------------------------------------------------------------------


async def serve(answer):
    """Serve ``answer`` to every connection on loopback; yield nothing, return (server, port, heads)."""
    heads = []

    async def handle(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], heads


@pytest.mark.network
async def test_a_document_is_fetched_over_a_real_connection(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/did+json\r\nContent-Length: 2\r\n\r\n{}"
    server, port, heads = await serve(answer)
    async with server:
        client = EgressClient(development=True)
        fetched = await client.fetch(f"https://localhost:{port}/.well-known/did.json", ("application/did+json",))
    assert fetched.body == b"{}"
    assert fetched.url == f"http://localhost:{port}/.well-known/did.json"
    assert f"host: localhost:{port}".encode() in heads[0].lower()


@pytest.mark.network
async def test_a_host_that_speaks_no_http_is_a_failure():
    server, port, _ = await serve(b"\x15\x03\x01\x00\x02\x02\x46 garbage\r\n\r\n")
    async with server:
        fetched = await EgressClient(development=True).fetch(f"http://127.0.0.1:{port}/", JSON)
    assert fetched.problem == "FETCH_FAILED"


@pytest.mark.network
async def test_a_closed_port_is_a_failure():
    server, port, _ = await serve(b"")
    server.close()
    await server.wait_closed()
    fetched = await EgressClient(development=True).fetch(f"http://127.0.0.1:{port}/", JSON)
    assert fetched.problem == "FETCH_FAILED"
