"""Records that the issuer takes in a second: the service itself, in a process of its own, over loopback.

`green-issuer serve` with its defaults (one worker, SQLite, synchronous=FULL; one worker a core where BENCH_DATABASE_URL
names an empty PostgreSQL database) and this process, which sends windows made and compressed beforehand, share two
cores. A window counts once its answer, 201, is there: its records, index and signed credential are on disk then.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bench.windows import RECORDS, Node, begin_us
from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.store import Store
from issuer.store.records import NodeRecord
from schemas import times

CORES = 2
NODES = 4
WINDOWS = 8
_HOST = "issuer.example"
_START_S = 60.0
_HEADERS = {"host": _HOST, "content-type": "application/x-ndjson", "content-encoding": "gzip"}
_DATABASE = "BENCH_DATABASE_URL"


def measured() -> str:
    """Return in words how records_per_second measures."""
    database = "PostgreSQL, 2 workers" if os.environ.get(_DATABASE) else "SQLite, synchronous=FULL, 1 worker"
    return (
        f"records accepted: green-issuer serve ({database}) over loopback HTTP, {NODES} nodes at once with windows of "
        f"{RECORDS:,} records in gzip, made beforehand; service and sender share {CORES} cores; counted when answered"
    )


def records_per_second() -> float:
    """Return how many records a second the issuer takes: 8 windows of 10,000 records from each of four nodes at once."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:CORES])
    try:
        # Beside the code: a folder for temporary files may be one that never reaches a disk.
        with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
            return _measured(Path(folder))
    finally:
        os.sched_setaffinity(0, cores)


def _measured(folder: Path) -> float:
    named = os.environ.get(_DATABASE)
    url = named or f"sqlite:///{folder / 'issuer.db'}"
    nodes = [Node(number, begin_us(WINDOWS + 1)) for number in range(NODES)]
    asyncio.run(_furnish(url, folder, nodes))
    bodies = [[window.body for window in node.windows(WINDOWS + 1, RECORDS)] for node in nodes]
    with _serving(url, folder, workers=CORES if named else 1) as address:
        return asyncio.run(_sent(address, bodies))


async def _sent(address: str, bodies: Sequence[Sequence[bytes]]) -> float:
    async with httpx.AsyncClient(base_url=address, headers=_HEADERS, timeout=60) as client:
        # The first of each node warms the service up, and is not counted.
        await asyncio.gather(*(_send(client, of_node[:1]) for of_node in bodies))
        started_s = time.perf_counter()
        await asyncio.gather(*(_send(client, of_node[1:]) for of_node in bodies))
        return NODES * WINDOWS * RECORDS / (time.perf_counter() - started_s)


async def _send(client: httpx.AsyncClient, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        answer = await client.post("/api/v1/windows", content=body)
        if answer.status_code != httpx.codes.CREATED:
            raise SystemExit(answer.text)


@contextmanager
def _serving(url: str, folder: Path, *, workers: int) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "GREEN_ISSUER_PUBLIC_URL": f"https://{_HOST}",
        "GREEN_ISSUER_DATABASE_URL": url,
        "GREEN_ISSUER_DATA_DIR": str(folder),
        "GREEN_ISSUER_PORT": str(port),
        "GREEN_ISSUER_WORKERS": str(workers),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "issuer.cli", "serve"], env=environment, cwd=folder, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, address, folder)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=_START_S)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
    until_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until_s:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz", headers={"host": _HOST}).is_success:
                return
        time.sleep(0.05)
    raise SystemExit((folder / "log").read_text())


async def _furnish(url: str, folder: Path, nodes: Sequence[Node]) -> None:
    store = Store.open(url)
    await store.migrate()
    now_us = times.to_microseconds(datetime.now(UTC))
    await store.issuers.add("root", f"did:web:{_HOST}", "Bench", now_us=now_us)
    key = folder / "root.pem"
    generate_file_key(key, "ES256")
    await Keyring(store, SystemClock()).rotate("root", "key-1", file_uri(key))
    await store.tenants.add("bench", "root", "Bench", now_us=now_us)
    for node in nodes:
        key_of = node.signer.public_key
        await store.nodes.add(
            NodeRecord(
                id=node.id,
                tenant_id="bench",
                jwk={**key_of.jwk},
                key_uri=key_of.thumbprint_uri,
                grid_region="DEU",
                tdp_w=700,
            )
        )
    await store.close()
