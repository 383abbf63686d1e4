"""``carbon backfill``: the slots of a past period, fetched day by day, with a line that says how far it is."""

from __future__ import annotations

import argparse
import sys

from issuer.carbon.backfill import Progress
from issuer.carbon.backfill import backfill as fetch
from issuer.carbon.due import Span
from issuer.carbon.sources import SIGNALS, OpenSources, open_all
from issuer.carbon.worker import GridWorker
from issuer.cli.carbon_sources import grid_path_of
from issuer.cli.opened import Opened, opened
from issuer.cli.output import Answer
from issuer.clock import SystemClock
from issuer.settings import SettingsError
from issuer.store.grid_records import FeedKey
from schemas.spelling import near
from schemas.strict_json import Json


async def backfill(arguments: argparse.Namespace) -> Answer:
    """Fetch and return what came of it. Raises SettingsError, GridFileError, ProviderError, StoreError."""
    if arguments.end <= arguments.start:
        raise SettingsError("--to is not after --from")
    async with opened(arguments) as issuer:
        sources = open_all(grid_path_of(issuer.settings))
        try:
            keys = _keys(sources, arguments.region, arguments.source)
            span = Span(arguments.start, min(arguments.end, issuer.now_us))
            rows: list[Json] = [await _fetch(issuer, sources, key, span) for key in keys]
        finally:
            await sources.aclose()
    return Answer(
        value=rows,
        columns=("source", "zone", "days", "requests", "changed"),
        advice=("What is missing yet can be fetched with the same command: what is settled is not asked for again.",),
    )


async def _fetch(issuer: Opened, sources: OpenSources, key: FeedKey, span: Span) -> Json:
    worker = GridWorker(issuer.store, sources, SystemClock())
    last = Progress(key=key, done=0, days=0, changed=0, requests=0)
    try:
        async for last in fetch(worker, issuer.store, sources, key, span):
            _show(last)
    finally:
        if sys.stderr.isatty():
            sys.stderr.write("\n")
    return {
        "source": key.source,
        "zone": key.zone,
        "days": last.days,
        "requests": last.requests,
        "changed": last.changed,
    }


def _show(progress: Progress) -> None:
    key = progress.key
    line = f"{key.source}:{key.zone}: day {progress.done} of {progress.days}, {progress.changed} slots new or changed"
    if progress.waits_s:
        line += f"; waiting {progress.waits_s} s: {progress.failure}"
    # One line that is written over for people, a line each for a log.
    sys.stderr.write(f"\r\033[K{line}" if sys.stderr.isatty() else f"{line}\n")
    sys.stderr.flush()


def _keys(sources: OpenSources, region: str, source: str | None) -> list[FeedKey]:
    cascade = sources.file.cascade(region)
    if cascade is None:
        known = sources.file.cascades
        raise SettingsError(
            f"grid_file has no region {region!r}{near(region, known)}; it has {', '.join(known) or 'none'}"
        )
    keys = [key for signal in SIGNALS for key in cascade.steps(signal)]
    if source is None:
        return keys
    named = [key for key in keys if key.source == source]
    if not named:
        own = sorted({key.source for key in keys})
        raise SettingsError(
            f"the cascade of {region} has no source {source!r}{near(source, own)}; it has {', '.join(own)}"
        )
    return named
