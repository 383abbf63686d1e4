"""The worker that asks the sources, beside the service: slots come into the store, and intake reads them there.

One task of each process; of many processes one works, by a lease in the store. Each zone of each source is asked for in
one flight at a time, so that whoever is slow, down or talks nonsense holds up nobody else, and never intake.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
import structlog

from issuer.carbon import due
from issuer.carbon.backoff import advice_of, pause_us
from issuer.carbon.believed import stored_slots
from issuer.carbon.choose import DAY_US, HOUR_US, REACH_US
from issuer.carbon.due import Rhythm, Span
from issuer.carbon.providers.errors import NoGridDataError, ProviderError, ProviderUnavailableError, UnknownZoneError
from issuer.carbon.providers.protocol import ProviderSlots
from issuer.carbon.sources import SIGNALS, Cascade, OpenSources
from issuer.clock import Clock
from issuer.errors import UnknownRegionError
from issuer.store import Store
from issuer.store.grid_records import FeedKey, FeedState
from schemas import times
from schemas.errors import GreenError

LEASE: Final = "grid-worker"
LEASE_US: Final = 60_000_000
FLIGHT_S: Final = 120.0
"""So long one request of a provider may take, with all that it asks for in turn."""

_LOOK_US: Final = 15_000_000
"""How often the lease is renewed, and looked whether a node of another region has come."""
_CLAIMS_US: Final = 300_000_000
_AT_ONCE: Final = 4
_AGAIN_US: Final = 60_000_000

_LOG = structlog.get_logger("issuer.grid")


class _Feeding:
    """What the worker remembers of one feed."""

    def __init__(self) -> None:
        self.state: FeedState | None = None
        self.next_us = 0
        self.old_asked_us: int | None = None
        self.flight: asyncio.Task[None] | None = None


class GridWorker:
    """Keeps the store's slots up to date for the regions of active nodes, and for what provisional claims lack."""

    def __init__(
        self,
        store: Store,
        sources: OpenSources,
        clock: Clock,
        *,
        on_change: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
        holder: str | None = None,
    ) -> None:
        """Hold the parts. ``on_change`` is called when slots were stored; ``jitter`` gives 0 to 1."""
        self._store = store
        self._sources = sources
        self._clock = clock
        self._on_change = on_change
        self._jitter = jitter
        self._holder = secrets.token_hex(8) if holder is None else holder
        self._feeds: dict[FeedKey, _Feeding] = {}
        self._turns = {name: asyncio.Semaphore(_AT_ONCE) for name in sources.opened}
        self._claimed: Mapping[str, tuple[Span, ...]] = {}
        self._claimed_until_us = 0

    async def run(self) -> None:
        """Work until cancelled; what the store refuses meanwhile is tried again."""
        try:
            while True:
                wake_us = self._now_us() + _AGAIN_US
                try:
                    wake_us = await self.round()
                except GreenError as error:
                    _LOG.warning("the grid worker could not use the store", reason=error.detail)
                except Exception:  # noqa: BLE001 - a fault of ours must not end it for as long as the service runs
                    _LOG.exception("the grid worker failed")
                await self._clock.sleep_until(times.from_microseconds(wake_us))
        finally:
            await self.stop()

    async def round(self) -> int:
        """Start what is due, if this process has the lease, and return when to look again. Waits for no provider."""
        now_us = self._now_us()
        if not await self._store.leases.take(LEASE, self._holder, now_us=now_us, until_us=now_us + LEASE_US):
            return now_us + _LOOK_US
        spans = await self._spans(now_us)
        for key, wanted in spans.items():
            feeding = self._feeds.setdefault(key, _Feeding())
            if feeding.flight is None and feeding.next_us <= now_us:
                feeding.flight = asyncio.create_task(self._fly(key, feeding, wanted))
        # A flight that ends says when its feed is due again, and until then there is nothing to wake up for.
        waiting = [self._feeds[key].next_us for key in spans if self._feeds[key].flight is None]
        return max(now_us + 1, min([now_us + _LOOK_US, *waiting]))

    async def idle(self) -> None:
        """Return when nothing is in flight."""
        while flights := [one.flight for one in self._feeds.values() if one.flight is not None]:
            await asyncio.gather(*flights, return_exceptions=True)

    async def stop(self) -> None:
        """End what is in flight, and let another process work."""
        flights = [one.flight for one in self._feeds.values() if one.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        try:
            await self._store.leases.give_back(LEASE, self._holder)
        except GreenError as error:
            _LOG.warning("the grid worker's lease could not be given back; it runs out", reason=error.detail)

    async def _spans(self, now_us: int) -> dict[FeedKey, tuple[Span, ...]]:
        """Return what each feed should have: of regions that active nodes or open claims are in."""
        if not self._feeds:
            await self._remember()
        if now_us >= self._claimed_until_us:
            self._claimed = _by_region(
                (one.region, Span(one.start_us, one.end_us))
                for one in await self._store.provisional.wanted(now_us - REACH_US, DAY_US)
            )
            self._claimed_until_us = now_us + _CLAIMS_US
        needed: dict[FeedKey, list[Span]] = {}
        for region in {*await self._store.nodes.regions(), *self._claimed}:
            cascade = self._cascade(region)
            for key in () if cascade is None else {*(key for signal in SIGNALS for key in cascade.steps(signal))}:
                needed.setdefault(key, []).extend(self._claimed.get(region, ()))
        return {key: due.wanted(now_us, spans) for key, spans in needed.items()}

    def _cascade(self, region: str) -> Cascade | None:
        try:
            return self._sources.file.cascade(region)
        except UnknownRegionError as error:
            # Of a node that was registered by another table: its records are refused, and the others' go on.
            _LOG.warning("nodes are registered in a region that no table has", region=region, reason=error.detail)
            return None

    async def _remember(self) -> None:
        for state in await self._store.grid_feeds.all():
            # Not when it was to be asked again: whoever mended a token and restarts is not made to wait.
            self._feeds.setdefault(state.key, _Feeding()).state = state

    async def _fly(self, key: FeedKey, feeding: _Feeding, spans: tuple[Span, ...]) -> None:
        try:
            async with self._turns[key.source]:
                await self._feed(key, feeding, spans)
        except ProviderError as error:
            await self._failed(key, feeding, error)
        except GreenError as error:
            feeding.next_us = self._now_us() + _AGAIN_US
            _LOG.warning("slots could not be stored", source=key.source, zone=key.zone, reason=error.detail)
        except Exception:  # noqa: BLE001 - a fault of ours must end neither the other feeds nor the service
            feeding.next_us = self._now_us() + HOUR_US
            _LOG.exception("asking a source failed", source=key.source, zone=key.zone)
        finally:
            feeding.flight = None

    async def _feed(self, key: FeedKey, feeding: _Feeding, spans: tuple[Span, ...]) -> None:
        feed, offer, now_us = self._sources.feed(key), self._sources.opened[key.source].provider.offer, self._now_us()
        stored = await self._store.grid.slots([key], feed.signal, spans[0].start_us, spans[-1].end_us)
        current = [
            one
            for one in stored
            if (one.kind.granularity, one.kind.factor_type) == (offer.granularity, offer.factor_type)
        ]
        rhythm = Rhythm(offer.length_us, feed.settles_after_us)
        found = due.due(spans, current, rhythm, now_us, feeding.old_asked_us)
        for span in found.spans:
            await self.ask(key, span)
        if any(due.is_old(span, now_us) for span in found.spans):
            feeding.old_asked_us = now_us
        feeding.next_us = found.again_us
        if found.spans:
            await self._succeeded(key, feeding)

    async def ask(self, key: FeedKey, span: Span) -> int:
        """Ask a feed for a span, store what is believed, and return how many slots are new or changed.

        Raises ProviderError, StoreError.
        """
        provider, now_us = self._sources.opened[key.source].provider, self._now_us()
        try:
            async with asyncio.timeout(FLIGHT_S):
                given: list[ProviderSlots] = []
                try:
                    given.append(await provider.slots(key.zone, span.start_us, span.end_us, now_us))
                except UnknownZoneError:
                    raise
                except NoGridDataError:
                    # That is an answer: there is a hole, and it is asked for again in its time.
                    pass
                edge_us = now_us // provider.offer.length_us * provider.offer.length_us
                has_newest = any(slot.start_us >= edge_us for one in given for slot in one.slots)
                if span.end_us > edge_us and not has_newest:
                    latest = await provider.latest(key.zone, now_us)
                    given += [] if latest is None else [latest]
        except TimeoutError as error:
            raise ProviderUnavailableError(f"it gave no whole answer within {FLIGHT_S:g} s") from error
        feed = self._sources.feed(key)
        slots = await asyncio.to_thread(stored_slots, key, given, feed, provider.offer, now_us)
        changed = await self._store.grid.put(slots)
        if changed:
            self._on_change()
        return changed

    async def _succeeded(self, key: FeedKey, feeding: _Feeding) -> None:
        before, now_us = feeding.state, self._now_us()
        if before is not None and before.failures:
            _LOG.info("a grid source answers again", source=key.source, zone=key.zone)
        state = FeedState(key=key, next_attempt_us=feeding.next_us, last_success_us=now_us)
        if before is not None:
            state = msgspec.structs.replace(state, last_failure_us=before.last_failure_us, failure=before.failure)
        feeding.state = state
        await self._store.grid_feeds.note(state)

    async def _failed(self, key: FeedKey, feeding: _Feeding, error: ProviderError) -> None:
        now_us, before = self._now_us(), feeding.state
        failures = 1 if before is None else before.failures + 1
        feeding.next_us = now_us + pause_us(error, failures, self._jitter())
        feeding.state = FeedState(
            key=key,
            next_attempt_us=feeding.next_us,
            last_success_us=None if before is None else before.last_success_us,
            last_failure_us=now_us,
            failure=error.detail,
            failures=failures,
        )
        _LOG.warning(
            "a grid source gives nothing; credentials name the fallback that they use",
            source=key.source,
            zone=key.zone,
            reason=error.detail,
            advice=advice_of(error),
            failures=failures,
            next_attempt=times.render_seconds(times.from_microseconds(feeding.next_us)),
        )
        try:
            await self._store.grid_feeds.note(feeding.state)
        except GreenError as problem:
            _LOG.warning("a feed's state could not be stored", reason=problem.detail)

    def _now_us(self) -> int:
        return times.to_microseconds(self._clock.now())


def _by_region(spans: Iterable[tuple[str, Span]]) -> dict[str, tuple[Span, ...]]:
    found: dict[str, list[Span]] = {}
    for region, span in spans:
        found.setdefault(region, []).append(span)
    return {region: due.joined(ones, HOUR_US) for region, ones in found.items()}
