"""What intake asks: which intensity a claim has by what is stored now. Nobody outside is asked, so nobody is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from issuer.carbon import table
from issuer.carbon.choose import DAY_US, HOUR_US, Chosen, Feed, Period, Stored, choose, choose_marginal
from issuer.carbon.sources import OpenSources
from issuer.claims.market import MarginalFactor
from issuer.store.grid import Grid
from issuer.store.grid_records import FeedKey, ProvisionalClaim, StoredSlot

FRESH_S: Final = 5.0
"""So long slots that were read are taken for those that are stored; the worker's own process forgets them at once."""

_REMEMBERED: Final = 64
"""Spans of a region whose slots are kept at hand: whole hours, so that a busy hour is one of them."""

_LONGEST_US: Final = 8 * DAY_US
"""A longer period is read for itself and not kept."""


class KnownSlots(msgspec.Struct, frozen=True, kw_only=True):
    """What a region's cascade has of a period, read before a claim is made; the choosing itself is pure."""

    region: str
    feeds: tuple[Feed, ...] = ()
    stored: Stored = {}

    def chosen(self, period: Period, now_us: int) -> Chosen:
        """Return the claim of a period: as choose.choose. Raises UnknownRegionError."""
        return choose(self.feeds, self.stored, period, now_us, table.find(self.region))

    def provisional(self, chosen: Chosen, period: Period) -> ProvisionalClaim | None:
        """Return what it takes to choose again later, None where the claim is final."""
        if chosen.factor.claim_status == "final":
            return None
        start_us, end_us = period.bounds_us
        return ProvisionalClaim(region=self.region, period_start_us=start_us, period_end_us=end_us, it_mj=period.it_mj)


class _Read(msgspec.Struct, frozen=True):
    until_s: float
    stored: Mapping[FeedKey, tuple[StoredSlot, ...]]


class KnownGrid:
    """Reads stored slots by region and period; one for the whole service. Without sources it reads nothing."""

    def __init__(
        self, grid: Grid, sources: OpenSources | None = None, *, elapsed_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Hold the parts. ``elapsed_s``: a clock of seconds that never goes back."""
        self._grid = grid
        self._sources = sources
        self._elapsed_s = elapsed_s
        self._read: dict[tuple[str, str, int, int], _Read] = {}

    async def of(self, region: str, start_us: int | None, end_us: int) -> KnownSlots:
        """Return what is stored for a node's region and a period. Raises UnknownRegionError, UnavailableError."""
        feeds = () if self._sources is None else self._sources.feeds(region)
        if not feeds:
            return KnownSlots(region=region)
        first_us, last_us = Period(start_us=start_us, end_us=end_us, it_mj=0).bounds_us
        stored = await self._stored(region, feeds, first_us // HOUR_US * HOUR_US, -(-last_us // HOUR_US) * HOUR_US)
        return KnownSlots(region=region, feeds=feeds, stored=stored)

    async def marginal(
        self, region: str, period: Period, now_us: int, *, claimed: str | None = None
    ) -> MarginalFactor | None:
        """Return the marginal factor of a period by what is stored now; None where the region has no such source or slots.

        ``claimed`` is the region that a window's credential claims: None too where the node's has become another since.
        """
        feeds = () if self._sources is None else self._sources.feeds(region, "marginal")
        if self._sources is None or not feeds:
            return None
        own = {table.find(region).region, *(feed.key.zone for feed in self._sources.feeds(region))}
        if claimed is not None and claimed not in own:
            return None
        first_us, last_us = period.bounds_us
        stored = await self._stored(region, feeds, first_us // HOUR_US * HOUR_US, -(-last_us // HOUR_US) * HOUR_US)
        chosen = choose_marginal(feeds, stored, period, now_us)
        return None if chosen is None else MarginalFactor(marginal_gco2e_per_kwh=chosen.factor.gco2e_per_kwh)

    def forget(self) -> None:
        """Read everything anew: what is stored has changed."""
        self._read.clear()

    async def _stored(self, region: str, feeds: tuple[Feed, ...], start_us: int, end_us: int) -> Stored:
        place = (region, feeds[0].signal, start_us, end_us)
        kept = self._read.get(place)
        if kept is not None and self._elapsed_s() < kept.until_s:
            return kept.stored
        # Before the reading: what is stored meanwhile is seen by the next one after that.
        until_s = self._elapsed_s() + FRESH_S
        stored: dict[FeedKey, list[StoredSlot]] = {feed.key: [] for feed in feeds}
        signal = feeds[0].signal
        for one in await self._grid.slots([*stored], signal, start_us, end_us):
            stored[FeedKey(source=one.source, zone=one.kind.zone)].append(one)
        read = _Read(until_s, {key: tuple(slots) for key, slots in stored.items()})
        if end_us - start_us <= _LONGEST_US:
            self._read.pop(place, None)
            while len(self._read) >= _REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[place] = read
        return read.stored
