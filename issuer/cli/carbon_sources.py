"""``carbon sources``: what grid_file declares, what each zone of each source gave, and when it is asked again."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final

from issuer.carbon.backoff import advice_of
from issuer.carbon.providers.check import check
from issuer.carbon.providers.errors import ProviderError
from issuer.carbon.sources import SIGNALS, OpenSources, open_all
from issuer.cli.opened import opened
from issuer.cli.output import Answer
from issuer.settings import Settings, SettingsError
from issuer.store.grid_records import FeedKey, FeedState
from schemas import times
from schemas.strict_json import Json, JsonObject

_COLUMNS: Final = (
    *("source", "zone", "regions", "signal", "emission_factor_type", "granularity", "slots", "settled"),
    *("last_success", "last_failure", "next_attempt"),
)


def grid_path_of(settings: Settings) -> Path:
    """Return where the file of sources is. Raises SettingsError where none is set."""
    if settings.grid_path is None:
        raise SettingsError(
            "grid_file is not set: name a TOML file of sources and regions (docs/carbon.md) in the settings, or with "
            "GREEN_ISSUER_GRID_FILE"
        )
    return settings.grid_path


async def show(arguments: argparse.Namespace) -> Answer:
    """Return a row for each zone of each source. Raises SettingsError, GridFileError, StoreError."""
    async with opened(arguments) as issuer:
        sources = open_all(grid_path_of(issuer.settings))
        try:
            states = {state.key: state for state in await issuer.store.grid_feeds.all()}
            counts = await issuer.store.grid.counts()
            regions = _regions(sources)
            checks = await _checks(sources, list(regions), issuer.now_us) if arguments.check else {}
        finally:
            await sources.aclose()
    rows: list[Json] = [
        _row(sources, key, names, states.get(key), counts.get(key, (0, 0))) | checks.get(key, {})
        for key, names in regions.items()
    ]
    columns = (*_COLUMNS, "check") if arguments.check else _COLUMNS
    advice = [
        f"{key.source}:{key.zone} failed {state.failures} times in a row: {state.failure}"
        for key in regions
        if (state := states.get(key)) is not None and state.failures
    ]
    return Answer(value=rows, columns=columns, advice=tuple(advice))


def _regions(sources: OpenSources) -> dict[FeedKey, list[str]]:
    """Return the feeds with the regions that they serve, in the file's order."""
    found: dict[FeedKey, list[str]] = {}
    for cascade in sources.file.cascades.values():
        for signal in SIGNALS:
            for key in cascade.steps(signal):
                found.setdefault(key, []).append(cascade.region)
    return found


def _row(
    sources: OpenSources, key: FeedKey, regions: list[str], state: FeedState | None, counts: tuple[int, int]
) -> JsonObject:
    settings, offer = sources.file.sources[key.source], sources.opened[key.source].provider.offer
    named: list[Json] = [*regions]
    return {
        "source": key.source,
        "provider": settings.provider,
        "data_source": offer.source,
        "licence": offer.licence,
        "zone": key.zone,
        "regions": named,
        "signal": offer.signal,
        "emission_factor_type": offer.factor_type,
        "granularity": offer.granularity,
        "settles_after_h": settings.settles_after_h,
        "slots": counts[0],
        "settled": counts[1],
        "last_success": None if state is None else _time(state.last_success_us),
        "last_failure": None if state is None else _time(state.last_failure_us),
        "failure": None if state is None else state.failure,
        "failures": 0 if state is None else state.failures,
        "next_attempt": None if state is None else _time(state.next_attempt_us),
    }


async def _checks(sources: OpenSources, keys: list[FeedKey], now_us: int) -> dict[FeedKey, JsonObject]:
    found = await asyncio.gather(*(_check(sources, key, now_us) for key in keys))
    return dict(zip(keys, found, strict=True))


async def _check(sources: OpenSources, key: FeedKey, now_us: int) -> JsonObject:
    try:
        given = await check(sources.opened[key.source].provider, key.zone, now_us)
    except ProviderError as error:
        return {"check": f"{error.name}: {error.detail}", "check_ok": False, "check_advice": advice_of(error)}
    newest = "none" if given.newest is None else f"{given.newest.gco2e_per_kwh} g/kWh at {_time(given.newest.start_us)}"
    return {"check": f"{given.slots} of {given.wanted} slots, newest {newest}", "check_ok": given.slots > 0}


def _time(moment_us: int | None) -> str | None:
    return None if moment_us is None else times.render_seconds(times.from_microseconds(moment_us))
