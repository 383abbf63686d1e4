"""Telemetry windows: verifying one, taking many through POST /api/v1/windows on SQLite, verifying receipts."""

from __future__ import annotations

import asyncio
import gzip
import secrets
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from bench.clock import Timing, measure
from did import jws
from did.signers import generate_file_key
from did.signers.file import file_uri
from did.signers.software import SoftwareSigner
from issuer.app import create_service
from issuer.clock import SystemClock
from issuer.keyring import Keyring
from issuer.settings import Settings
from issuer.store import Store
from issuer.store.records import NodeRecord
from issuer.windows.reading import place_in
from schemas import base64url, digests, jcs, times
from schemas.receipt import Inclusion, Receipt, build_receipt, parse_receipt
from schemas.window_header import SOFTWARE_TYP, Accelerator, Boot, WindowHeader, encode_header, window_digest
from schemas.window_record import WindowRecord, decode_records, encode_records
from verifier.attestation.software import check_software_window
from verifier.receipt import check_receipt, root_of

NODES = 4
WINDOWS = 8
RECORDS = 10_000
_WINDOW_US = 1_000_000
_HEADERS = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}


class Made(NamedTuple):
    """A window as a node makes it."""

    token: str
    lines: bytes
    header: bytes
    body: bytes


class Node:
    """A node with a software key that makes windows of a second, one after the other."""

    def __init__(self, number: int, begin_us: int) -> None:
        self.id = f"bench-{number}"
        self.signer = SoftwareSigner(ec.generate_private_key(ec.SECP256R1()))
        self._wall_us = begin_us
        self._sequence = 0
        self._previous: str | None = None

    def windows(self, count: int, records: int) -> Iterator[Made]:
        for _ in range(count):
            yield self._window(records)

    def _window(self, count: int) -> Made:
        start_us, end_us = self._wall_us, self._wall_us + _WINDOW_US
        records = [_record(start_us, end_us) for _ in range(count)]
        lines = encode_records(records)
        counted = 10 * count
        header = encode_header(
            WindowHeader(
                v=1,
                node_id=self.id,
                agent="bench",
                key=self.signer.public_key.thumbprint_uri,
                boot=Boot(start=1),
                sequence=self._sequence,
                previous=self._previous,
                records=count,
                merkle_root=decode_records(lines).merkle_root,
                freshness="chained",
                start_us=start_us,
                end_us=end_us,
                duration_us=_WINDOW_US,
                measured_us=_WINDOW_US,
                largest_gap_us=0,
                method="counter",
                accelerators=(
                    Accelerator(
                        uuid="GPU-0",
                        model="H100",
                        scope="gpu",
                        counter_start_mj=0,
                        counter_end_mj=counted,
                        energy_mj=counted,
                    ),
                ),
                accelerator_active_mj=counted,
                accelerator_idle_mj=0,
                accelerator_loaded_idle_mj=0,
                unattributed_mj=0,
                host_cpu_mj=0,
                host_dram_mj=0,
                host_other_mj=0,
                network_mj=0,
                estimated_mj=0,
            )
        )
        self._wall_us, self._sequence = end_us, self._sequence + 1
        self._previous = digests.encode(window_digest(header))
        protected = {"typ": SOFTWARE_TYP, "kid": self.signer.public_key.thumbprint_uri}
        token = jws.sign_compact(header, protected, self.signer, "ES256")
        line = jcs.canonical_bytes({"evidence": {"jws": token}})
        return Made(token, lines, header, gzip.compress(line + b"\n" + lines, 6, mtime=0))


def _record(start_us: int, end_us: int) -> WindowRecord:
    return WindowRecord(
        accelerator_active_mj=10,
        accelerator_idle_mj=0,
        accelerator_loaded_idle_mj=0,
        attribution="exclusive",
        duration_us=end_us - start_us,
        end_us=end_us,
        estimated_mj=0,
        host_cpu_mj=0,
        host_dram_mj=0,
        host_other_mj=0,
        inference_id=secrets.token_hex(16),
        input_tokens=812,
        model_id="meta-llama/Llama-3.1-8B",
        network_mj=0,
        output_tokens=436,
        requests=1,
        salt=base64url.encode(secrets.token_bytes(16)),
        start_us=start_us,
        v=1,
    )


def verify_window() -> Timing:
    """Time the whole check of a window of 1,000 records: signature, records, Merkle root, sums."""
    node = Node(0, _begin_us(1))
    (made,) = node.windows(1, 1000)
    key = node.signer.public_key
    return measure(lambda: check_software_window(made.token, key, decode_records(made.lines)))


def verify_receipt() -> Timing:
    """Time reading a receipt and holding it against its window's root, of 10,000 records."""
    node = Node(0, _begin_us(1))
    (made,) = node.windows(1, RECORDS)
    window = check_software_window(made.token, node.signer.public_key, decode_records(made.lines))
    placed, root = place_in(made.body, 4321), root_of(window.header, window.digest)
    raw = build_receipt(
        Receipt(
            v=1,
            record=placed.record,
            inclusion=Inclusion(index=placed.index, tree_size=RECORDS, path=placed.path),
            merkle_root=window.header.merkle_root,
            window_digest=window.digest,
            window_credential="https://issuer.example/credentials/1",
        )
    )
    return measure(lambda: check_receipt(parse_receipt(raw), root))


def records_per_second() -> float:
    """Return how many records a second the issuer takes durably, windows of 10,000 from four nodes at once."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_accepted(Path(folder)))


async def _accepted(folder: Path) -> float:
    url = f"sqlite:///{folder / 'issuer.db'}"
    nodes = [Node(number, _begin_us(WINDOWS)) for number in range(NODES)]
    await _furnish(url, folder, nodes)
    made = [[window.body for window in node.windows(WINDOWS, RECORDS)] for node in nodes]
    settings = Settings(
        public_url="https://issuer.example", database_url=url, node_rate_per_minute=1_000_000, log_level="error"
    )
    service = create_service(settings)
    async with (
        service.app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=service), base_url=settings.public_url) as client,
    ):
        started_s = time.perf_counter()
        await asyncio.gather(*(_send(client, bodies) for bodies in made))
        return NODES * WINDOWS * RECORDS / (time.perf_counter() - started_s)


async def _send(client: httpx.AsyncClient, bodies: list[bytes]) -> None:
    for body in bodies:
        answer = await client.post("/api/v1/windows", content=body, headers=_HEADERS)
        if answer.status_code != httpx.codes.CREATED:
            raise SystemExit(answer.text)


async def _furnish(url: str, folder: Path, nodes: list[Node]) -> None:
    store = Store.open(url)
    await store.migrate()
    now_us = times.to_microseconds(datetime.now(UTC))
    await store.issuers.add("root", "did:web:issuer.example", "Bench", now_us=now_us)
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


def _begin_us(windows: int) -> int:
    return times.to_microseconds(datetime.now(UTC)) - (windows + 5) * _WINDOW_US
