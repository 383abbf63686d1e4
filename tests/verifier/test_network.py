"""What arrives on a connection, counted: a host cannot make work of what is no body."""

import asyncio

import httpcore
import pytest

from tests.fakes.hosts import PUBLIC, Names, response
from verifier.fetch import MAX_PIECES, EgressClient, network
from verifier.network import MAX_FRAMING_BYTES, MAX_HEAD_BYTES, MAX_INTERIM, MAX_READS

JSON = ("application/json",)
MAX_BYTES = 100_000
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GOOD = response(b'{"a": 1}')


class Line(httpcore.AsyncNetworkStream):
    """A connection on which ``first`` arrives and then ``again`` for ever, in reads of at most ``piece`` bytes.

    Nothing is ever waited for: what a hostile host sends has arrived already. ``sent``, ``reads``: how much was read.
    """

    def __init__(self, first, again=b"", piece=65536):
        self.first, self.again, self.piece = first, again, piece
        self.sent = self.reads = self.closed = 0
        self.encrypted = False

    async def read(self, max_bytes, timeout=None):  # noqa: ASYNC109
        size = min(max_bytes, self.piece)
        self.reads += 1
        if self.again and len(self.first) < size:
            self.first += self.again * (1 + size // len(self.again))
        received, self.first = self.first[:size], self.first[size:]
        self.sent += len(received)
        return received

    async def write(self, buffer, timeout=None):  # noqa: ASYNC109
        pass

    async def aclose(self):
        self.closed += 1

    async def start_tls(self, ssl_context, server_hostname=None, timeout=None):  # noqa: ASYNC109
        self.encrypted = True
        return self

    def get_extra_info(self, info):
        return None


class Backend(httpcore.AsyncNetworkBackend):
    """A network on which every connection is one line."""

    def __init__(self, line, error=None):
        self.line, self.error = line, error

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):  # noqa: ASYNC109
        if self.error is not None:
            raise self.error
        return self.line


async def fetched(line, *, development=False, error=None):
    """Return what the egress client makes of a line, encrypted unless in development."""
    transport = network(max_bytes=MAX_BYTES, backend=Backend(line, error))
    names = Names(["127.0.0.1"] if development else [PUBLIC])
    client = EgressClient(
        development=development, resolver=names, transport=transport, max_bytes=MAX_BYTES, timeout_s=60
    )
    return await client.fetch("https://host.example/", JSON)


# --- what is read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("development", [False, True])
async def test_an_answer_is_read_to_its_end(development):
    line = Line(GOOD)
    found = await fetched(line, development=development)
    assert (found.body, found.problem) == (b'{"a": 1}', None)
    assert line.encrypted is not development
    assert line.closed


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
async def test_an_answer_in_small_pieces_is_the_same(piece):
    body = b'{"a": 1}' * 100
    assert (await fetched(Line(response(body), piece=piece))).body == body


async def test_a_few_interim_answers_are_passed_over():
    assert (await fetched(Line(CONTINUE * MAX_INTERIM + GOOD))).body == b'{"a": 1}'


@pytest.mark.parametrize("size", [10, MAX_BYTES])
async def test_a_body_in_chunks_is_read(size):
    chunks = [
        b"%x\r\n%b\r\n" % (len(part), part) for part in (b"x" * min(4096, size - at) for at in range(0, size, 4096))
    ]
    found = await fetched(Line(CHUNKED + b"".join(chunks) + b"0\r\n\r\n"))
    assert found.body == b"x" * size


async def test_a_head_of_many_lines_is_read():
    assert (await fetched(Line(response(b"{}", *[f"X-{n}: {'y' * 50}" for n in range(400)])))).body == b"{}"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (httpcore.ConnectError("refused"), "no connection"),
        (httpcore.ConnectTimeout("silence"), "no connection"),
        (httpcore.ReadError("cut"), "ReadError"),
        (httpcore.ReadTimeout("slow"), "ReadTimeout"),
        (httpcore.RemoteProtocolError("nonsense"), "RemoteProtocolError"),
    ],
)
async def test_what_fails_on_the_way_is_a_failure(error, detail):
    found = await fetched(Line(b""), error=error)
    assert found.problem == "FETCH_FAILED"
    assert detail in found.detail


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", GOOD[:-3], CHUNKED + b"5\r\nxx", CHUNKED + b"zz\r\n"])
async def test_an_answer_that_breaks_off_is_a_failure(answer):
    assert (await fetched(Line(answer))).problem == "FETCH_FAILED"


# --- what is not ---------------------------------------------------------------------------------------------

HINTS = b"HTTP/1.1 103 Early Hints\r\n" + b"A: b\r\n" * 100 + b"\r\n"
FLOODS = {
    "interim answers": (Line, (b"", CONTINUE), "interim"),
    "interim answers with headers": (Line, (b"", HINTS), "interim"),
    "interim answers in single bytes": (Line, (b"", CONTINUE, 1), "interim"),
    "bare line feeds": (Line, (b"", b"HTTP/1.1 100 Continue\n\n"), "interim"),
    "a head without end": (Line, (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), "head"),
    "one line without end": (Line, (b"HTTP/1.1 200 OK\r\nA: ", b"b"), "head"),
    "two long heads": (Line, (HINTS * 2 + b"HTTP/1.1 103 Early Hints\r\n", b"A: b\r\n"), "head"),
    "chunks of one byte": (Line, (CHUNKED, b"1\r\nx\r\n"), "more than 4096 pieces"),
    "extensions of chunks": (Line, (CHUNKED, b"1;" + b"e" * 60_000 + b"\r\nx\r\n"), "around its body"),
    "one extension without end": (Line, (CHUNKED + b"1;", b"e"), "broke off"),
    "reads of one byte": (Line, (response(b"x" * MAX_BYTES), b"", 1), "more pieces"),
    "a body without end": (
        Line,
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b"x"),
        "more than 100000",
    ),
}


@pytest.mark.parametrize("development", [False, True])
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_after_little_has_been_read(flood, development):
    kind, arguments, detail = FLOODS[flood]
    line = kind(*arguments)
    found = await fetched(line, development=development)
    assert found.body is None
    assert detail in found.detail
    assert line.sent <= MAX_BYTES + MAX_FRAMING_BYTES + 65536
    assert line.reads <= MAX_READS + 1
    assert line.closed


async def test_before_the_body_even_less_is_read():
    for first, again in ((b"", CONTINUE), (b"", HINTS), (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")):
        line = Line(first, again, piece=1024)
        await fetched(line)
        assert line.sent <= MAX_HEAD_BYTES + 1024


@pytest.mark.parametrize("flood", ["chunks of one byte", "reads of one byte", "extensions of chunks"])
async def test_everybody_else_has_a_turn_while_a_flood_is_read(flood):
    kind, arguments, _ = FLOODS[flood]
    line, turns = kind(*arguments), 0
    task = asyncio.create_task(fetched(line))
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= max(line.reads, MAX_PIECES // 32 if flood == "chunks of one byte" else 0)
