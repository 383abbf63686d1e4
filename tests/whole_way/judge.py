"""What must hold at the end of the whole way, read from outside: spool, database, HTTP, and the standalone verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
from sqlalchemy import func, select

from issuer.store import Store
from issuer.store.models import CREDENTIAL
from issuer.store.window_models import INFERENCE, WINDOW
from issuer.windows.opened import lines_in
from schemas import decimals, digests
from schemas.receipt import parse_receipt
from schemas.window_header import WindowHeader, decode_header, window_digest
from schemas.window_record import WindowRecord, decode_records
from verifier import document
from verifier.attestation.chain_state import FlagKind
from verifier.caching import CachingFetcher
from verifier.evidence import NOTHING
from verifier.fetch import EgressClient
from verifier.gather import gather
from verifier.memo import Memo
from verifier.policy import Policy
from verifier.receipt import check_receipt, root_of
from verifier.report import Outcome
from verifier.verify import verify_credential, verify_window

POLICY = Policy(require_evidence=True, allow_simulated=True)
_CLIENTS = 4
_CLOCKS_US = 100_000
"""How far the wall clock of a workload and the labels of a window may be apart."""


@dataclass(frozen=True)
class Taken:
    """A window as the issuer's database has it."""

    sequence: int
    digest: str
    header: WindowHeader
    records: Sequence[WindowRecord]
    flags: str
    credentials: int

    @property
    def name(self) -> str:
        """Its name in the spool."""
        return f"{self.sequence:016d}-{digests.decode(self.digest)[:8].hex()}.window.json"

    @property
    def boot_epoch(self) -> str:
        """Its epoch as it stands in URLs."""
        return self.header.boot_epoch


async def read_windows(url: str) -> list[Taken]:
    """Return the windows in a database in the order of their numbers, each with the number of its credentials."""
    store = Store.open(url)
    try:
        issued = (
            select(CREDENTIAL.c.window_id, func.count().label("number"))
            .where(CREDENTIAL.c.credential_type == "GreenComputeWindowCredential", CREDENTIAL.c.state != "rejected")
            .group_by(CREDENTIAL.c.window_id)
        )
        async with store._database.read() as connection:
            rows = (await connection.execute(select(WINDOW).order_by(WINDOW.c.sequence))).mappings().all()
            counts = {row.window_id: row.number for row in await connection.execute(issued)}
            indexed = (await connection.execute(select(func.count()).select_from(INFERENCE))).scalar_one()
    finally:
        await store.close()
    taken = [
        Taken(
            row["sequence"],
            row["digest"],
            decode_header(row["header"]),
            decode_records(b"".join(line + b"\n" for line in lines_in(row["body"]))).records,
            row["flags"],
            counts.get(row["id"], 0),
        )
        for row in rows
    ]
    assert all(digests.encode(window_digest(row["header"])) == row["digest"] for row in rows)
    assert indexed == sum(len(window.records) for window in taken)
    return taken


def check_account(produced: Sequence[str], taken: Sequence[Taken], pending: Sequence[str]) -> None:
    """Assert that produced = acknowledged + spooled: none missing, none twice, no number left out."""
    acknowledged = [window.name for window in taken]
    assert [window.sequence for window in taken] == list(range(len(taken)))
    assert len(set(produced)) == len(produced)
    # What is taken and not answered for yet is on both sides; it is one window all the same.
    assert set(produced) == set(acknowledged) | set(pending)
    assert len(set(acknowledged) & set(pending)) <= 1
    assert [int(name[:16]) for name in produced] == list(range(len(produced)))
    assert all(window.credentials == 1 for window in taken)


def check_energy(taken: Sequence[Taken], sums: Mapping[str, Mapping[str, Any]], other: str) -> None:
    """Assert that every millijoule of the counters is somebody's, and that the issuer's sums are those of the records."""
    for window in taken:
        header = window.header
        moved_mj = sum(one.counter_end_mj - one.counter_start_mj for one in header.accelerators)
        parts = (header.accelerator_active_mj, header.accelerator_loaded_idle_mj, header.accelerator_idle_mj)
        assert moved_mj == header.accelerators_mj == sum(parts) + header.unattributed_mj
        assert header.accelerator_active_mj == sum(record.accelerator_active_mj for record in window.records)
        assert header.records == len(window.records)
    records = [record for window in taken for record in window.records]
    for tenant, total in sums.items():
        own = [record for record in records if (record.tenant_id == other) == (tenant == other)]
        # Each inference in kWh, as a credential of its own would say it; then the sum.
        energy_kwh = sum(decimals.kwh_from_mj(record.accelerator_active_mj) for record in own)
        assert total["simulated"]["count"] == len(own) > 0
        assert Decimal(total["simulated"]["energy_kwh"]) == energy_kwh


def check_told(told: Mapping[str, Mapping[str, Any]], taken: Sequence[Taken], kills: int) -> int:
    """Assert that what workloads were told is in the windows, or was in an open one that was lost and told; return how many.

    The issuer tells such a loss of the window after it: time that is in no window.
    """
    ended = set()
    names = [record.inference_id for window in taken for record in window.records]
    assert len(set(names)) == len(names)
    for record in (record for window in taken for record in window.records):
        work = record.inference_id.partition("~")[0]
        assert record.tenant_id == told[work]["tenant"]
        if record.input_tokens is not None:
            # Of work that lasted over a window's end, the last part has them.
            assert [record.input_tokens, record.output_tokens] == told[work]["tokens"]
            ended.add(work)
    gaps = [
        (before.header.end_us, after)
        for before, after in pairwise(taken)
        if before.header.end_us < after.header.start_us
    ]
    assert len(gaps) <= kills + 1
    assert all(FlagKind.TIME_GAP.value in after.flags for _, after in gaps)
    # Before the first window nobody but the node knows that there was one.
    gaps.insert(0, (0, taken[0]))
    lost = [line for name, line in told.items() if line["stored"] and name not in ended]
    for line in lost:
        assert any(
            since_us - _CLOCKS_US <= line["after_us"] and line["before_us"] <= after.header.start_us + _CLOCKS_US
            for since_us, after in gaps
        ), line
    return len(lost)


async def check_credentials(url: str, api_key: str, taken: Sequence[Taken]) -> list[bytes]:
    """Assert that each window's credential verifies with what the issuer publishes, and follows; return them."""
    fetcher, memo = CachingFetcher(EgressClient(development=True), keep_s=3600), Memo()
    raws = []
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {api_key}"}) as client:
        for window in taken:
            path = f"/api/v1/windows/{window.header.node_id}/{window.boot_epoch}/{window.sequence}"
            shown = (await client.get(path)).json()
            assert shown["window"] == window.digest
            raws.append((await client.get(shown["credential"])).content)
    parsed = [document.parse(raw) for raw in raws]
    evidence = NOTHING
    for one in parsed:
        evidence = await gather(one, evidence, fetcher)
    first = verify_credential(parsed[0], evidence, POLICY, datetime.now(UTC), memo=memo)
    assert first.outcome is Outcome.VERIFIED, first.detail
    for before, one in pairwise(parsed):
        report = verify_window(one, before, evidence, POLICY, datetime.now(UTC), memo=memo)
        assert report.outcome is Outcome.VERIFIED, report.detail
    return raws


def check_receipts(url: str, api_key: str, taken: Sequence[Taken], tenants: Mapping[str | None, str]) -> int:
    """Assert that each record has a receipt that verifies against its window; return how many."""

    def check(windows: Sequence[Taken]) -> int:
        number = 0
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {api_key}"}, timeout=60) as client:
            for window in windows:
                root = root_of(window.header, window.digest)
                for record in window.records:
                    answer = client.get(
                        f"/api/v1/receipt/{record.inference_id}", params={"tenant": tenants[record.tenant_id]}
                    )
                    assert answer.status_code == 200, answer.text
                    receipt = parse_receipt(answer.content)
                    check_receipt(receipt, root)
                    assert receipt.record == record
                    number += 1
        return number

    with ThreadPoolExecutor(_CLIENTS) as pool:
        return sum(pool.map(check, [taken[first::_CLIENTS] for first in range(_CLIENTS)]))
