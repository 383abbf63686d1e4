"""Fetching a past period, a day at a time: what is stored and settled is not asked for, so it can be begun again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import msgspec

from issuer.carbon.backoff import pause_us
from issuer.carbon.choose import DAY_US, is_settled
from issuer.carbon.due import Span, joined
from issuer.carbon.providers.errors import ProviderRateLimitedError, ProviderUnavailableError
from issuer.carbon.sources import OpenSources
from issuer.carbon.worker import GridWorker
from issuer.store import Store
from issuer.store.grid_records import FeedKey

PAUSE_S: Final = 1.0
"""Between two requests: the worker asks the same provider, and its limit is for both."""

MAX_TRIES: Final = 4

Sleep = Callable[[float], Awaitable[None]]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feed is: days done of all, slots that are new or changed, requests made; ``waits_s`` after a failure."""

    key: FeedKey
    done: int
    days: int
    changed: int
    requests: int
    waits_s: int = 0
    failure: str = ""


async def backfill(
    worker: GridWorker, store: Store, sources: OpenSources, key: FeedKey, span: Span, *, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[Progress]:
    """Yield the progress after each day of a feed. Raises ProviderError once it failed four times on end, StoreError."""
    days = list(_days(span))
    changed = requests = 0
    for done, day in enumerate(days, start=1):
        for part in await _missing(store, sources, key, day):
            if requests:
                await sleep(PAUSE_S)
            tries = 0
            while True:
                requests += 1
                try:
                    changed += await worker.ask(key, part)
                    break
                except (ProviderUnavailableError, ProviderRateLimitedError) as error:
                    tries += 1
                    if tries == MAX_TRIES:
                        raise
                    seconds = pause_us(error, tries, 0) // 1_000_000
                    yield Progress(
                        key=key,
                        done=done - 1,
                        days=len(days),
                        changed=changed,
                        requests=requests,
                        waits_s=seconds,
                        failure=error.detail,
                    )
                    await sleep(seconds)
        yield Progress(key=key, done=done, days=len(days), changed=changed, requests=requests)


async def _missing(store: Store, sources: OpenSources, key: FeedKey, day: Span) -> tuple[Span, ...]:
    """Return what of a day is not stored and settled, as one span: a request more costs more than slots."""
    feed, offer = sources.feed(key), sources.opened[key.source].provider.offer
    reached_us, parts = day.start_us, []
    for one in await store.grid.slots([key], feed.signal, day.start_us, day.end_us):
        same = (one.kind.granularity, one.kind.factor_type) == (offer.granularity, offer.factor_type)
        if not same or not (one.settled_us is not None or is_settled(one.slot, feed.settles_after_us)):
            continue
        parts.append(Span(reached_us, max(reached_us, one.slot.start_us)))
        reached_us = max(reached_us, one.slot.end_us)
    parts.append(Span(reached_us, max(reached_us, day.end_us)))
    return joined(parts, DAY_US)


def _days(span: Span) -> Iterator[Span]:
    start_us = span.start_us
    while start_us < span.end_us:
        end_us = min(start_us // DAY_US * DAY_US + DAY_US, span.end_us)
        yield Span(start_us, end_us)
        start_us = end_us
