"""An issuer whose grid source has what a test stores: what it claims is provisional until the slots have settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from issuer.addresses import Addresses
from issuer.carbon.choose import DAY_US, HOUR_US, Feed
from issuer.carbon.known import KnownGrid
from issuer.issuance import Issuance
from issuer.keyring import Keyring
from issuer.store import Store
from issuer.store.records import StoredCredential, Totals
from schemas import times
from tests.fakes.grid_slots import EM_DE, stored
from tests.fakes.issuer import PUBLIC_URL, FixedClock, engines, posted
from tests.fakes.window_node import WindowNode

SETTLED = timedelta(days=4)


class OneSource:
    """A cascade of one source for every region: issuer.carbon.sources.OpenSources without its providers."""

    def feeds(self, region: str, signal: str = "average") -> tuple[Feed, ...]:
        """Return the one step of a cascade of averages."""
        if signal != "average":
            return ()
        return (Feed(key=EM_DE, signal="average", factor_type="lifecycle", settles_after_us=3 * DAY_US),)


@dataclass
class Reissuing:
    """An issuer's domain over a store, as one process has it."""

    store: Store
    clock: FixedClock
    issuance: Issuance
    begun_us: int

    @classmethod
    def over(cls, store: Store, clock: FixedClock) -> Reissuing:
        """Return an issuer over a furnished store (tests.fakes.site)."""
        grid = KnownGrid(store.grid, OneSource(), elapsed_s=_Ever())  # type: ignore[arg-type]  # the part that is used
        keyring = Keyring(store, clock)
        return cls(
            store, clock, Issuance(store, keyring, clock, Addresses(PUBLIC_URL), engines(), grid=grid), _us(clock)
        )

    async def estimate(self, gco2e_per_kwh: str = "300") -> None:
        """Store estimates of the hours around now."""
        await self._put(gco2e_per_kwh, estimated=True, estimation_method="FORECAST", retrieved_us=self.begun_us)

    async def settle(self, gco2e_per_kwh: str = "250") -> None:
        """Store what was measured then, and let the time pass after which it is the last word."""
        self.clock.advance(SETTLED)
        await self._put(gco2e_per_kwh, settled=True, retrieved_us=_us(self.clock))

    async def _put(self, gco2e_per_kwh: str, **changes: Any) -> None:
        settled = changes.pop("settled", False)
        await self.store.grid.put(
            [
                stored(self.begun_us // HOUR_US * HOUR_US + hour * HOUR_US, gco2e_per_kwh, settled=settled, **changes)
                for hour in range(-2, 3)
            ]
        )

    async def record(self, name: str = "inference-1", **changes: object) -> StoredCredential:
        """Issue a posted record's credential."""
        issued = await self.issuance.issue_telemetry(posted(inference_id=name, **changes))
        return await self.stored(issued.id)

    async def window(self, node: WindowNode, count: int = 3, **changes: Any) -> StoredCredential:
        """Take a window of a node and issue its credential."""
        accepted = await self.issuance.windows.accept(node.zipped(node.records(count), **changes), "gzip")
        return await self.stored((await self.issuance.windows.issue(accepted)).credential_id)  # type: ignore[arg-type]

    async def single(self, name: str, tenant: str = "acme") -> StoredCredential:
        """Return the single credential of a window's inference, made if it has to be."""
        made = await self.issuance.reading.credential(tenant, name)
        assert made is not None
        return made

    async def stored(self, credential_id: str) -> StoredCredential:
        """Return a credential as it is on file."""
        row = await self.store.credentials.by_id(credential_id, tenant_id=None)
        assert row is not None
        return row

    async def current(self, row: StoredCredential) -> StoredCredential:
        """Return what stands in a credential's place by now, itself where nothing does."""
        successor = await self.store.credentials.successor(row.id)
        return await self.stored(row.id if successor is None else successor)

    async def totals(self, tenant: str = "acme") -> Totals:
        """Return the sums of a tenant."""
        return await self.store.credentials.emissions(tenant)


def _us(clock: FixedClock) -> int:
    return times.to_microseconds(clock.now())


class _Ever:
    """A clock that is past every moment it named: nothing read is taken for what is stored."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 3600.0
        return self._now


def claims(row: StoredCredential) -> dict[str, Any]:
    """Return what an issued credential claims."""
    document = msgspec.json.decode(row.document or b"")
    subject: dict[str, Any] = document["credentialSubject"]
    return subject


def differing(one: Sequence[tuple[str, Any]] | dict[str, Any], other: dict[str, Any]) -> set[str]:
    """Return the members in which two objects differ."""
    first = dict(one)
    return {name for name in first.keys() | other.keys() if first.get(name) != other.get(name)}
