"""An issuer that takes windows as it should: over HTTP, each checked by the verifier and held against its chain."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.spool import MAX_BYTES
from agent.transport import HttpTransport
from agent.windows.keeper import Keeper
from agent.windows.nonces import NonceStore
from agent.windows.sign import WindowSigner
from agent.windows.spool import WindowSpool
from agent.windows.submit import WindowSubmitter
from agent.windows.telemetry import TelemetryWindow
from did.keys import PublicKey
from schemas import base64url, jcs
from schemas.cmw import parse_evidence
from schemas.errors import GreenError, problem_type
from schemas.opening_quote import parse_boot_event
from schemas.window_header import Accelerator, WindowHeader
from schemas.window_record import WindowRecord, decode_records
from tests.fakes.agent import WALL, HandClock
from verifier.attestation import chain, chain_gap
from verifier.attestation.attestation_key import AttestationKey
from verifier.attestation.software import check_software_window
from verifier.attestation.window import CheckedWindow, check_opening, check_window

FAR_FUTURE_US = 2**52


@dataclass
class WindowIssuer:
    """Takes windows of one node under one key; ``windows`` are those accepted, in their order.

    Without ``now_us`` (its clock) it is far in the future, and nothing follows from when a window arrived.
    """

    node_id: str = "node-7"
    key: PublicKey | AttestationKey | None = None
    nonces_each: int = 1
    tenants: list[str] | None = None
    """Whom the node may name, told in each answer; None: nothing is told."""
    now_us: int | None = None
    script: list[str] = field(default_factory=list)
    windows: list[CheckedWindow] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    repeated: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    state: chain.ChainState | None = None
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    outstanding: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the answer to a request's body."""
        with self.lock:
            try:
                return self._take(gzip.decompress(body))
            except GreenError as error:
                problem = {"type": error.problem_type, "title": error.title, "detail": error.detail}
                return error.status, problem | {"status": error.status}

    def _take(self, raw: bytes) -> tuple[int, dict[str, Any]]:
        first, _, lines = raw.partition(b"\n")
        given = json.loads(first)
        records = decode_records(lines)
        evidence = given["evidence"]
        if isinstance(self.key, AttestationKey):
            window = check_window(parse_evidence(jcs.canonical_bytes(evidence)), records, key=self.key)
        else:
            window = check_software_window(evidence["jws"], self.key, records)
        if any(taken.digest == window.digest for taken in self.windows):
            self.repeated += 1
            return 200, self._answer(window)
        if window.header.nonce is not None:
            assert window.header.nonce in self.outstanding, "a nonce was used twice, or never handed out"
            self.outstanding.discard(window.header.nonce)
        state = self._state(window, given.get("boot_event"))
        step = chain.advance(state, window, now_us=self.now_us or FAR_FUTURE_US, received_us=self.now_us)
        self.state = step.state
        self.flags += [flag.kind for flag in step.flags]
        self.windows.append(window)
        return 201, self._answer(window)

    def _state(self, window: CheckedWindow, boot_event: dict[str, Any] | None) -> chain.ChainState:
        if not isinstance(self.key, AttestationKey):
            begun = chain.begin_software(self.node_id, self.key, start=window.header.boot.epoch[0])
            return chain_gap.before(self.state or begun, window).state
        if boot_event is None:
            return chain_gap.before(self.state, window).state
        quote = parse_boot_event(jcs.canonical_bytes(boot_event)).opening
        opening = check_opening(
            quote.attest_bytes,
            quote.signature_bytes,
            self.key,
            previous=quote.previous,
            nonce=quote.nonce_bytes,
            pcrs=quote.values,
        )
        if self.state is None:
            return chain.begin(self.node_id, opening).state
        return chain_gap.before(self.state, window, opening).state

    def _answer(self, window: CheckedWindow) -> dict[str, Any]:
        return {
            "credential": f"https://oracle.example/windows/{window.digest}",
            "window": window.digest,
            "nonces": self.give_nonces(),
            **self.told(),
        }

    def told(self) -> dict[str, Any]:
        """Return the members of an answer that say whom the node may name."""
        return {} if self.tenants is None else {"tenants": self.tenants}

    def give_nonces(self) -> list[str]:
        """Return nonces that windows may carry."""
        nonces = [base64url.encode(os.urandom(32)) for _ in range(self.nonces_each)]
        self.outstanding |= set(nonces)
        return nonces


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuer: WindowIssuer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.issuer.requests.append((self.path, headers, body))
        if self.path == "/api/v1/nonces":
            self._answer(201, {"nonces": self.issuer.give_nonces(), **self.issuer.told()})
            return
        with self.issuer.lock:
            step = self.issuer.script.pop(0) if self.issuer.script else "take"
        if step == "hang":
            self.close_connection = True
            self.issuer.released.wait(30)
            return
        number, _, name = step.partition(" ")
        if number.isdigit():
            kind = problem_type(name) if name else "https://problems.example/x"
            self._answer(int(number), {"type": kind, "title": "no", "detail": "why", "status": int(number)})
            return
        status, members = self.issuer.take(body)
        if step == "cut":
            # Taken, and the answer is lost on its way.
            self.close_connection = True
            return
        self._answer(status, members)

    def _answer(self, status: int, members: dict[str, Any]) -> None:
        content = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def window_issuer(**members: Any) -> Iterator[WindowIssuer]:
    """Serve on loopback. Steps of ``script``: take, hang, cut (taken, answer lost), or a status such as "503" or "409 WINDOW_FORK"."""
    issuer = WindowIssuer(**members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"issuer": issuer}))
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield issuer
    finally:
        issuer.released.set()
        server.shutdown()
        server.server_close()


def record(number: int, *, start_us: int, end_us: int, energy_mj: int = 10) -> WindowRecord:
    """Return a record of work number ``number``."""
    return WindowRecord(
        accelerator_active_mj=energy_mj,
        accelerator_idle_mj=0,
        accelerator_loaded_idle_mj=0,
        attribution="exclusive",
        duration_us=end_us - start_us,
        end_us=end_us,
        estimated_mj=0,
        host_cpu_mj=0,
        host_dram_mj=0,
        host_other_mj=0,
        inference_id=f"inference-{number}",
        model_id="m",
        network_mj=0,
        requests=1,
        salt=base64url.encode(number.to_bytes(16, "big")),
        start_us=start_us,
        v=1,
    )


def measured(
    number: int, *, records: int = 2, start_us: int | None = None, length_us: int = 10_000_000
) -> TelemetryWindow:
    """Return window number ``number`` of a node with one GPU that uses 1 J a window; they follow each other."""
    start_us = WALL // 1000 + number * length_us if start_us is None else start_us
    own = tuple(
        record(1000 * number + index, start_us=start_us, end_us=start_us + length_us, energy_mj=300 // max(records, 1))
        for index in range(records)
    )
    active_mj = sum(one.accelerator_active_mj for one in own)
    counter_mj = 5_000_000 + 1000 * number
    gpu = Accelerator(
        uuid="GPU-0",
        model="Fake GPU",
        scope="gpu",
        counter_start_mj=counter_mj,
        counter_end_mj=counter_mj + 1000,
        energy_mj=1000,
    )
    return TelemetryWindow(
        start_us=start_us,
        end_us=start_us + length_us,
        duration_us=length_us,
        measured_us=length_us,
        largest_gap_us=0,
        method="counter",
        simulated=False,
        accelerators=(gpu,),
        records=own,
        idle_mj=0,
        unattributed_mj=1000 - active_mj,
        estimated_mj=0,
        flags=frozenset(),
    )


class Bench:
    """Keeper, spool and submitter of a node in a folder, as a daemon puts them together; ``reopened`` as after a kill."""

    def __init__(
        self,
        folder: Path,
        signer: WindowSigner,
        url: str,
        *,
        max_bytes: int = MAX_BYTES,
        is_replaced: Callable[[WindowHeader], bool] = lambda _: False,
    ) -> None:
        self.folder, self.signer, self.url = folder, signer, url
        self.clock = HandClock()
        self.pauses: list[float] = []
        self.spool = WindowSpool(folder / "windows", self.clock, max_bytes=max_bytes)
        self.nonces = NonceStore(folder / "nonces.json", self.clock)
        self.keeper = Keeper(self.spool, signer, self.nonces, "node-7", is_replaced=is_replaced)
        self.submitter = WindowSubmitter(
            self.spool,
            HttpTransport(url),
            self.nonces,
            self.clock,
            sleep=self._sleep,
            fraction=lambda: 1.0,
            is_replaced=is_replaced,
            timeout_s=0.5,
        )

    def reopened(self) -> Bench:
        self.submitter.close()
        self.spool.close()
        return Bench(self.folder, self.signer, self.url)

    def take(self, *numbers: int, **members: Any) -> None:
        for number in numbers:
            self.keeper.take(measured(number, **members))

    def _sleep(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return len(self.pauses) > 20
