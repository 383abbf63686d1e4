"""A site that trusts an emulator's maker, and the agent's side of a node whose key lives in that emulator."""

from __future__ import annotations

import asyncio
import gzip
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.home import Home
from agent.retry import Answer
from agent.tpm.address import parse
from agent.tpm.quoting import open_quoter
from agent.tpm_enrol import TpmEnrolledNode, enrol_tpm
from agent.windows.sign import tpm_identity
from issuer.enrolment import invite
from issuer.node_details import NodeDetails
from issuer.store.tpms import StoredCertificate
from schemas import base64url, digests, times
from schemas.cmw import WindowEvidence, build_evidence
from schemas.opening_quote import BootEvent, build_boot_event, opening_of
from schemas.window_header import opening_qualification, quote_qualification
from tests.fakes import soft_tpm
from tests.fakes.agent import HandClock
from tests.fakes.soft_tpm import canonical, domain, lines
from tests.verifier.endorsement.bundles import blocks
from verifier.endorsement.certificate import parse_certificate


class SiteTransport:
    """The agent's transport into a site's client, from a thread beside its event loop."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.loop = asyncio.get_running_loop()
        self.edit = lambda path, body: body

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> Answer:
        given = {"content-type": "application/json", **(headers or {})}
        sent = self.site.client.post(path, content=self.edit(path, body), headers=given)
        answer = asyncio.run_coroutine_threadsafe(sent, self.loop).result(timeout_s)
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def close(self) -> None:
        """Do nothing."""


async def trust(site: Any, manufactured: Path, root_class: str = "emulated") -> None:
    """Let a site trust the CA of a manufactured emulator, whose certificates begin when they are made: its clock is later."""
    site.clock.moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    store = site.store()
    for path in sorted((manufactured.parent / "ca").glob("*cert.pem")):
        for raw in blocks(path):
            certificate = parse_certificate(raw)
            await store.tpms.add_certificate(
                StoredCertificate(
                    fingerprint=certificate.fingerprint,
                    certificate=raw,
                    root_class=root_class if certificate.self_issued else None,
                    manufacturer="",
                    added_us=1,
                )
            )
    await store.close()


async def token_for(site: Any, node_id: str = "node-77", tenant: str = "acme") -> str:
    """Return an invite token for a node."""
    store = site.store()
    details = NodeDetails(node_id=node_id, tenant_id=tenant, grid_region="CAMX", tdp_w=5600)
    token = await invite(store, details, site.clock.now(), secrets.token_bytes)
    await store.close()
    return token


@dataclass
class TpmNode:
    """A node over an emulator: it enrols, and makes windows of a tenth of a second."""

    uri: str
    folder: Path
    chain: soft_tpm.Node
    nonces: list[str]

    @property
    def home(self) -> Home:
        return Home(self.folder)

    async def enrol(self, site: Any, token: str, transport: SiteTransport | None = None) -> TpmEnrolledNode:
        self.folder.mkdir(exist_ok=True)
        node = await asyncio.to_thread(
            enrol_tpm, transport or SiteTransport(site), token, self.home, HandClock(), uri=self.uri
        )
        self.nonces = list(node.nonces)
        self.chain.sequence, self.chain.previous = node.next_sequence, node.previous
        self.chain.wall_us = max(times.to_microseconds(site.clock.now()) - 60_000_000, node.end_us)
        return node

    def boot_event(self) -> bytes:
        """Return the opening quote of the epoch that the emulator is in."""
        with open_quoter(parse(self.uri), self.home.ak_file) as quoter:
            made = quoter.open(opening_qualification(self.chain.previous, b""))
            ak = tpm_identity(quoter.ak.public, self.chain.node_id).ak
        opening = opening_of(made.attest, made.signature, made.pcr_values, previous=self.chain.previous)
        return build_boot_event(BootEvent(v=1, node_id=self.chain.node_id, ak=ak, opening=opening))

    def body(
        self, count: int = 2, nonce: str | None = None, *, boot_event: bytes | None = None, **changes: Any
    ) -> bytes:
        """Return the request for the next window, in gzip, its quote made by the emulator."""
        own = [
            {name: value for name, value in one.items() if name != "tenant_id"}
            | {"start_us": self.chain.wall_us, "end_us": self.chain.wall_us + 100_000, "duration_us": 100_000}
            | {"accelerator_active_mj": 1000}
            for one in self.chain.own_records(count)
        ]
        length = {"end_us": self.chain.wall_us + 100_000}
        length |= dict.fromkeys(("duration_us", "measured_us"), 100_000)
        with open_quoter(parse(self.uri), self.home.ak_file) as quoter:
            position, identity = quoter.position(), tpm_identity(quoter.ak.public, self.chain.node_id)
            signer = {
                "key": identity.key,
                "ak": identity.ak,
                "boot": {"reset": position.epoch[0], "restart": position.epoch[1]},
                "freshness": "nonce" if nonce else "chained",
                "nonce": nonce or ...,
            }
            members = self.chain.header(own, **(length | signer | self._energies(own) | changes))
            raw = canonical(members)
            digest = domain("window", raw)
            extra = quote_qualification(digest, base64url.decode(nonce) if nonce else b"")
            made = quoter.sign(position.value, digest, extra)
            ak = quoter.ak.public.encode()
        evidence = build_evidence(WindowEvidence(raw, made.attest, made.signature, ak, made.pcr_values))
        self.chain.sequence, self.chain.previous = members["sequence"] + 1, digests.encode(digest)
        self.chain.wall_us = members["end_us"]
        self.chain.counter_mj = members["accelerators"][-1]["counter_end_mj"]
        event = b"" if boot_event is None else b'"boot_event":' + boot_event + b","
        return gzip.compress(b"{" + event + b'"evidence":' + evidence + b"}\n" + lines(*own), 1, mtime=0)

    def _energies(self, own: list[dict[str, Any]]) -> dict[str, Any]:
        """Return figures that an accelerator of 700 W and its host can have in a tenth of a second."""
        active_mj = sum(one["accelerator_active_mj"] for one in own)
        idle = {"accelerator_loaded_idle_mj": 10_000, "accelerator_idle_mj": 10_000, "unattributed_mj": 0}
        moved_mj = active_mj + 20_000
        gpu = {"model": "NVIDIA H100 80GB HBM3", "scope": "gpu", "uuid": "GPU-1", "energy_mj": moved_mj}
        counters = {"counter_start_mj": self.chain.counter_mj, "counter_end_mj": self.chain.counter_mj + moved_mj}
        host = {"host_cpu_mj": 12_300, "host_dram_mj": 8_000}
        return idle | host | {"accelerators": [gpu | counters], "accelerator_active_mj": active_mj}


def tpm_node(uri: str, folder: Path, node_id: str = "node-77") -> TpmNode:
    """Return a node that is not enrolled yet."""
    return TpmNode(uri, folder, soft_tpm.Node(node_id=node_id), [])
