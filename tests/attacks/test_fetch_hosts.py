"""Hosts that misbehave, over real connections to this machine: redirects, certificates, slowness, what they send."""

import asyncio
import gzip
import json
import socket
import ssl
import time
import zlib

import pytest
from msgspec.structs import replace

from tests.attacks.catalogue import attack, of_report
from tests.fakes.hosts import PUBLIC, Authority, Names, Silence, dialling, host, response
from tests.fakes.jose import ISSUER
from tests.fakes.verifier import Signatory, World, signer
from verifier import document
from verifier.fetch import CONNECT_TIMEOUT_S, TIMEOUT_S, EgressClient, tls_context
from verifier.gather import gather
from verifier.report import Outcome


class Scene:
    """A credential whose issuer's DID document has to be fetched from a port of this machine."""

    def __init__(self, did):
        self.world = World(issuer=Signatory(signer(1), did))
        self.value = self.world.credential()
        self.known = replace(self.world.evidence(), did_documents={})
        self.body = json.dumps(self.world.issuer.document()).encode()

    async def report(self, client):
        evidence = await gather(document.parse(json.dumps(self.value).encode()), self.known, client)
        return self.world.report(self.value, evidence)

    async def outcome(self, client):
        return of_report(await self.report(client))


@pytest.fixture
async def served(contacts):
    """A host in development, by http, and the credential of its issuer."""
    async with host() as server:
        contacts.allow(server.port)
        server.scene = Scene(f"did:web:127.0.0.1%3A{server.port}")
        yield server


def client(**options):
    return EgressClient(development=True, **options)


async def answered(served, *answers, **options):
    """The outcomes where the host gives these answers, each to one request only."""
    outcomes = []
    for answer in answers:
        served.requests.clear()
        served.answer = answer
        outcomes.append(await served.scene.outcome(client(**options)))
        assert len(served.requests) == 1
    return outcomes


async def test_the_document_of_a_host_that_behaves_is_accepted(served):
    served.answer = response(served.scene.body)
    assert (await served.scene.report(client())).outcome is Outcome.VERIFIED


# --- redirects -----------------------------------------------------------------------------------------------


@attack("VF009", "reject:FETCH_BLOCKED")
async def test_no_redirect_is_followed(expected, served):
    here = f"http://127.0.0.1:{served.port}/.well-known/did.json"
    targets = (here, "/other", "http://oracle.example/", "https://evil.example/did.json", "http://169.254.169.254/")
    others = ("file:///etc/passwd", "//evil.example/", "data:application/json,{}", "gopher://127.0.0.1:6379/_FLUSHALL")
    locations = [f"Location: {target}" for target in (*targets, *others)]
    found = [response(served.scene.body, location, status="302 Found") for location in locations]
    codes = [
        response(served.scene.body, f"Location: {here}", status=f"{code} Redirect")
        for code in (300, 301, 303, 307, 308)
    ]
    expected.met_by(
        *await answered(served, *found, *codes, response(b"", status="302 Found"), response(b"", status="304 Same"))
    )


async def test_other_headers_that_name_a_place_mean_nothing(served):
    headers = (
        "Refresh: 0;url=http://169.254.169.254/",
        "Location: http://evil.example/",
        'Alt-Svc: h2="evil.example:443"',
    )
    served.answer = response(served.scene.body, *headers, "Link: <http://evil.example/>; rel=canonical")
    assert (await served.scene.report(client())).outcome is Outcome.VERIFIED
    assert len(served.requests) == 1


# --- TLS -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def scene():
    return Scene(ISSUER)


async def by_tls(scene, contacts, context, trusted=None, timeout_s=TIMEOUT_S):
    """The verdict where the issuer's host speaks TLS with ``context``; ``trusted`` is an authority to believe."""
    known = tls_context()
    if trusted is not None:
        known.load_verify_locations(cadata=trusted.pem)
    async with host(context) as server:
        contacts.allow(server.port)
        server.answer = response(scene.body)
        transport, dial = dialling(server.port, known)
        report = await scene.report(EgressClient(resolver=Names([PUBLIC]), transport=transport, timeout_s=timeout_s))
    assert dial.asked == [PUBLIC]
    return report


async def test_a_certificate_of_the_hosts_name_by_a_trusted_authority_holds(authority, scene, contacts):
    report = await by_tls(scene, contacts, authority.context("oracle.example"), authority)
    assert report.outcome is Outcome.VERIFIED


@attack("VF015", "inconclusive:FETCH_FAILED")
async def test_a_certificate_that_does_not_hold_ends_the_connection(expected, authority, scene, contacts):
    good, kinds = "oracle.example", {}
    kinds["self-signed"] = authority.context(good, self_signed=True)
    kinds["expired"] = authority.context(good, days=(-30, -1))
    kinds["not yet valid"] = authority.context(good, days=(1, 30))
    for number, other in enumerate(
        ("evil.example", "*.example", "www.oracle.example", "oracle.example.evil.example", PUBLIC)
    ):
        kinds[f"name {number}"] = authority.context(other)
    for context in kinds.values():
        expected.met_by(of_report(await by_tls(scene, contacts, context, authority)))
    # Sound in every way, by an authority that nobody knows.
    expected.met_by(of_report(await by_tls(scene, contacts, authority.context(good))))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@attack("VF015", "inconclusive:FETCH_FAILED")
async def test_old_tls_and_weak_ciphers_are_not_spoken(expected, authority, scene, contacts):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = authority.context("oracle.example")
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = version
        expected.met_by(of_report(await by_tls(scene, contacts, context, authority)))
    # RC4 is in no build of OpenSSL 3; no encryption at all, and no certificate at all, are what is left of that kind.
    for ciphers in ("eNULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0"):
        context = authority.context("oracle.example")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        expected.met_by(of_report(await by_tls(scene, contacts, context, authority)))


async def test_a_host_without_tls_is_no_host(scene, contacts, authority):
    report = await by_tls(scene, contacts, None, authority, timeout_s=0.2)
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "FETCH_FAILED")


# --- slowness ------------------------------------------------------------------------------------------------


def drips(head, drop):
    """An answer that sends ``head`` and then one more drop at a time, for ever."""

    async def answer(writer):
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.01)

    return answer


@attack("VF016", "inconclusive:FETCH_FAILED")
async def test_a_host_that_sends_byte_by_byte_does_not_outlast_the_deadline(expected, served):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    slow = [
        drips(b"", b"H"),
        drips(head, b"X-A: b\r\n"),
        drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        drips(head + b"Content-Length: 1000000\r\n\r\n", b" "),
        drips(chunked, b"1\r\n \r\n"),
        drips(head + b"\r\n", b" "),
    ]
    started = time.monotonic()
    expected.met_by(*await answered(served, *slow, timeout_s=0.15))
    assert time.monotonic() - started < len(slow) * TIMEOUT_S / 2


async def test_a_whole_exchange_has_five_seconds_and_a_connection_two(scene):
    silence = Silence()
    assert (await scene.report(EgressClient(resolver=Names([PUBLIC]), transport=silence))).problem == "FETCH_FAILED"
    assert (silence.timeouts[0]["connect"], TIMEOUT_S) == (CONNECT_TIMEOUT_S, 5.0) == (2.0, TIMEOUT_S)


@attack("VF017", "inconclusive:FETCH_FAILED")
async def test_a_host_that_drops_every_packet_does_not_outlast_the_deadline(expected, contacts):
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        address = hole.getsockname()
        contacts.allow(address[1])
        waiting = [socket.socket() for _ in range(4)]
        try:
            # The queue of a listening socket is full, so that the next SYN is dropped.
            for one in waiting:
                one.settimeout(0)
                one.connect_ex(address)
            started = time.monotonic()
            expected.met_by(await Scene(f"did:web:127.0.0.1%3A{address[1]}").outcome(client(timeout_s=0.3)))
            assert time.monotonic() - started < 3
        finally:
            for one in waiting:
                one.close()


@attack("VF017", "inconclusive:FETCH_FAILED")
async def test_a_host_that_says_nothing_does_not_outlast_the_deadline(expected, served, scene, contacts):
    async def silent(writer):
        await served.closing.wait()

    expected.met_by(*await answered(served, silent, timeout_s=0.2))
    # Nor one that takes the connection, and never begins with TLS.
    deaf = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with deaf:
        port = deaf.sockets[0].getsockname()[1]
        contacts.allow(port)
        transport, _ = dialling(port)
        late = EgressClient(resolver=Names([PUBLIC]), transport=transport, timeout_s=0.2)
        expected.met_by(await scene.outcome(late))


# --- what is sent --------------------------------------------------------------------------------------------


@attack("VF020", "inconclusive:FETCH_FAILED")
async def test_only_the_media_types_of_a_did_document_are_read(expected, served):
    types = ("text/html", "image/png", "", "text/plain", "application/jsonx", "application/octet-stream", "json", "*/*")
    listed = ("application/json, text/html", "text/html; a=application/json", "application/xhtml+xml", "application/vc")
    expected.met_by(
        *await answered(served, *(response(served.scene.body, media_type=name) for name in (*types, *listed)))
    )


@attack("VF021", "reject:PARSING_ERROR")
async def test_a_document_is_utf_8_without_a_mark(expected, served):
    body, name = served.scene.body, "application/json"
    stated = ("utf-16", "utf-7", "UTF-32", '"utf-16"', "iso-8859-1", "utf-8x", "utf-8; charset=utf-16", "")
    declared = [response(body, media_type=f"{name}; charset={charset}") for charset in stated]
    hidden = [response(body, media_type=f"{name};charset=utf-16;x=charset=utf-8")]
    text = body.decode()
    sent = [
        b"\xef\xbb\xbf" + body,
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        text.encode("utf-32"),
        text.encode("utf-7") + b"+AA-",
        body[:-1] + b',"x":"\xff"}',
        body[:-1] + b',"x":"\xc0\xaf"}',
        body[:-1] + b',"x":"\xed\xa0\x80"}',
        body + body,
        body[:-1] + b',"id":"did:web:evil.example"}',
    ]
    expected.met_by(*await answered(served, *declared, *hidden, *map(response, sent)))
    assert (await answered(served, response(body, media_type=f"{name}; charset=UTF-8")))[0].kind == "accept"


ZIPPED = "Content-Encoding: gzip"


async def test_a_bomb_and_an_endless_answer_exceed_a_limit(served):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(compressor.compress(bytes(2**20)) for _ in range(16)) + compressor.flush()
    endless = drips(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" " * 2**20)
    # Stored blocks of nothing: a stream that never ends and inflates to no byte at all.
    empty = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00\x00\x00\xff\xff" * 500_000
    outcomes = await answered(served, response(bomb, ZIPPED), endless, response(empty, ZIPPED))
    assert {str(outcome) for outcome in outcomes} == {"reject:RESOURCE_LIMIT"}


async def test_nothing_follows_a_compressed_answer(served):
    body = gzip.compress(served.scene.body)
    followed = [response(body + more, ZIPPED) for more in (b"x", b"\x00", body, gzip.compress(b""), bytes(2**20))]
    assert {str(outcome) for outcome in await answered(served, *followed)} == {"inconclusive:FETCH_FAILED"}
    assert (await answered(served, response(body, ZIPPED)))[0].kind == "accept"


async def test_an_answer_that_is_no_http_or_breaks_off_is_a_failure(served):
    body = served.scene.body
    broken = (
        b"\x00\xff\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        response(body, "Content-Length: 1"),
        response(body, ZIPPED),
        response(body, "Content-Encoding: br"),
        response(body, "X-Long: " + "a" * 200_000),
        response(body, status="404 Not Found"),
        response(body, status="500 Fault"),
    )
    assert {str(outcome) for outcome in await answered(served, *broken)} == {"inconclusive:FETCH_FAILED"}
