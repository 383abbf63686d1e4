import asyncio
import contextlib
import time

import pytest

from issuer.carbon.providers.client import Client, retry_after
from issuer.carbon.providers.errors import (
    MAX_RETRY_AFTER_S,
    NoGridDataError,
    ProviderForbiddenError,
    ProviderRateLimitedError,
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
    ProviderUnavailableError,
)
from issuer.carbon.providers.secret import TokenFile
from schemas import digests
from tests.fakes.grid import traps
from tests.fakes.grid.server import GridServer
from tests.fakes.grid.traps import Answer
from tests.fakes.ports import free_port
from tests.issuer.carbon.providers.asking import client

HONEST = b'{"it":"works"}'


class Honest(GridServer):
    def answer(self, request):
        return Answer(HONEST)


@pytest.fixture
def fake():
    with Honest() as server:
        yield server


async def test_the_body_comes_with_its_digest(fake):
    reply = await client(fake).get("/a", {"zone": "D&E é"}, headers={"auth-token": "t"})
    assert (reply.body, reply.digest) == (HONEST, digests.digest(HONEST))
    assert (fake.asked[0].query, fake.asked[0].headers["auth-token"]) == ({"zone": "D&E é"}, "t")


@pytest.mark.parametrize(
    ("trap", "error"),
    [
        (traps.status(400), ProviderRefusedError),
        (traps.status(401), ProviderUnauthorizedError),
        (traps.status(402), ProviderRefusedError),
        (traps.status(403), ProviderForbiddenError),
        (traps.status(404), NoGridDataError),
        (traps.status(408), ProviderUnavailableError),
        (traps.status(429), ProviderRateLimitedError),
        (traps.status(500), ProviderUnavailableError),
        (traps.status(503), ProviderUnavailableError),
        (traps.status(204), ProviderRefusedError),
        (traps.status(206), ProviderRefusedError),
        (traps.redirect("http://127.0.0.1:1/"), ProviderRefusedError),
        (traps.content_type("text/html"), ProviderRefusedError),
        (traps.content_type(""), ProviderRefusedError),
        (traps.compressed, ProviderRefusedError),
        (traps.huge(4 * 1024 * 1024), ProviderRefusedError),
        (traps.cut, ProviderUnavailableError),
    ],
)
async def test_each_failure_is_told_apart(fake, trap, error):
    fake.always(trap)
    with pytest.raises(error) as caught:
        await client(fake).get("/a")
    assert type(caught.value) is error
    assert "the-provider" in caught.value.detail
    assert len(fake.asked) == 1, "nothing is asked again, and no redirect followed"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("999999", MAX_RETRY_AFTER_S), ("-5", None), ("soon", None), ("7.5", None)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_what_the_provider_asks_to_wait_is_honoured_within_bounds(fake, status, header, seconds):
    fake.always(traps.status(status, retry_after=header))
    with pytest.raises((ProviderRateLimitedError, ProviderUnavailableError)) as caught:
        await client(fake).get("/a")
    assert caught.value.retry_after_s == seconds


def test_a_date_to_wait_for_is_relative_to_the_answer_s_own():
    headers = {"retry-after": "Fri, 02 Oct 2026 10:00:30 GMT", "date": "Fri, 02 Oct 2026 10:00:00 GMT"}
    assert retry_after(headers) == 30
    assert retry_after({**headers, "date": "Fri, 02 Oct 2026 11:00:00 GMT"}) == 0
    assert retry_after({"retry-after": headers["retry-after"]}) is None


async def test_a_provider_that_does_not_answer_costs_the_timeout_and_no_more(fake):
    fake.always(traps.slow)
    before_s = time.monotonic()
    with pytest.raises(ProviderUnavailableError, match=r"within 0\.2 s"):
        await client(fake, timeout_s=0.2).get("/a")
    assert time.monotonic() - before_s < 2


async def test_an_answer_that_trickles_is_bounded_by_the_same_timeout():
    async def trickle(reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ProviderUnavailableError, match="within"):
        await Client("slowly", f"http://127.0.0.1:{port}", timeout_s=0.3).get("/a")
    server.close()


async def test_where_nobody_listens_the_provider_is_unavailable():
    with pytest.raises(ProviderUnavailableError):
        await Client("nobody", f"http://127.0.0.1:{free_port()}").get("/a")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.example",
        "http://10.0.0.1",
        "http://127.0.0.1.example",
        "http://localhost.example:80",
        "https://user:secret@api.example",
        "https://api.example?token=1",
        "https://api.example/#a",
        "ftp://api.example",
        "api.example",
        "",
        "https://api.example\n",
        "https://api.example:99999",
        "https://a..example",
        f"https://{'a' * 64}.example",
    ],
)
def test_a_token_goes_over_https_alone_but_to_this_machine(base_url):
    with pytest.raises(ProviderSettingsError, match="base_url"):
        Client("x", base_url)


@pytest.mark.parametrize(
    "base_url",
    ["https://api.example/", "http://localhost:80", "http://127.0.0.1:8080/em", "http://[::1]:1", "https://10.0.0.1"],
)
def test_https_anywhere_and_http_of_this_machine_are_taken(base_url):
    Client("x", base_url)


def test_a_token_is_shown_nowhere(tmp_path):
    (tmp_path / "token").write_text("geheim\n", encoding="utf-8")
    file = TokenFile(str(tmp_path / "token"))
    assert file.token() == "geheim"
    assert "geheim" not in repr(file) + str(file) + str(vars(file))


@pytest.mark.parametrize("raw", [b"", b"\n", b"two\nlines\n", b"a" * 5000, b"\xff\xfe", b"nul\x00"])
def test_a_token_file_that_holds_no_token_is_refused_without_showing_it(tmp_path, raw):
    (tmp_path / "token").write_bytes(raw)
    with pytest.raises(ProviderSettingsError, match="token_file") as caught:
        TokenFile(str(tmp_path / "token")).token()
    assert "lines" not in caught.value.detail.replace("several lines", "")


@pytest.mark.parametrize("text", ["with space", "übel"])
def test_a_token_that_no_header_could_carry_is_refused(tmp_path, text):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(ProviderSettingsError) as caught:
        TokenFile(str(tmp_path / "token")).token()
    assert text not in caught.value.detail


@pytest.mark.parametrize("path", ["", "nowhere/token"])
def test_a_missing_token_file_says_what_to_set(path):
    with pytest.raises(ProviderSettingsError, match="token_file"):
        TokenFile(path).token()
