"""A whole issuer service for tests: two tenants, three nodes, a key of each scope, a clock that stands."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar.testing import AsyncTestClient

from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer.access import SCOPES
from issuer.api_key import key_hash, render_key
from issuer.app import create_service
from issuer.http.edge import Edge
from issuer.keyring import Keyring
from issuer.settings import Settings
from issuer.store import Store
from schemas import times
from tests.fakes.issuer import DID, PUBLIC_URL, START, FixedClock, node, posted

TENANTS = ("acme", "umbra")
JSON = {"content-type": "application/json"}


def api_key(tenant: str, scope: str) -> str:
    """Return the API key of a tenant ("all": of every one) with one scope; it is in every furnished store."""
    return render_key(hashlib.sha256(f"{tenant} {scope}".encode()).digest())


def bearer(tenant: str, scope: str) -> dict[str, str]:
    """Return the header that bears that key."""
    return {"authorization": f"Bearer {api_key(tenant, scope)}"}


def furnish_in_a_thread(url: str, folder: Path) -> None:
    """Migrate and furnish a database, whatever loop the test runs in."""
    thread = threading.Thread(target=lambda: asyncio.run(furnish(url, folder)))
    thread.start()
    thread.join()


async def furnish(url: str, folder: Path) -> None:
    """Add the issuer, the tenants, node-7 (acme), node-8 (umbra), the simulator node-9 (acme), and the keys."""
    store = Store.open(url)
    await store.migrate()
    now_us = times.to_microseconds(START)
    await store.issuers.add("root", DID, "Oracle", now_us=now_us)
    key = folder / "root.pem"
    if not key.exists():
        generate_file_key(key, "ES256")
    await Keyring(store, FixedClock()).rotate("root", "key-1", file_uri(key))
    for tenant in TENANTS:
        await store.tenants.add(tenant, "root", tenant.title(), now_us=now_us)
    await store.nodes.add(node(7))
    await store.nodes.add(node(8, tenant_id="umbra"))
    await store.nodes.add(node(9, simulated=True))
    for tenant in (*TENANTS, "all"):
        for scope in SCOPES:
            owner = None if tenant == "all" else tenant
            await store.api_keys.add(
                f"{tenant}-{scope}", key_hash(api_key(tenant, scope)), owner, [scope], "", now_us=now_us
            )
    await store.close()


@dataclass
class Site:
    """A running service and a client of it."""

    settings: Settings
    clock: FixedClock
    service: Edge
    client: AsyncTestClient[Any]
    stopped: list[bool] = field(default_factory=list)

    async def post(self, path: str, body: bytes | object, headers: dict[str, str] | None = None) -> httpx.Response:
        """Post bytes, or a value as JSON."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.client.post(path, content=content, headers=JSON | (headers or {}))

    async def telemetry(self, **changes: object) -> httpx.Response:
        """Post a record of node-7 with some members changed, signed."""
        return await self.post("/api/v1/telemetry", posted(**changes))

    async def get(self, path: str, tenant: str = "acme", scope: str = "read", **params: str) -> httpx.Response:
        """Get with a key of the tenant with the scope."""
        return await self.client.get(path, params=params, headers=bearer(tenant, scope))

    def store(self) -> Store:
        """Return another process's store on the same database; the caller closes it."""
        return Store.open(self.settings.store_url)


def site_settings(url: str, **changes: Any) -> Settings:
    """Return settings over a furnished database, with some changed."""
    plain = Settings(public_url=PUBLIC_URL, database_url=url, migrate_on_start=False)
    return msgspec.structs.replace(plain, **changes)


def build(settings: Settings) -> Site:
    """Return a site whose client has yet to be entered."""
    clock, stopped = FixedClock(), []  # type: ignore[var-annotated]
    service = create_service(settings, clock=clock, stop=lambda: stopped.append(True))
    client = AsyncTestClient(service, base_url=PUBLIC_URL)
    return Site(settings=settings, clock=clock, service=service, client=client, stopped=stopped)


def problem(response: httpx.Response) -> str:
    """Return the name in a problem document's type, having seen that the document is one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "instance"}
    assert document["status"] == response.status_code
    return str(document["type"].rpartition("#")[2])
