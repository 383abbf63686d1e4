"""Telemetry windows as nodes make them; the time of verifying one, and of verifying receipts."""

from __future__ import annotations

import gzip
import random
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from agent.identifiers import uuid7
from bench.clock import Timing, measure
from did import jws
from did.signers.software import SoftwareSigner
from issuer.windows.opened import open_window
from schemas import base64url, digests, jcs, times
from schemas.receipt import Inclusion, Receipt, build_receipt, parse_receipt
from schemas.window_header import SOFTWARE_TYP, Accelerator, Boot, WindowHeader, encode_header, window_digest
from schemas.window_record import WindowRecord, decode_records, encode_records
from verifier.attestation.software import check_software_window
from verifier.receipt import check_receipt, root_of

RECORDS = 10_000
_WINDOW_US = 10_000_000


class Made(NamedTuple):
    """A window as a node makes it."""

    token: str
    lines: bytes
    header: bytes
    body: bytes


class Node:
    """A node with a software key that makes windows of ten seconds, one after the other."""

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
        records = _records(start_us, end_us, count)
        lines = encode_records(records)
        counted = sum(record.accelerator_active_mj for record in records)
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


def _records(start_us: int, end_us: int, count: int) -> Sequence[WindowRecord]:
    """Return inferences of some seconds each that end one after the other, with ids as the agent makes them."""
    chance = random.Random(start_us)
    return [
        _record(start_us, end_us, start_us + (end_us - start_us) * (index + 1) // count, chance)
        for index in range(count)
    ]


def _record(start_us: int, end_us: int, stopped_us: int, chance: random.Random) -> WindowRecord:
    begun_us = max(start_us, stopped_us - chance.randrange(100_000, 5_000_000))
    return WindowRecord(
        accelerator_active_mj=chance.randrange(100, 1000),
        accelerator_idle_mj=0,
        accelerator_loaded_idle_mj=0,
        attribution="exclusive",
        duration_us=stopped_us - begun_us,
        end_us=min(stopped_us, end_us),
        estimated_mj=0,
        host_cpu_mj=0,
        host_dram_mj=0,
        host_other_mj=0,
        inference_id=uuid7(begun_us // 1000, secrets.token_bytes(10)),
        input_tokens=chance.randrange(20, 4000),
        model_id="meta-llama/Llama-3.1-8B",
        network_mj=0,
        output_tokens=chance.randrange(1, 1000),
        requests=1,
        salt=base64url.encode(secrets.token_bytes(16)),
        start_us=begun_us,
        v=1,
    )


def verify_window() -> Timing:
    """Time the whole check of a window of 1,000 records: signature, records, Merkle root, sums."""
    node = Node(0, begin_us(1))
    (made,) = node.windows(1, 1000)
    key = node.signer.public_key
    return measure(lambda: check_software_window(made.token, key, decode_records(made.lines)))


def verify_receipt() -> tuple[Timing, Timing]:
    """Time holding a receipt, of a window of 10,000 records, against the window's root: read already, and with reading it."""
    node = Node(0, begin_us(1))
    (made,) = node.windows(1, RECORDS)
    window = check_software_window(made.token, node.signer.public_key, decode_records(made.lines))
    placed, root = open_window(made.body).place(4321), root_of(window.header, window.digest)
    receipt = Receipt(
        v=1,
        record=placed.record,
        inclusion=Inclusion(index=placed.index, tree_size=RECORDS, path=placed.path),
        merkle_root=window.header.merkle_root,
        window_digest=window.digest,
        window_credential="https://issuer.example/credentials/1",
    )
    raw = build_receipt(receipt)
    return measure(lambda: check_receipt(receipt, root)), measure(lambda: check_receipt(parse_receipt(raw), root))


def begin_us(windows: int) -> int:
    return times.to_microseconds(datetime.now(UTC)) - (windows + 5) * _WINDOW_US
