"""The HTTP edge of both services under granian, spoken to in raw bytes over loopback: what only a server decides."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.attacks.catalogue import Outcome, attack
from tests.fakes.verifier_program import VerifierProgram, exchange, request
from tests.issuer.test_server import Server

TELEMETRY = "/api/v1/telemetry"


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    """The ports of a verifier and an issuer that run under granian, with short deadlines."""
    folder = tmp_path_factory.mktemp("api")
    issuer = Server(folder, header_timeout_s="1", body_timeout_s="1")
    issuer.run("init", "--public-url", issuer.url, "--development")
    with ThreadPoolExecutor(2) as pool:
        starting = pool.submit(issuer.start)
        verifier = VerifierProgram(folder, header_timeout_s="1", body_timeout_s="1", rate_per_minute="0")
        starting.result()
    yield {verifier.port: "/credentials/verify", issuer.port: TELEMETRY}
    assert verifier.stop() == 0
    assert issuer.stop() == 0
    for log in (verifier.log(), issuer.log()):
        assert "Traceback" not in log


@pytest.fixture
def servers(ports, contacts):
    """(port, path that takes a body) of both services."""
    for port in ports:
        contacts.allow(port)
    return [*ports.items()]


def of_exchange(answer):
    """Return the outcome of raw bytes: that of the only answer, or CLOSED where the server just hung up."""
    if not answer.statuses:
        return Outcome("reject", "CLOSED") if answer.closed else Outcome("open")
    assert len(answer.statuses) == 1, answer.received
    status = answer.statuses[0]
    assert status < 500 or status == 503, answer.received
    return Outcome("accept") if status < 400 else Outcome("reject", str(status))


def at_once(calls):
    """Return the outcomes of raw exchanges that wait for a deadline, all at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [*pool.map(lambda call: call(), calls)]


def head(port, path, *lines, method="POST"):
    """Return the head of a request with a JSON body to come."""
    return request("Content-Type: application/json", *lines, method=method, target=path, host=f"localhost:{port}")


CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"


def test_what_is_in_order_is_accepted_by_both(servers):
    for port, _ in servers:
        assert exchange(port, request(host=f"localhost:{port}")).statuses == [200]
    verifier = servers[0][0]
    for framing, body in (("Content-Length: 2", b"{}"), ("Transfer-Encoding: chunked", CHUNKS)):
        assert exchange(verifier, head(verifier, "/challenges", framing), body).statuses == [201]


@attack("VU001", "reject:413")
def test_eleven_megabytes_are_refused_unsent_and_in_chunks(expected, servers):
    for port, path in servers:
        # Announced and never sent: refused before anything is waited for. Then chunks without an end in sight.
        expected.met_by(of_exchange(exchange(port, head(port, path, f"Content-Length: {11 << 20}"))))
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        expected.met_by(of_exchange(exchange(port, head(port, path, "Transfer-Encoding: chunked"), *[chunk] * 11)))


@attack("VU004", "reject:400")
def test_requests_that_end_in_two_places_or_have_two_hosts_are_refused(expected, servers):
    framings = [
        (["Transfer-Encoding: xchunked"], CHUNKS),
        (["Transfer-Encoding: chunked, identity"], CHUNKS),
        (["Transfer-Encoding: gzip, chunked"], CHUNKS),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], CHUNKS),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], CHUNKS),
        (["Transfer-Encoding: \x0bchunked"], CHUNKS),
        (["Transfer-Encoding : chunked"], CHUNKS),
        (["Transfer-Encoding:\r\n chunked"], CHUNKS),
        (["Transfer-Encoding: chunked"], b"2\n{}\n0\n\n"),
        (["Transfer-Encoding: chunked"], b"0x2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"-2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"fffffffffffffffff2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"2\r\n{}xx0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n"),
        (["Content-Length: 2", "Content-Length: 3"], b"{} "),
        (["Content-Length: 2, 2"], b"{}"),
        (["Content-Length: +2"], b"{}"),
        (["Content-Length: -2"], b"{}"),
        (["Content-Length: 0x2"], b"{}"),
        (["Content-Length: 2 2"], b"{}"),
        (["Content-Length: 99999999999999999999"], b"{}"),
    ]
    for port, path in servers:
        for lines, body in framings:
            expected.met_by(of_exchange(exchange(port, head(port, path, *lines) + body)))
        for lines in (
            [f"Host: localhost:{port}"],
            ["Host: evil.example"],
            ["X-A: a\r\n folded"],
            ["X-A: a\r\n\tfolded"],
            [" X-A: folded onto the host"],
            ["X-A: a\rb"],
            ["X-A: a\0b"],
            ["X A: b"],
            ["no colon"],
        ):
            expected.met_by(of_exchange(exchange(port, request(*lines, host=f"localhost:{port}"))))
        for first in (b"GET /healthz HTTP/1.1\r\n", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n", b"GET /healthz\r\n"):
            expected.met_by(of_exchange(exchange(port, first + b"Connection: close\r\n\r\n")))


@attack(
    "VU004",
    "accept",
    differs="Content-Length beside Transfer-Encoding and bare line feeds are left to the reverse proxy. "
    "granian reads such a request by its chunks alone and ends the connection, so nothing that follows is answered",
)
def test_a_length_beside_chunks_or_bare_line_feeds_smuggle_no_second_request(expected, servers):
    for port, _ in servers:
        host = f"Host: localhost:{port}"
        inner = f"GET /healthz HTTP/1.1\r\n{host}\r\n\r\n".encode()
        for lines in (
            ["Content-Length: 4", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: chunked", "Content-Length: 4"],
            [f"Content-Length: {len(inner) + 5}", "Transfer-Encoding: chunked"],
        ):
            first = "\r\n".join(["GET /healthz HTTP/1.1", host, *lines, "", ""]).encode()
            answer = exchange(port, first + b"0\r\n\r\n" + inner)
            assert answer.closed
            expected.met_by(of_exchange(answer))
        bare = request(host=f"localhost:{port}").replace(b"\r\n", b"\n")
        expected.met_by(of_exchange(exchange(port, bare)))


@attack("VU005", "reject:431")
def test_a_server_cuts_headers_that_are_too_many_or_too_long(expected, servers):
    for port, _ in servers:
        for lines in (
            ["X-Large: " + "x" * 200_000],
            ["X-Large: " + "x" * 60_000],
            [f"X-{n}: y" for n in range(5000)],
            [f"X-{n}: y" for n in range(110)],
        ):
            expected.met_by(of_exchange(exchange(port, request(*lines, host=f"localhost:{port}"))))


# --- slowness ----------------------------------------------------------------------------------------------


@attack("VU006", "reject:408")
def test_a_body_that_does_not_come_is_given_up(expected, servers):
    calls = []
    for port, path in servers:
        for framing, pieces_ in (
            ("Content-Length: 100", [b"{"]),
            ("Content-Length: 100", [b"{"] * 20),
            ("Transfer-Encoding: chunked", [b"2\r\n{"]),
            ("Transfer-Encoding: chunked", [b"1\r\n{\r\n"] * 20),
        ):
            sent = (head(port, path, framing), *pieces_)
            calls.append(partial(exchange, port, *sent, pause_s=0.2, timeout_s=8.0))
    answers = at_once(calls)
    expected.met_by(*map(of_exchange, answers))
    assert max(answer.seconds for answer in answers) < 8


@attack(
    "VU006",
    "reject:CLOSED",
    differs="body deadlines are ours, the headers' is granian's, which closes the connection: there is no "
    "request yet that could be answered",
)
def test_headers_that_do_not_come_end_the_connection(expected, servers):
    calls = []
    for port, _ in servers:
        for sent in (
            [b""],
            [b"GET /healthz HT"],
            [f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n".encode()],
            [f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n".encode(), *[b"X-A: b\r\n"] * 15],
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"],
        ):
            calls.append(partial(exchange, port, *sent, pause_s=0.2, timeout_s=8.0))  # noqa: PERF401 - shorter
    answers = at_once(calls)
    expected.met_by(*map(of_exchange, answers))
    assert max(answer.seconds for answer in answers) < 8


def test_an_idle_connection_ends_after_its_answer(ports, contacts):
    for port in ports:
        head_ = f"GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
        answer = exchange(port, head_, timeout_s=8.0)
        assert answer.statuses == [200]
        assert answer.closed


@pytest.fixture
def limited(tmp_path, contacts):
    """The port of a verifier under granian that gives an address three requests a minute."""
    program = VerifierProgram(tmp_path, rate_per_minute="3")
    contacts.allow(program.port)
    yield program.port
    program.stop()


@attack("VU007", "reject:429")
def test_granian_on_loopback_believes_no_forwarded_address_either(expected, limited):
    answers = [
        exchange(limited, request(f"X-Forwarded-For: 198.51.100.{n}", method="POST", target="/nowhere"))
        for n in range(6)
    ]
    health = exchange(limited, request())
    assert [answer.statuses for answer in answers[:3]] == [[404]] * 3
    expected.met_by(*map(of_exchange, answers[3:]))
    assert health.statuses == [200]


@attack("VU008", "reject:400")
def test_a_forwarded_host_does_not_stand_in_for_a_missing_one(expected, servers):
    for port, _ in servers:
        for lines in ([f"X-Forwarded-Host: localhost:{port}"], [f"Forwarded: host=localhost:{port}"], []):
            alone = request(*lines).replace(b"Host: localhost\r\n", b"")
            expected.met_by(of_exchange(exchange(port, alone)))


# --- what else a socket can say ----------------------------------------------------------------------------

TARGETS = (
    "/%00", "/a%00b", "/%ff", "/%", "/%zz", "/%u0041", "/..", "/../etc/passwd", "/%2e%2e/%2e%2e", "//", "/;/", "/\\",
    "/%0d%0aX:%20y", "/?%00=%ff&a=b", "/page.js/..%2f..%2fsettings.py", "/openapi/../../x", "/credentials%2Fverify",
    "*", "http://evil.example/nowhere", "evil.example:80", "/\x01", "/h\xe9", "/" + "a" * 9000, "/?" + "a" * 9000,
    "/" + "%41" * 30_000, "/healthz" + "/" * 5000,
)  # fmt: skip


def test_no_target_is_answered_with_a_fault(ports):
    for port in ports:
        for target in TARGETS:
            for method in ("GET", "OPTIONS", "CONNECT", "TRACE"):
                sent = request(method=method, target=target, host=f"localhost:{port}")
                answer = exchange(port, sent, timeout_s=2.0)
                assert answer.statuses, (method, target)
                assert all(status < 500 for status in answer.statuses), (method, target[:40], answer.received[:200])


def test_a_target_that_is_too_long_is_414(ports):
    for port in ports:
        for target in ("/" + "a" * 9000, "/?" + "a" * 9000, "/healthz?" + "a" * 60_000):
            assert exchange(port, request(target=target, host=f"localhost:{port}")).statuses == [414]


def test_an_upgrade_is_not_taken_up(ports):
    for port in ports:
        for upgrade in ("websocket", "h2c", "TLS/1.0"):
            head_ = request(
                f"Upgrade: {upgrade}", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", host=f"localhost:{port}"
            )
            assert exchange(port, head_.replace(b"Connection: close", b"Connection: Upgrade, close")).statuses == [200]


def test_who_goes_away_in_the_middle_of_a_body_leaves_no_fault_behind(ports):
    for port, path in ports.items():
        for body in (b'{"veri', b""):
            exchange(port, head(port, path, "Content-Length: 5000"), body, timeout_s=0.05)
        exchange(port, head(port, path, "Transfer-Encoding: chunked"), b"zz\r\n", timeout_s=1.0)
        assert exchange(port, request(host=f"localhost:{port}")).statuses == [200]
    # That no trace was logged is asserted when the fixture ends.
