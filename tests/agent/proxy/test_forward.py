"""The proxy over a fake backend: what is passed on, what is measured, and what is told of it."""

import asyncio
import gzip
import json
import logging

import httpx
import pytest

from agent.errors import DaemonError, FigureLateError, MeasurementError, SettingsError, WorkNotTakenError
from agent.measurement import UNCOUNTED, Counts
from agent.proxy.options import Backend
from tests.agent.proxy.proxying import BODY, CHAT, FakeMeasurer, http, proxied
from tests.fakes.openai_backend import USAGE, completion, openai_backend, raw, silence, stream, whole

pytestmark = pytest.mark.timeout(60)

DELTA = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'
LAST = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"


def comment_in(content):
    (line,) = [line for line in content.split(b"\n") if line.startswith(b": energy ")]
    return json.loads(line.removeprefix(b": energy "))


def without_comment(content):
    before, _, after = content.partition(b": energy ")
    return before + after.partition(b"\n\n")[2]


async def test_an_answer_carries_what_it_used(caplog):
    async with proxied() as proxy:
        answer = await proxy.post()

    assert answer.status_code == 200
    assert answer.headers["x-energy-joules"] == "1.234"
    assert answer.headers["x-energy-inference-id"] == "work-1"
    assert answer.headers["x-energy-method"] == "counter"
    assert answer.headers["x-energy-attribution"] == "exclusive"
    assert answer.headers["x-energy-records"] == "work-1"
    assert "x-energy-simulated" not in answer.headers
    assert "x-energy-unavailable" not in answer.headers
    assert proxy.measurer.ended == [("work-1", "llama", None, "stop", Counts(12, 34))]


async def test_work_that_shared_the_device_says_so_and_simulated_figures_too():
    measurer = FakeMeasurer(5, simulated=True, method="modelled", flags=frozenset({"shared-in-process"}))
    async with proxied(measurer=measurer) as proxy:
        answer = await proxy.post()

    assert answer.headers["x-energy-joules"] == "0.005"
    assert answer.headers["x-energy-method"] == "modelled"
    assert answer.headers["x-energy-attribution"] == "reserved-time"
    assert answer.headers["x-energy-simulated"] == "true"


@pytest.mark.parametrize(
    ("path", "answer", "counts"),
    [
        ("/v1/completions", {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, Counts(1, 2)),
        ("/v1/embeddings?x=1", {"usage": {"prompt_tokens": 3, "total_tokens": 3}}, Counts(3, None)),
        ("/v1/responses", {"usage": {"input_tokens": 4, "output_tokens": 5}}, Counts(4, 5)),
        (CHAT, {"usage": None}, UNCOUNTED),
        (CHAT, {}, UNCOUNTED),
        (CHAT, {"usage": {"prompt_tokens": -1, "completion_tokens": 2}}, UNCOUNTED),
        (CHAT, {"usage": {"prompt_tokens": True}}, UNCOUNTED),
        (CHAT, {"usage": {"prompt_tokens": 1.5}}, UNCOUNTED),
        (CHAT, {"usage": {"prompt_tokens": 2**53}}, UNCOUNTED),
        (CHAT, {"usage": "many"}, UNCOUNTED),
        (CHAT, ["usage"], UNCOUNTED),
    ],
)
async def test_tokens_are_the_backends_count_or_not_known(path, answer, counts):
    async with proxied(whole(json.dumps(answer).encode(), "Content-Type: application/json")) as proxy:
        assert (await proxy.post(path)).json() == answer

    assert proxy.measurer.ended[0][-1] == counts


async def test_an_error_of_the_backend_passes_measured_and_without_tokens():
    body = json.dumps({"error": {"message": "no"}, "usage": {"prompt_tokens": 9}}).encode()
    async with proxied(whole(body, "Retry-After: 7", status="429 Slow Down")) as proxy:
        answer = await proxy.post()

    assert (answer.status_code, answer.reason_phrase, answer.content) == (429, "Slow Down", body)
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-energy-joules"] == "1.234"
    assert proxy.measurer.ended[0][-1] == UNCOUNTED


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[" * 100_000, b'{"usage":{"prompt_tokens":' + b"9" * 5000 + b"}}"]
)
async def test_an_answer_that_is_no_json_passes_byte_for_byte(body):
    async with proxied(whole(body, "Content-Type: application/json")) as proxy:
        answer = await proxy.post()

    assert answer.content == body
    assert proxy.measurer.ended[0][-1] == UNCOUNTED
    assert answer.headers["x-energy-joules"] == "1.234"


async def test_an_answer_in_a_coding_passes_as_it_is_and_none_is_asked_for():
    packed = gzip.compress(b'{"usage":{"prompt_tokens":1}}')
    async with (
        proxied(whole(packed, "Content-Encoding: gzip")) as proxy,
        proxy.client.stream("POST", CHAT, json=BODY) as answer,
    ):
        content = b"".join([piece async for piece in answer.aiter_raw()])

    assert content == packed
    assert proxy.backend.asked[0].header("accept-encoding") == ["identity"]
    assert proxy.measurer.ended[0][-1] == UNCOUNTED


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/audio/speech"), ("GET", CHAT), ("DELETE", "/v1/files/1")]
)
async def test_all_else_is_passed_on_unmeasured(method, path):
    async with proxied() as proxy:
        answer = await proxy.client.request(method, path, headers={"Accept-Encoding": "br"})

    assert answer.headers["x-request-id"] == "b-1"
    assert not [name for name in answer.headers if name.startswith("x-energy")]
    assert proxy.measurer.ended == []
    assert proxy.backend.asked[0].header("accept-encoding") == ["br"]


@pytest.mark.parametrize("path", ["/v1/chat/%63ompletions", "/v1/chat/completions/", "/v1/chat/completions?a=b"])
async def test_another_spelling_of_a_path_is_measured_too_and_passed_on_as_it_is(path):
    async with proxied() as proxy:
        await proxy.send(http("POST", path))

    assert proxy.backend.asked[0].line == f"POST {path} HTTP/1.1"
    assert len(proxy.measurer.ended) == 1


async def test_the_body_reaches_the_backend_byte_for_byte():
    body = b'{ "model" : "llama",\n "messages":[], "x":1e400, "model":"llama" }  '
    async with proxied() as proxy:
        await proxy.send(http(body=body))

    assert proxy.backend.asked[0].body == body
    assert proxy.backend.asked[0].header("content-length") == [str(len(body))]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":7}', b'{"messages":[]}', b"\xff", b"[" * 100_000])
async def test_a_request_without_a_model_passes_and_is_told_why_it_is_not_measured(body):
    async with proxied() as proxy:
        answer = await proxy.send(http(body=body))

    assert b"X-Energy-Unavailable: no-model\r\n" in answer
    assert b"X-Energy-Joules" not in answer
    assert proxy.backend.asked[0].body == body
    assert proxy.measurer.ended == []


async def test_a_model_may_be_set_for_requests_that_name_none():
    async with proxied(model="llama-default") as proxy:
        await proxy.post(json={"messages": []})

    assert proxy.measurer.ended[0][1] == "llama-default"


async def test_the_tenant_is_what_the_header_says():
    async with proxied(tenant_header="x-tenant") as proxy:
        await proxy.post(headers={"X-Tenant": "acme"})
        await proxy.post()
        twice = await proxy.client.post(CHAT, json=BODY, headers=[("X-Tenant", "a"), ("X-Tenant", "b")])

    assert [one[2] for one in proxy.measurer.ended] == ["acme", None]
    assert twice.headers["x-energy-unavailable"] == "refused"
    assert proxy.backend.asked[0].header("x-tenant") == ["acme"]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (SettingsError("model_id: no"), "refused"),
        (WorkNotTakenError("too much runs"), "daemon-busy"),
        (RuntimeError("nobody foresaw this"), "no-figure"),
    ],
)
async def test_work_that_is_not_taken_does_not_stop_the_request(error, word):
    measurer = FakeMeasurer()
    measurer.refusal = error
    async with proxied(measurer=measurer) as proxy:
        answer = await proxy.post()

    assert answer.json()["usage"]["prompt_tokens"] == 12
    assert answer.headers["x-energy-unavailable"] == word


async def test_without_a_daemon_the_answer_goes_on_and_the_next_try_waits():
    tries = []

    def away():
        tries.append(1)
        raise DaemonError("no daemon at all")

    async with proxied(open_session=away) as proxy:
        answers = [await proxy.post() for _ in range(3)]

    assert {answer.headers["x-energy-unavailable"] for answer in answers} == {"daemon-unavailable"}
    assert all(answer.json()["usage"] for answer in answers)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("error", "word"),
    [(MeasurementError("the daemon went away"), "no-figure"), (FigureLateError("not in time"), "figure-late")],
)
async def test_a_figure_that_is_not_here_is_told(error, word):
    measurer = FakeMeasurer()
    measurer.no_figure = error
    async with proxied(measurer=measurer) as proxy:
        answer = await proxy.post()

    assert answer.headers["x-energy-inference-id"] == "work-1"
    assert answer.headers["x-energy-unavailable"] == word
    assert "x-energy-joules" not in answer.headers


async def test_a_stream_is_passed_on_piece_by_piece_with_the_figures_before_its_end():
    async with (
        proxied(stream(DELTA, b"", DELTA, LAST + DONE)) as proxy,
        proxy.client.stream("POST", CHAT, json=BODY | {"stream": True}) as answer,
    ):
        pieces = answer.aiter_raw()
        first = await anext(pieces)
        # The backend has not gone on yet.
        assert first == DELTA
        proxy.backend.go_on.set()
        content = first + b"".join([piece async for piece in pieces])

    assert answer.headers["x-energy-inference-id"] == "work-1"
    assert "x-energy-joules" not in answer.headers
    assert without_comment(content) == DELTA + DELTA + LAST + DONE
    assert content.endswith(b"\n\n" + DONE)
    told = comment_in(content)
    assert told == {
        "joules": "1.234",
        "inference_id": "work-1",
        "method": "counter",
        "attribution": "exclusive",
        "records": ["work-1"],
    }
    assert proxy.measurer.ended == [("work-1", "llama", None, "stop", Counts(5, 7))]


async def test_the_end_of_a_stream_is_found_however_it_is_cut():
    content = DELTA + LAST + DONE
    for size in (1, 2, 3, 7):
        pieces = [content[begin : begin + size] for begin in range(0, len(content), size)]
        async with proxied(stream(*pieces)) as proxy:
            answer = await proxy.post()
        assert without_comment(answer.content) == content
        assert answer.content.endswith(b"\n\n" + DONE)
        assert proxy.measurer.ended[0][-1] == Counts(5, 7)


async def test_a_stream_without_usage_has_no_tokens():
    async with proxied(stream(DELTA, DONE)) as proxy:
        await proxy.post()

    assert proxy.measurer.ended[0][-1] == UNCOUNTED


async def test_a_stream_of_responses_that_just_ends_has_its_figures_last():
    event = b'event: response.completed\ndata: {"response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n'
    async with proxied(stream(event)) as proxy:
        answer = await proxy.post("/v1/responses")

    assert answer.content.startswith(event + b": energy {")
    assert answer.content.endswith(b"}\n\n")
    assert proxy.measurer.ended[0][-1] == Counts(1, 2)


async def test_a_stream_that_ends_in_the_midst_of_an_event_gets_no_comment():
    torn = DELTA + b'data: {"half":'
    async with proxied(stream(torn)) as proxy:
        answer = await proxy.post()

    assert answer.content == torn
    assert await proxy.settled()


async def test_a_client_that_wants_trailers_gets_the_figures_there_too():
    async with proxied(stream(DELTA, DONE)) as proxy:
        wanted = await proxy.send(http("POST", CHAT, "TE: trailers"))
        unwanted = await proxy.send(http("POST", CHAT))

    assert b"\r\n0\r\nX-Energy-Joules: 1.234\r\n" in wanted
    assert b"Trailer: X-Energy-Joules" in wanted
    assert unwanted.endswith(b"\r\n0\r\n\r\n")
    assert b"railer" not in unwanted


async def test_a_stream_without_a_daemon_says_so_in_its_head_and_its_comment():
    def away():
        raise DaemonError("no daemon at all")

    async with proxied(stream(DELTA, DONE), open_session=away) as proxy:
        answer = await proxy.post()

    assert answer.headers["x-energy-unavailable"] == "daemon-unavailable"
    assert comment_in(answer.content) == {"unavailable": "daemon-unavailable"}


async def test_an_answer_too_long_to_be_held_comes_in_parts():
    body = b"x" * 300_000
    async with proxied(whole(body), max_answer_bytes=100_000) as proxy:
        answer = await proxy.send(http("POST", CHAT, "TE: trailers"))
        plain = await proxy.post()

    assert b"X-Energy-Inference-Id: work-1\r\n" in answer
    assert b"\r\n0\r\nX-Energy-Joules: 1.234\r\n" in answer
    assert plain.content == body
    assert "content-length" not in plain.headers


async def test_a_client_that_goes_away_ends_the_backends_request_and_the_work():
    async with proxied(silence()) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(http())
        await proxy.backend.arrived.wait()
        assert len(proxy.measurer.running) == 1
        writer.close()
        await asyncio.wait_for(proxy.backend.gone.wait(), 10)
        assert await proxy.settled()

    assert proxy.measurer.ended == [("work-1", "llama", None, "stop", UNCOUNTED)]


async def test_a_client_that_goes_away_in_a_stream_ends_the_backends_request_and_the_work():
    async with proxied(stream(DELTA, b"", DONE)) as proxy:
        async with proxy.client.stream("POST", CHAT, json=BODY) as answer:
            assert await anext(answer.aiter_raw()) == DELTA
        await asyncio.wait_for(proxy.backend.gone.wait(), 10)
        assert await proxy.settled()

    assert [one[3] for one in proxy.measurer.ended] == ["stop"]


async def test_a_backend_that_says_nothing_is_given_up_and_the_work_is_counted():
    async with proxied(silence(), silence_s=0.2) as proxy:
        answer = await proxy.post()
        await asyncio.wait_for(proxy.backend.gone.wait(), 10)

    assert answer.status_code == 504
    assert answer.json()["error"]["type"] == "backend_timeout"
    assert answer.headers["x-energy-joules"] == "1.234"
    assert [one[3] for one in proxy.measurer.ended] == ["stop"]


async def test_a_backend_that_cannot_be_reached_did_no_work():
    async with openai_backend() as gone:
        port = gone.port
    async with proxied(backend=Backend("http", "127.0.0.1", port)) as proxy:
        answer = await proxy.post()
        assert await proxy.settled()

    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "backend_unavailable"
    assert [one[3] for one in proxy.measurer.ended] == ["discard"]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_a_backend_that_breaks_off_before_its_answer_is_whole_is_a_502_and_counted(answer):
    async with proxied(raw(answer)) as proxy:
        answer = await proxy.post()

    assert answer.status_code == 502
    assert answer.json()["error"]["type"] == "backend_broke_off"
    assert [one[3] for one in proxy.measurer.ended] == ["stop"]


async def test_a_stream_that_the_backend_breaks_off_does_not_look_whole():
    async with proxied(stream(DELTA, broken=True)) as proxy:
        with pytest.raises(httpx.RemoteProtocolError):
            await proxy.post()
        assert await proxy.settled()

    assert [one[3:] for one in proxy.measurer.ended] == [("stop", UNCOUNTED)]


async def test_headers_of_one_connection_stay_on_it():
    headers = ["Connection: close, x-mine", "X-Mine: 1", "Keep-Alive: 5", "Upgrade: h2c", "TE: trailers, deflate"]
    sent = whole(b"{}", "Connection: x-theirs", "X-Theirs: 1", "Keep-Alive: timeout=5", "X-Energy-Joules: 0.000001")
    async with proxied(sent) as proxy:
        answer = await proxy.send(http("POST", CHAT, *headers, "Authorization: Bearer key", close=False))

    asked = proxy.backend.asked[0]
    assert {name.lower() for name, _ in asked.headers} == {
        "host",
        "authorization",
        "accept-encoding",
        "via",
        "content-length",
    }
    assert asked.header("authorization") == ["Bearer key"]
    assert asked.header("host") == [f"127.0.0.1:{proxy.backend.port}"]
    assert b"heirs" not in answer
    assert b"eep-" not in answer
    # Nobody but the proxy says what an answer used.
    assert answer.count(b"-Joules:") == 1
    assert b"X-Energy-Joules: 1.234" in answer


async def test_what_opens_the_backend_is_never_logged(caplog):
    caplog.set_level(logging.DEBUG)
    async with proxied(raw(b"nonsense\r\n\r\n")) as proxy:
        await proxy.post(headers={"Authorization": "Bearer s3cr3t-key"})

    assert "s3cr3t" not in "".join(str(record.__dict__) for record in caplog.records if record.name.startswith("agent"))


async def test_requests_at_once_are_each_their_own_work():
    async with proxied() as proxy:
        answers = await asyncio.gather(*(proxy.post() for _ in range(20)))

    assert len({answer.headers["x-energy-inference-id"] for answer in answers}) == 20
    assert len(proxy.measurer.ended) == 20


async def test_a_large_body_of_an_unmeasured_request_streams_through():
    body = b"0123456789" * 200_000

    async def parts():
        for begin in range(0, len(body), 65_536):
            yield body[begin : begin + 65_536]

    async with proxied() as proxy:
        answer = await proxy.client.post("/v1/files", content=parts())

    assert answer.status_code == 200
    assert proxy.backend.asked[0].body == body


async def test_too_many_held_bytes_are_refused_and_room_comes_back():
    async with proxied(max_held_bytes=20_000) as proxy:
        refused = await proxy.post(json=BODY | {"x": "y" * 30_000})
        taken = [await proxy.post(json=BODY | {"x": "y" * 15_000}) for _ in range(3)]

    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "proxy_busy")
    assert [answer.status_code for answer in taken] == [200, 200, 200]


async def test_a_session_that_fails_in_an_unforeseen_way_leaves_the_answer_alone(caplog):
    measurer = FakeMeasurer()
    measurer.stop = lambda *_: 1 / 0
    async with proxied(measurer=measurer) as proxy:
        answer = await proxy.post()

    assert answer.json()["usage"]
    assert answer.headers["x-energy-unavailable"] == "no-figure"


async def test_an_openai_client_reads_a_stream_with_the_comment():
    openai = pytest.importorskip("openai", reason="a check with the real client, where it is installed")
    shape = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "llama"}
    choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": None}
    chunks = [shape | {"choices": [choice]}, shape | {"choices": [], "usage": USAGE}]
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    async with proxied(stream(*events, DONE), completion(**shape)) as proxy:
        client = openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0)
        asked = {"model": "llama", "messages": [{"role": "user", "content": "x"}]}
        read = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
        plain = await client.chat.completions.with_raw_response.create(**asked)
        await client.close()

    assert [chunk.choices[0].delta.content for chunk in read if chunk.choices] == ["hi"]
    assert read[-1].usage.completion_tokens == 34
    assert plain.headers["x-energy-joules"] == "1.234"
    assert [one[-1] for one in proxy.measurer.ended] == [Counts(12, 34)] * 2
