"""More than an issuer can take at once: bursts, herds, clients that leave before the answer. Nothing may be lost."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from agent.retry import Answer
from issuer.store import Store
from schemas import times
from tests.agent.test_submit import Bench
from tests.attacks.catalogue import attack, of_response
from tests.fakes.agent import issue
from tests.fakes.issuer import body, node, node_signer, signed
from tests.fakes.issuer_server import Server, fresh_record
from tests.fakes.issuer_server import furnished as furnished_server
from tests.issuer import conftest as running

furnished, site_url, open_site = running.furnished, running.site_url, running.open_site

HERD = 200
_FIRST = 1000
_MOST_RESIDENT_KB = 300 * 1024


@attack("IT029", "reject:429 + Retry-After; spool keeps them")
async def test_a_burst_of_one_node_is_slowed_down_and_the_agent_keeps_what_is_left(expected, open_site, tmp_path):
    site = await open_site(node_rate_per_minute=5)
    answers = [await site.telemetry(inference_id=f"i-{number}") for number in range(40)]
    assert [answer.status_code for answer in answers[:5]] == [201] * 5
    for answer in answers[5:]:
        assert of_response(answer).problem == "429 RATE_LIMITED"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    # By node, not by address: its neighbour behind the same router is served.
    neighbour = signed(body(node_id="node-8"), node_signer(8))
    assert (await site.post("/api/v1/telemetry", neighbour)).status_code == 201

    slow_down = Answer(429, {"retry-after": answers[-1].headers["retry-after"]}, answers[-1].content)
    bench = Bench(tmp_path, slow_down, slow_down, issue)
    bench.enqueue("a", "b", "c")
    bench.give_up_after = 1
    bench.submitter.drain()
    assert len(bench.spool.pending()) == 3
    assert bench.spool.rejected() == []
    assert bench.slept[0] >= int(answers[-1].headers["retry-after"])
    bench.give_up_after = 1000
    assert bench.submitter.drain().remaining == 0
    expected.held()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = furnished_server(Server(tmp_path_factory.mktemp("overload")))
    asyncio.run(_register_the_herd(made))
    made.start()
    yield made
    made.stop()


async def _register_the_herd(server):
    store = Store.open(f"sqlite:///{server.folder / 'data' / 'issuer.db'}")
    for number in range(_FIRST, _FIRST + HERD):
        await store.nodes.add(node(number))
    await store.close()


def _listed(server):
    key = server.run("api-keys", "add", "--tenant", "acme", "--scope", "read")["key"]
    headers = {"authorization": f"Bearer {key}"}
    page = httpx.get(f"{server.url}/api/v1/certificates?limit=1000", headers=headers).json()
    assert page["next_cursor"] is None
    return [item["inference_id"] for item in page["items"]]


@attack(
    "IT030",
    "no loss, p99 bounded, 503+Retry-After shed",
    network="a server of its own",
    heavy="two hundred connections at once",
)
def test_a_herd_of_nodes_after_an_outage_loses_nothing_and_blocks_nobody(expected, server):
    now = times.render_claim(datetime.now(UTC))
    records = {
        f"herd-{number}": signed(
            body(node_id=f"node-{number}", inference_id=f"herd-{number}", timestamp=now), node_signer(number)
        )
        for number in range(_FIRST, _FIRST + HERD)
    }
    taken, waits_s = asyncio.run(_all_at_once(server, records.values()))
    assert max(seconds for seconds, _ in taken) < 30
    # Health is asked beside the herd, on a machine that the test itself keeps busy: bounded, not fast.
    assert statistics.quantiles([*waits_s, waits_s[0]], n=100)[-1] < 5
    again = [
        httpx.post(f"{server.url}/api/v1/telemetry", content=raw, headers=_JSON) for raw in [*records.values()][:5]
    ]
    assert [answer.status_code for answer in again] == [200] * 5
    listed = [name for name in _listed(server) if name.startswith("herd-")]
    assert sorted(listed) == sorted(records)
    assert _resident_kb(server.process.pid) < _MOST_RESIDENT_KB
    assert "Traceback" not in server.log()
    expected.held()


async def _all_at_once(server, records):
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60.0) as client:
        done = asyncio.Event()
        watching = asyncio.create_task(_watch(client, done))
        taken = await asyncio.gather(*(_until_taken(client, record) for record in records))
        done.set()
        return taken, await watching


_JSON = {"content-type": "application/json"}


async def _watch(client, done):
    waits_s = []
    while not done.is_set():
        started_s = time.monotonic()
        assert (await client.get("/healthz")).status_code in {200, 503}
        waits_s.append(time.monotonic() - started_s)
        await asyncio.sleep(0.02)
    return waits_s


async def _until_taken(client, record):
    started_s = time.monotonic()
    for _ in range(10):
        answer = await client.post("/api/v1/telemetry", content=record, headers=_JSON)
        if answer.status_code in {200, 201}:
            return time.monotonic() - started_s, json.loads(answer.content)["id"]
        assert answer.status_code in {429, 503}, answer.text
        await asyncio.sleep(int(answer.headers["retry-after"]))
    raise AssertionError("the record was never taken")


def _resident_kb(pid):
    """Return the largest resident memory of the process and its children."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(fields["Pid"]) == pid or int(fields["PPid"]) == pid:
            found.append(int(fields.get("VmRSS", "0 kB").split()[0]))
    return max(found)


@attack(
    "IT031",
    "credential issued once; retry returns it",
    network="a server of its own",
    heavy="forty connections that are cut",
)
def test_a_client_that_leaves_before_the_answer_gets_the_same_credential_later(expected, server):
    records = {f"cut-{number}": fresh_record(f"cut-{number}") for number in range(20)}
    for number, record in enumerate(records.values()):
        _post_and_leave(server, record, reset=number % 2 == 0)
    first, second = [
        {
            name: httpx.post(f"{server.url}/api/v1/telemetry", content=raw, headers=_JSON)
            for name, raw in records.items()
        }
        for _ in range(2)
    ]
    assert {answer.status_code for answer in first.values()} <= {200, 201}
    assert {answer.status_code for answer in second.values()} == {200}
    assert {name: answer.content for name, answer in first.items()} == {n: a.content for n, a in second.items()}
    listed = [name for name in _listed(server) if name.startswith("cut-")]
    assert sorted(listed) == sorted(records)
    # Cut off in the middle of the body there is no record, and no trace of one.
    half = fresh_record("half")
    head = _head(server, len(half))
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + half[:100])
    assert "half" not in _listed(server)
    assert "Traceback" not in server.log()
    expected.held()


def _head(server, length):
    return (
        f"POST /api/v1/telemetry HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def _post_and_leave(server, record, *, reset):
    connection = socket.create_connection(("127.0.0.1", server.port))
    if reset:
        # Linger of zero: closing sends RST, as a crashed client's host does.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sendall(_head(server, len(record)) + record)
    connection.close()


@attack(
    "IT031",
    "credential issued once; retry returns it",
    network="a server of its own",
    heavy="a process to speak to",
)
def test_slow_bodies_hold_no_place_for_long(expected, server):
    record = fresh_record("slow")
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(100)]
    for connection in slow:
        connection.sendall(_head(server, len(record)) + record[:10])
    assert httpx.post(f"{server.url}/api/v1/telemetry", content=record, headers=_JSON).status_code == 201
    for connection in slow:
        with connection:
            # Refused for its slowness, and after sixty of them in a minute for their number.
            assert connection.recv(64)[:13] in {b"HTTP/1.1 408 ", b"HTTP/1.1 429 "}
    assert httpx.post(f"{server.url}/api/v1/telemetry", content=record, headers=_JSON).status_code == 200
    expected.held()
