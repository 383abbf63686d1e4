"""``green-agent proxy`` as a process, before a backend and beside a real daemon."""

import asyncio
import json
import os
import signal
import socket

import httpx
import pytest

from did.signers import open_signer
from schemas.decimals import parse
from tests.agent.programs import ended, measuring, started
from tests.fakes.agent_programs import AgentHome
from tests.fakes.agent_windows import window_issuer
from tests.fakes.eventually import eventually
from tests.fakes.openai_backend import completion, openai_backend, stream

pytestmark = pytest.mark.timeout(120)

CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


async def line_of(process):
    return await asyncio.to_thread(process.stdout.readline)


async def test_requests_are_records_in_the_daemons_windows_and_answers_say_what_they_used(tmp_path):
    with window_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        issuer.key = open_signer(f"file:{home.folder / 'node.pem'}").public_key
        daemon = started(home, "daemon", GREEN_AGENT_WINDOW_S="0.5", GREEN_AGENT_RUN_SUBMIT_S="10")
        assert await asyncio.to_thread(eventually, lambda: measuring(home.folder / "daemon.sock"), 20)
        async with openai_backend(completion(), stream(b"data: {}\n\n", DONE), completion()) as backend:
            words = (
                "proxy",
                "--backend",
                backend.url,
                "--listen",
                "127.0.0.1:0",
                "--tenant-header",
                "X-Tenant",
                "--json",
            )
            proxy = started(home, *words, GREEN_AGENT_DAEMON_WAIT_S="2")
            told = json.loads(await line_of(proxy))
            async with httpx.AsyncClient(base_url=told["url"], timeout=20) as client:
                whole = await client.post(CHAT, json={"model": "llama"}, headers={"X-Tenant": "acme"})
                streamed = await client.post(CHAT, json={"model": "llama", "stream": True})
                await asyncio.to_thread(ended, daemon)
                without = await client.post(CHAT, json={"model": "llama"})
            await asyncio.to_thread(ended, proxy)

    assert told["measures"] == "the daemon"
    parse(whole.headers["x-energy-joules"])
    assert whole.headers["x-energy-simulated"] == "true"
    assert whole.headers["x-energy-attribution"] == "exclusive"
    comment = next(line for line in streamed.text.split("\n") if line.startswith(": energy "))
    assert json.loads(comment.removeprefix(": energy "))["inference_id"] == streamed.headers["x-energy-inference-id"]
    assert without.headers["x-energy-unavailable"] == "daemon-unavailable"
    assert "x-energy-joules" not in without.headers
    assert without.json()["usage"]
    records = {one.inference_id: one for window in issuer.windows for one in window.records.records}
    own = records[whole.headers["x-energy-records"].split(", ")[-1]]
    assert (own.model_id, own.tenant_id, own.input_tokens, own.output_tokens) == ("llama", "acme", 12, 34)
    mine = [one for name, one in records.items() if name.startswith(whole.headers["x-energy-inference-id"])]
    assert sum(one.accelerator_active_mj for one in mine) == int(parse(whole.headers["x-energy-joules"]) * 1000)


async def test_in_mode_direct_the_proxy_measures_by_itself_and_leaves_a_record(tmp_path):
    home = AgentHome(tmp_path / "home")
    async with openai_backend() as backend:
        words = ("proxy", "--backend", backend.url, "--listen", "127.0.0.1:0", "--json")
        proxy = started(home, *words, GREEN_AGENT_MODE="direct", GREEN_AGENT_RUN_SUBMIT_S="0", GREEN_AGENT_SUBMIT="0")
        told = json.loads(await line_of(proxy))
        async with httpx.AsyncClient(base_url=told["url"], timeout=20) as client:
            answer = await client.post(CHAT, json={"model": "llama"})
        await asyncio.to_thread(ended, proxy)

    (record,) = home.records()
    assert record["inference_id"] == answer.headers["x-energy-inference-id"]
    assert record["simulated"] is True


async def test_what_is_being_answered_when_the_proxy_is_to_end_is_answered(tmp_path):
    home = AgentHome(tmp_path / "home")
    async with openai_backend(stream(b"data: 1\n\n", b"", DONE)) as backend:
        proxy = started(home, "proxy", "--backend", backend.url, "--listen", "127.0.0.1:0", "--json")
        told = json.loads(await line_of(proxy))
        async with (
            httpx.AsyncClient(base_url=told["url"], timeout=20) as client,
            client.stream("POST", CHAT, json={"model": "llama"}) as answer,
        ):
            pieces = answer.aiter_raw()
            first = await anext(pieces)
            os.kill(proxy.pid, signal.SIGTERM)
            await asyncio.sleep(0.2)
            backend.go_on.set()
            rest = b"".join([piece async for piece in pieces])
        said = await asyncio.to_thread(proxy.communicate, timeout=30)

    assert proxy.returncode == 0, said
    assert first == b"data: 1\n\n"
    assert rest.endswith(DONE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "127.0.0.1:8000"], "is no URL such as"),
        (["--backend", "http://127.0.0.1:8000/v1"], "has a path"),
        (["--backend", "ftp://127.0.0.1"], "is no URL such as"),
        (["--backend", "http://127.0.0.1:99999"], "is no URL such as"),
        (["--backend", "http://127.0.0.1:8000", "--listen", "nowhere"], "is no HOST:PORT"),
        (["--backend", "http://127.0.0.1:8000", "--listen", "127.0.0.1:70000"], "is no HOST:PORT"),
        (["--backend", "http://127.0.0.1:8000", "--tenant-header", "X Tenant"], "is no name of a header"),
        (["--backend", "http://127.0.0.1:8000", "--timeout", "0"], "more than 0"),
        ([], "--backend"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_listens(tmp_path, words, said):
    ran = AgentHome(tmp_path / "home").run("proxy", *words)

    assert ran.returncode == 64
    assert said in ran.stderr


def test_a_taken_port_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = AgentHome(tmp_path / "home").run("proxy", "--backend", "http://127.0.0.1:1", "--listen", listen)

    assert ran.returncode == 64
    assert "cannot listen" in ran.stderr


def test_help_has_an_example(tmp_path):
    ran = AgentHome(tmp_path / "home").run("proxy", "--help")

    assert "green-agent proxy --backend http://127.0.0.1:8000" in ran.stdout
