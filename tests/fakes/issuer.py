"""An issuer for tests: a clock that stands, keys in memory, nodes that sign, a store in a fresh SQLite file."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import verifier.document
from did.algorithms import Algorithm
from did.signers.software import SoftwareSigner
from did.signing import Signer
from issuer.addresses import Addresses
from issuer.issuance import Issuance
from issuer.keyring import Keyring
from issuer.status_list import StatusPublisher
from issuer.store import Store
from issuer.store.records import NodeRecord
from schemas import base64url, json_schema, telemetry, times
from schemas.strict_json import JsonObject
from tests.fakes.did import signer as signer_for
from tests.vectors import FORMATS
from verifier.case import Engines
from verifier.evidence import Evidence, Fetched
from verifier.policy import Policy
from verifier.rdf.canonicalize import InProcess
from verifier.report import Report
from verifier.verify import verify_credential

PUBLIC_URL = "https://oracle.example"
DID = "did:web:oracle.example"
KEY_URI = "memory:issuer-1"

START = datetime(2026, 11, 20, 20, 1, 5, 250_000, tzinfo=UTC)
"""A moment after the record of formats/telemetry.json ends."""


class FixedClock:
    """Stands still; sleeping moves it to the moment slept until."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment
        self.slept_until: list[datetime] = []

    def now(self) -> datetime:
        return self.moment

    def advance(self, length: timedelta) -> None:
        self.moment += length

    async def sleep_until(self, moment: datetime) -> None:
        if moment > self.moment:
            self.slept_until.append(moment)
            self.moment = moment


class Keyholder:
    """Opens signers that are kept in memory by their URI, and counts how often."""

    def __init__(self, signers: dict[str, Signer] | None = None) -> None:
        self.signers: dict[str, Signer] = signers or {}
        self.opened: list[str] = []

    def __call__(self, uri: str) -> Signer:
        self.opened.append(uri)
        return self.signers[uri]


class FaultySigner:
    """Signs well until ``broken``, then returns signatures with one bit flipped."""

    def __init__(self, inner: Signer) -> None:
        self.inner = inner
        self.public_key = inner.public_key
        self.broken = False

    def sign(self, message: bytes, algorithm: Algorithm) -> bytes:
        signature = self.inner.sign(message, algorithm)
        return bytes([signature[0] ^ 1]) + signature[1:] if self.broken else signature


def node_signer(number: int = 7, algorithm: Algorithm = "ES256") -> SoftwareSigner:
    """Return the key of the node of that number."""
    return signer_for(algorithm, 1000 + number)


def node(number: int = 7, *, algorithm: Algorithm = "ES256", **changes: object) -> NodeRecord:
    """Return node-``number`` as registered, in California, with one 700 W accelerator."""
    key = node_signer(number, algorithm).public_key
    fields: dict[str, object] = {
        "id": f"node-{number}",
        "tenant_id": "acme",
        "jwk": {**key.jwk},
        "key_uri": key.thumbprint_uri,
        "grid_region": "CAMX",
        "tdp_w": 5600,
        "created_us": times.to_microseconds(START),
    }
    return NodeRecord(**(fields | changes))  # type: ignore[arg-type]  # fields by name


def body(**changes: object) -> JsonObject:
    """Return an unsigned record that ends a second before START; a member set to None is left out."""
    fields: JsonObject = {
        "node_id": "node-7",
        "model_id": "meta-llama/Llama-3.1-70B-Instruct",
        "inference_id": "inference-1",
        "timestamp": times.render_claim(START - timedelta(seconds=1)),
        "duration_s": "2.75",
        "energy_kwh": "0.000729",
        "method": "counter",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}  # type: ignore[misc]


def signed(record: JsonObject, key: Signer | None = None, algorithm: Algorithm | None = None) -> bytes:
    """Return the record as a node posts it, signed by node-7's key unless another is given."""
    key = key or node_signer()
    algorithm = algorithm or key.public_key.algorithms[0]
    signature = base64url.encode(key.sign(telemetry.signing_input(record), algorithm))
    return telemetry.record_bytes(record | {"signature": signature})


def posted(**changes: object) -> bytes:
    """Return a record of node-7 with some members changed, signed."""
    return signed(body(**changes))


def engines() -> Engines:
    """Return canonicalizers in this process for both kinds of documents."""
    return _ENGINES


_ENGINES = Engines(closed=InProcess(), general=InProcess())


def fetched(url: str, body: bytes | None) -> Fetched:
    """Return an answer over the network."""
    assert body is not None, url
    return Fetched(url=url, origin="network", body=body, retrieved_at=times.render_seconds(START))


def format_document(name: str) -> dict[str, Any]:
    """Return an unsecured document of formats/, with the digest of our schema where the example has a placeholder."""
    document: dict[str, Any] = json.loads((FORMATS / name).read_bytes())
    del document["proof"]
    if "credentialSchema" in document:
        reference = document["credentialSchema"]
        reference["digestMultibase"] = json_schema.schema_digest(reference["id"])
    return document


@dataclass
class Works:
    """A whole issuer without its service."""

    store: Store
    clock: FixedClock
    keyholder: Keyholder
    keyring: Keyring
    addresses: Addresses
    issuance: Issuance
    status_lists: StatusPublisher
    engines: Engines = field(default_factory=engines)

    async def evidence_for(self, document: bytes) -> Evidence:
        """Return what a verifier would fetch from this issuer for one of its credentials."""
        credential = json.loads(document)
        status, (entry,) = credential["credentialStatus"], credential["evidence"]
        list_id = status["statusListCredential"].rpartition("/")[2]
        node_key = await self.store.nodes.node_key(entry["signedBy"])
        return Evidence(
            did_documents={DID: fetched(DID, json.dumps(await self.keyring.document("root")).encode())},
            status_lists={
                status[member]: fetched(status[member], await self.status_lists.credential(purpose, list_id))
                for member, purpose in (
                    ("statusListCredential", "revocation"),
                    ("suspensionListCredential", "suspension"),
                )
            },
            attachments={
                entry["digestMultibase"]: fetched(
                    entry["id"], await self.store.credentials.evidence(entry["digestMultibase"])
                ),
                entry["signedBy"]: fetched(entry["signedBy"], json.dumps(node_key).encode()),
            },
        )

    async def verdict(self, document: bytes, **policy: Any) -> Report:
        """Return the verifier's report on a credential, with everything that this issuer publishes at hand."""
        evidence = await self.evidence_for(document)
        now = self.clock.now() + timedelta(seconds=1)
        return verify_credential(
            verifier.document.parse(document), evidence, Policy(**policy), now, engines=self.engines
        )

    def replica(self, **settings: object) -> Issuance:
        """Return another process's issuance over the same store."""
        keyring = Keyring(self.store, self.clock, self.keyholder)
        return Issuance(self.store, keyring, self.clock, self.addresses, self.engines, **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(folder: Path, *, algorithm: Algorithm = "ES256", did: str = DID) -> AsyncIterator[Works]:
    """Give an issuer "root" with a key, the tenant "acme" and node-7, on a fresh database in ``folder``."""
    store = Store.open(f"sqlite:///{await _template(folder)}", randomness=random.Random(7))
    clock = FixedClock()
    keyholder = Keyholder({KEY_URI: signer_for(algorithm)})
    keyring = Keyring(store, clock, keyholder)
    addresses = Addresses(PUBLIC_URL)
    now_us = times.to_microseconds(START)
    await store.issuers.add("root", did, "Oracle", now_us=now_us)
    await keyring.rotate("root", "key-1", KEY_URI)
    await store.tenants.add("acme", "root", "Acme", now_us=now_us)
    await store.nodes.add(node())
    yield Works(
        store=store,
        clock=clock,
        keyholder=keyholder,
        keyring=keyring,
        addresses=addresses,
        issuance=Issuance(store, keyring, clock, addresses, engines()),
        status_lists=StatusPublisher(store, keyring, clock, addresses, engines()),
    )
    await store.close()


_templates: dict[str, Path] = {}


async def _template(folder: Path) -> Path:
    """Return a migrated database in ``folder``: migrated once a process, then copied."""
    base = _templates.get("migrated")
    if base is None or not base.exists():
        base = folder / "template.db"
        empty = Store.open(f"sqlite:///{base}")
        await empty.migrate()
        await empty.close()
        _templates["migrated"] = base
    path = folder / "issuer.db"
    shutil.copyfile(base, path)
    path.chmod(0o600)
    return path
