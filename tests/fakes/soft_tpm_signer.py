"""The agent's window signer over a TPM in software, which can be away as a real one can."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.tpm.quoting import Position
from agent.windows.close import Identity
from agent.windows.spooled import SpooledWindow
from schemas import digests
from schemas.cmw import WindowEvidence, build_evidence
from schemas.opening_quote import BootEvent, build_boot_event, opening_of
from schemas.tpm.attest import ClockInfo, parse_attest
from schemas.window_header import Boot
from tests.fakes import soft_tpm
from tests.fakes.agent import WALL


class SoftTpmWindowSigner:
    """Signs for a node of soft_tpm. While ``away`` is set, whoever opens the TPM gets what it raises."""

    kind = "tpm"

    def __init__(self, node: soft_tpm.Node) -> None:
        self.node = node
        self.away: Callable[[], object] | None = None

    @contextmanager
    def open(self) -> Iterator[SoftTpmWindowSigner]:
        if self.away is not None:
            self.away()
        yield self

    @property
    def identity(self) -> Identity:
        return Identity(self.node.node_id, self.node.tpm.uri, self.node.tpm.ak)

    @property
    def boot(self) -> Boot:
        return Boot(reset=self.node.reset, restart=self.node.restart)

    def position(self) -> Position:
        return Position((self.node.reset, self.node.restart), self.node.pcrs[15])

    def opening(self, previous: str | None) -> tuple[str, ClockInfo]:
        self.node.previous = previous
        raw, signature = self.node.quote_opening()
        quote = opening_of(raw, signature, self.node.pcrs, previous=previous)
        event = BootEvent(v=1, node_id=self.node.node_id, ak=self.node.tpm.ak, opening=quote)
        return build_boot_event(event).decode(), parse_attest(raw).clock_info

    def sign(self, window: SpooledWindow, *, again: bool = False) -> bytes:
        node, header = self.node, window.parsed
        if not again:
            node.pcrs = {**node.pcrs, 15: hashlib.sha256(node.pcrs[15] + window.digest).digest()}
        node.clock_ms = max(node.clock_ms + 1, 50_000 + (header.end_us - WALL // 1000) // 1000)
        extra = soft_tpm.domain("quote", window.digest, header.nonce_bytes)
        raw = node._attested(extra, node.pcrs, {}).pack()
        node.previous = digests.encode(window.digest)
        evidence = build_evidence(
            WindowEvidence(window.header, raw, node.tpm.sign(raw), node.tpm.public, dict(node.pcrs))
        )
        boot_event = f'"boot_event":{window.place.boot_event},'.encode() if window.place.boot_event else b""
        return b"{" + boot_event + b'"evidence":' + evidence + b"}"
