"""Provisional credentials are superseded once the grid's data have settled. Run beside the service, or by hand.

    open claim → slots stored now → is the claim final? → new credential reserved, in the old one's place → sign → complete

The new one is complete and the old one revoked as superseded in one transaction (issuer.store.supersession); before it
nothing has changed for anybody, and a reservation that a stopped process left is completed by ``resume_pending``. However
many processes work, a credential is superseded once: the store has one place after each.

Only a final claim supersedes: one by estimates that may change again would be superseded in turn. Slots are never
superseded by an annual table, which is less than they are.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Literal

import msgspec
import structlog

from issuer import credential
from issuer.addresses import Addresses
from issuer.carbon.choose import Chosen, Period
from issuer.carbon.known import KnownGrid
from issuer.clock import Clock
from issuer.completion import Completion
from issuer.credential import ContextForm
from issuer.errors import ImplausibleClaimError, LintError
from issuer.keyring import Keyring
from issuer.store.errors import StorageFailedError, UnavailableError
from issuer.store.grid_records import OpenClaim
from issuer.store.records import Reservation, StoredCredential
from issuer.store.store import Store
from issuer.store.supersession import ACTOR
from issuer.successor import Succession
from issuer.windows.credential import check_draft
from issuer.windows.making import NOBODY
from schemas import decimals, strict_json, times
from schemas.errors import GreenError

LEASE: Final = "reissue"
LEASE_US: Final = 300_000_000
_PAUSE: Final = timedelta(seconds=60)
_BREATH: Final = timedelta(seconds=1)
"""Between two rounds that found as much as they may do: intake comes first."""

_PAGE: Final = 200
_LOOKED_AT_PER_DONE: Final = 20
"""So many open claims are looked at in a round for each that may be reissued in it."""

_LOG = structlog.get_logger("issuer.reissue")

Outcome = Literal["reissued", "settled", "waiting", "suspended", "closed", "failed"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one provisional credential.

    ``settled``: it would be reissued, were it no dry run; ``waiting`` for the grid; ``closed`` for good, since it was
    revoked or cannot be issued again; ``failed`` for now.
    """

    credential: str
    outcome: Outcome
    successor: str | None = None
    intensity: str | None = None
    detail: str = ""


class Reissued(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each a round met. ``more``: it ended at its limit."""

    reissued: int = 0
    settled: int = 0
    waiting: int = 0
    suspended: int = 0
    closed: int = 0
    failed: int = 0
    more: bool = False


class Reissue:
    """Supersedes provisional credentials; one for a process."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        addresses: Addresses,
        completion: Completion,
        *,
        grid: KnownGrid,
        context_form: ContextForm = "inline",
    ) -> None:
        """Hold the parts. ``grid``: what is stored of the grid's data; nobody outside is asked."""
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._addresses = addresses
        self._completion = completion
        self._grid = grid
        self._context_form: ContextForm = context_form
        self._after: tuple[int, str] | None = None

    async def run(self, limit: int = 50) -> None:
        """Work until cancelled, in one process of many at a time; what fails is tried again."""
        holder = secrets.token_hex(8)
        try:
            await self._run(holder, limit)
        finally:
            await self._store.leases.give_back(LEASE, holder)

    async def _run(self, holder: str, limit: int) -> None:
        while True:
            pause = _PAUSE
            try:
                now_us = self._now_us()
                if await self._store.leases.take(LEASE, holder, now_us=now_us, until_us=now_us + LEASE_US):
                    done = await self.run_once(limit)
                    pause = _BREATH if done.more else _PAUSE
                    if done.reissued or done.closed or done.failed:
                        _LOG.info("provisional credentials superseded", **msgspec.structs.asdict(done))
            except GreenError as error:
                _LOG.warning("provisional credentials could not be superseded", reason=error.detail)
            await self._clock.sleep_until(self._clock.now() + pause)

    async def run_once(
        self, limit: int = 100, *, dry_run: bool = False, on_step: Callable[[Step], object] = lambda _: None
    ) -> Reissued:
        """Reissue at most ``limit`` credentials whose slots have settled, oldest period first, and return what was met.

        It looks at a bounded number of claims, and goes on behind them the next time; after the last, from the first one
        again. ``on_step`` hears of each. Raises StoreError where the store cannot be used.
        """
        counted: dict[str, int] = {}
        looked = 0
        more = True
        while more and looked < limit * _LOOKED_AT_PER_DONE:
            page = await self._store.provisional.open(limit=_PAGE, after=self._after)
            for claim in page:
                step = await self._step(claim, dry_run=dry_run)
                on_step(step)
                counted[step.outcome] = counted.get(step.outcome, 0) + 1
                self._after = (claim.claim.period_end_us, claim.credential_id)
                looked += 1
                if counted.get("reissued", 0) + counted.get("settled", 0) >= limit:
                    return Reissued(**counted, more=True)
                # Whoever waits for this process's event loop comes first.
                await asyncio.sleep(0)
            more = len(page) == _PAGE
        if not more:
            self._after = None
        return Reissued(**counted, more=more)

    async def _step(self, claim: OpenClaim, *, dry_run: bool) -> Step:
        url = self._addresses.credential(claim.credential_id)
        try:
            return await self._look(claim, url, dry_run=dry_run)
        except (ImplausibleClaimError, LintError) as error:
            # Never signed, and no better the next time: else each round would use up a status index for it.
            now_us = self._now_us()
            await self._store.provisional.close(claim.credential_id, now_us)
            await self._store.log.append(now_us, ACTOR, "refuse-reissue", claim.credential_id, error.detail)
            _LOG.error("a provisional credential cannot be superseded", credential=url, reason=error.detail)
            return Step(credential=url, outcome="closed", detail=error.detail)
        except (UnavailableError, StorageFailedError):
            raise
        except GreenError as error:
            # Also what was revoked or suspended meanwhile: the next round sees it so.
            return Step(credential=url, outcome="failed", detail=error.detail)

    async def _look(self, claim: OpenClaim, url: str, *, dry_run: bool) -> Step:
        wanted = claim.claim
        known = await self._grid.of(wanted.region, wanted.period_start_us, wanted.period_end_us)
        period = Period(start_us=wanted.period_start_us, end_us=wanted.period_end_us, it_mj=wanted.it_mj)
        chosen = known.chosen(period, self._now_us())
        if chosen.factor.claim_status != "final":
            return Step(credential=url, outcome="waiting", detail="the grid's data have not settled")
        row = await self._store.credentials.by_id(claim.credential_id, tenant_id=None)
        if row is None or row.document is None:
            return Step(credential=url, outcome="waiting", detail="it is not issued yet")
        if row.revoked_us is not None:
            if not dry_run:
                await self._store.provisional.close(row.id, self._now_us())
            return Step(credential=url, outcome="closed", detail="it was revoked; none comes in its place")
        if row.suspended_us is not None:
            return Step(credential=url, outcome="suspended", detail="it is suspended; reinstate it first")
        old = strict_json.parse_object(row.document)
        if chosen.document is None and _has_slots(old):
            return Step(credential=url, outcome="waiting", detail="its sources are not declared any more")
        intensity = decimals.render(chosen.factor.gco2e_per_kwh)
        if dry_run:
            return Step(credential=url, outcome="settled", intensity=intensity)
        made = await self._supersede(row, old, chosen)
        return Step(credential=url, outcome="reissued", successor=self._addresses.credential(made), intensity=intensity)

    async def _supersede(self, row: StoredCredential, old: strict_json.JsonObject, chosen: Chosen) -> str:
        """Return the id of the credential that stands in the place of ``row`` now."""
        key = await self._keyring.active(row.issuer_slug)
        now = self._clock.now()
        succession = Succession(
            old=old,
            factor=chosen.factor,
            issuer_did=key.issuer_did,
            issuance_date=now.replace(microsecond=0),
            addresses=self._addresses,
            context_form=self._context_form,
        )
        # Before a status index is used up.
        check_draft(succession.document(NOBODY))
        reserved = await self._store.credentials.reserve(
            _reservation(row, succession, chosen, times.to_microseconds(now)),
            lambda reserved: credential.encode(succession.document(reserved)),
        )
        if reserved.document is None:
            await self._completion.complete(reserved.id, row.issuer_slug, reserved.unsecured)
        return reserved.id

    def _now_us(self) -> int:
        return times.to_microseconds(self._clock.now())


def _has_slots(document: strict_json.JsonObject) -> bool:
    subject = document.get("credentialSubject")
    return isinstance(subject, dict) and "gridDataDigest" in subject


def _reservation(row: StoredCredential, succession: Succession, chosen: Chosen, now_us: int) -> Reservation:
    return Reservation(
        issuer_slug=row.issuer_slug,
        tenant_id=row.tenant_id,
        inference_id=row.inference_id,
        body_digest=row.body_digest,
        now_us=now_us,
        period_start_us=row.period_start_us,
        period_end_us=row.period_end_us,
        credential_type=row.credential_type,
        node_id=row.node_id,
        model_id=row.model_id,
        energy_kwh=row.energy_kwh,
        operational_emissions_gco2e=decimals.render(succession.operational_emissions_gco2e),
        emission_factor_type=succession.factor.factor_type,
        assurance=row.assurance,
        simulated=row.simulated,
        record_digest=row.record_digest,
        window_id=row.window_id,
        supersedes=row.id,
        attachments=chosen.attachments,
    )
