import time

import pytest

from agent.errors import NoAnswerError
from agent.transport import HttpTransport
from tests.fakes.agent import credential_for, loopback_issuer

pytestmark = pytest.mark.network
BODY = b'{"inference_id":"i-1"}'


def post(issuer, timeout_s=5.0):
    transport = HttpTransport(issuer.url)
    try:
        return transport.post("/api/v1/telemetry", BODY, timeout_s=timeout_s)
    finally:
        transport.close()


def test_an_answer_comes_back_as_it_was_sent():
    with loopback_issuer("issue") as issuer:
        answer = post(issuer)

    assert (answer.status, answer.body) == (201, credential_for("i-1"))


def test_the_record_is_posted_as_json_and_compression_is_not_asked_for():
    with loopback_issuer("issue") as issuer:
        post(issuer)

    path, headers, body = issuer.requests[0]
    assert (path, body) == ("/api/v1/telemetry", BODY)
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("green-agent/")


def test_headers_of_an_answer_come_in_lower_case():
    with loopback_issuer("429 2") as issuer:
        assert post(issuer).headers["retry-after"] == "2"


def test_a_redirect_is_an_answer_and_is_not_followed():
    with loopback_issuer("moved") as issuer:
        assert post(issuer).status == 307
        assert len(issuer.requests) == 1


def test_a_peer_that_hangs_half_open_is_given_up_in_time():
    with loopback_issuer("hang") as issuer:
        before_s = time.monotonic()
        with pytest.raises(NoAnswerError, match="ReadTimeout"):
            post(issuer, timeout_s=0.3)
        assert time.monotonic() - before_s < 5


def test_an_answer_that_drips_is_given_up_in_time():
    with loopback_issuer("drip") as issuer:
        before_s = time.monotonic()
        with pytest.raises(NoAnswerError, match="did not end in time"):
            post(issuer, timeout_s=0.3)
        assert time.monotonic() - before_s < 5


def test_headers_that_come_byte_by_byte_are_given_up_in_time_and_the_connection_ends():
    with loopback_issuer("trickle", "issue") as issuer:
        transport = HttpTransport(issuer.url)
        before_s = time.monotonic()
        with pytest.raises(NoAnswerError, match="did not end in time"):
            transport.post("/api/v1/telemetry", BODY, timeout_s=0.3)
        took_s = time.monotonic() - before_s

        assert took_s < 5
        assert issuer.broken_off.wait(5)
        # The next exchange is not the worse for it.
        assert transport.post("/api/v1/telemetry", BODY, timeout_s=5).status == 201
        transport.close()


def test_a_connection_is_used_again():
    with loopback_issuer("issue", "issue") as issuer:
        transport = HttpTransport(issuer.url)
        for _ in range(2):
            transport.post("/api/v1/telemetry", BODY, timeout_s=5)
        transport.close()

    assert issuer.connections == 1


@pytest.mark.parametrize("step", ["cut", "noise"])
def test_what_is_no_http_answer_is_no_answer(step):
    with loopback_issuer(step) as issuer, pytest.raises(NoAnswerError, match="ProtocolError"):
        post(issuer)


def test_an_answer_without_end_is_not_read_to_its_end():
    with loopback_issuer("huge") as issuer, pytest.raises(NoAnswerError, match="longer than"):
        post(issuer)


def test_a_compressed_answer_is_refused_since_its_size_is_not_known():
    with loopback_issuer("packed") as issuer, pytest.raises(NoAnswerError, match="compressed"):
        post(issuer)


def test_an_issuer_that_is_not_there_is_no_answer():
    with loopback_issuer() as issuer:
        pass
    with pytest.raises(NoAnswerError, match="ConnectError"):
        post(issuer)


def test_a_proxy_of_the_environment_is_not_used_for_loopback(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with loopback_issuer("issue") as issuer:
        assert post(issuer).status == 201
