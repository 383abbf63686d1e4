"""``carbon lookup REGION TIME``: what would be claimed for a period by what is stored now, and why."""

from __future__ import annotations

import argparse
from typing import Final

from issuer.carbon import table
from issuer.carbon.choose import HOUR_US, Chosen, Period, choose_marginal
from issuer.carbon.known import KnownGrid
from issuer.carbon.sources import OpenSources, open_all
from issuer.cli.opened import Opened, opened
from issuer.cli.output import Answer
from issuer.settings import SettingsError
from schemas import decimals, times
from schemas.grid_data import GridSlot
from schemas.strict_json import Json, JsonObject

_COLUMNS: Final = ("start", "gco2e_per_kwh", "tier", "estimated", "retrieved", "endpoint")


async def lookup(arguments: argparse.Namespace) -> Answer:
    """Return the claim of a period, each slot's provenance, and what was passed over. Raises SettingsError, StoreError."""
    start_us = arguments.time
    end_us = start_us + HOUR_US if arguments.end is None else arguments.end
    if end_us <= start_us:
        raise SettingsError("--end is not after the start of the period")
    region = table.find(arguments.region).region
    async with opened(arguments) as issuer:
        path = issuer.settings.grid_path
        sources = None if path is None else open_all(path)
        try:
            known = await KnownGrid(issuer.store.grid, sources).of(region, start_us, end_us)
            # Without energy the time weighs.
            period = Period(start_us=start_us, end_us=end_us, it_mj=0)
            chosen = known.chosen(period, issuer.now_us)
            marginal = None if sources is None else await _marginal(issuer, sources, region, period)
        finally:
            if sources is not None:
                await sources.aclose()
    return _answer(region, period, chosen, marginal)


async def _marginal(issuer: Opened, sources: OpenSources, region: str, period: Period) -> Chosen | None:
    feeds = sources.feeds(region, "marginal")
    start_us, end_us = period.bounds_us
    stored = {feed.key: await issuer.store.grid.slots([feed.key], "marginal", start_us, end_us) for feed in feeds}
    return choose_marginal(feeds, stored, period, issuer.now_us)


def _answer(region: str, period: Period, chosen: Chosen, marginal: Chosen | None) -> Answer:
    factor = chosen.factor
    figure = decimals.render(factor.gco2e_per_kwh)
    slots: list[Json] = [] if chosen.data is None else [_slot(slot) for slot in chosen.data.slots]
    passed: list[Json] = [
        {"source": one.key.source, "zone": one.key.zone, "reason": one.reason} for one in chosen.passed
    ]
    start_us, end_us = period.bounds_us
    value: JsonObject = {
        "region": region,
        "start": _time(start_us),
        "end": _time(end_us),
        "gco2e_per_kwh": figure,
        "grid_region": factor.region,
        "source": None if chosen.feed is None else chosen.feed.key.source,
        "data_source": factor.source,
        "tier": factor.tier,
        "granularity": factor.granularity,
        "year": factor.year,
        "emission_factor_type": factor.factor_type,
        "claim_status": factor.claim_status,
        "grid_data_digest": factor.grid_data_digest,
        "passed_over": passed,
        "marginal_gco2e_per_kwh": None if marginal is None else decimals.render(marginal.factor.gco2e_per_kwh),
        "items": slots,
    }
    advice = [f"Source: {factor.source}"]
    advice += [f"Passed over: {one.key.source}:{one.key.zone}: {one.reason}" for one in chosen.passed]
    if marginal is not None and marginal.feed is not None:
        advice.append(
            f"Marginal: {value['marginal_gco2e_per_kwh']} g/kWh by {marginal.factor.source}; never in Scope 2"
        )
    if chosen.data is None:
        advice.append("No slots: it is the figure of a year, " + str(factor.year))
    return Answer(
        value=value,
        heading=f"{region} from {_time(start_us)} to {_time(end_us)}: {figure} gCO2e/kWh, {factor.factor_type}, "
        f"{factor.tier}, {factor.claim_status}",
        columns=_COLUMNS if slots else (),
        advice=tuple(advice),
    )


def _slot(slot: GridSlot) -> JsonObject:
    return {
        "start": _time(slot.start_us),
        "end": _time(slot.end_us),
        "gco2e_per_kwh": slot.gco2e_per_kwh,
        "tier": slot.tier,
        "estimated": slot.estimation_method or slot.estimated,
        "updated": None if slot.updated_us is None else _time(slot.updated_us),
        "retrieved": _time(slot.retrieved_us),
        "endpoint": slot.endpoint,
        "reply_digest": slot.reply_digest,
    }


def _time(moment_us: int) -> str:
    return times.render_claim(times.from_microseconds(moment_us))
