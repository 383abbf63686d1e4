"""The Carbon Intensity API of Great Britain's system operator (NESO): half hours, direct emissions, no token.

Its "actual" is the operator's estimate after the fact from metered generation, imports and losses; where there is none
yet, the forecast stands in, marked as an estimate.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from issuer.carbon.providers.client import Client, Reply
from issuer.carbon.providers.errors import ProviderRefusedError, UnknownZoneError
from issuer.carbon.providers.figures import Asked, Figure, Origin, joined, period_of, pieces, slots_of
from issuer.carbon.providers.protocol import Offer, ProviderSlots
from issuer.carbon.providers.reply import microseconds, read_json
from schemas import times
from schemas.lexical import shown

NAME: Final = "uk-carbon-intensity"
BASE_URL: Final = "https://api.carbonintensity.org.uk"
ZONE: Final = "GB"
FORECAST: Final = "forecast"

# The API takes 14 days at most.
_LONGEST_US: Final = 13 * 86_400_000_000
_OFFER: Final = Offer(
    provider=NAME,
    source="NESO Carbon Intensity API (Great Britain), v2",
    licence="CC BY 4.0",
    granularity="PT30M",
    factor_type="direct",
    signal="average",
)


class _Intensity(Struct, frozen=True):
    forecast: Decimal | None = None
    actual: Decimal | None = None


class _Entry(Struct, frozen=True):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    intensity: _Intensity


class _Answer(Struct, frozen=True):
    data: list[_Entry]


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(_Answer)


class CarbonIntensityUk:
    """Asks the API for the zone "GB", its only one."""

    def __init__(self, client: Client) -> None:
        """Nothing is asked yet."""
        self._client = client

    @property
    def offer(self) -> Offer:
        """What it gives."""
        return _OFFER

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        """Return the half hours of a period, asked for 13 days at most at once. Raises UnknownZoneError but for "GB"."""
        asked = _asked(zone, now_us)
        period = period_of(_OFFER, start_us, end_us, now_us)
        parts = []
        for piece in [] if period is None else pieces(period, _LONGEST_US):
            reply = await self._client.get(f"/intensity/{_iso(piece.start_us)}/{_iso(piece.end_us)}")
            figures = await _figures(reply)
            origin = Origin(tier="history", endpoint="GET /intensity/{from}/{to}", reply_digest=reply.digest)
            parts.append(slots_of(asked, figures, origin, piece))
        return joined(asked, parts)

    async def latest(self, zone: str, now_us: int) -> ProviderSlots:
        """Return the half hour that runs, an estimate. Raises UnknownZoneError but for "GB"."""
        asked = _asked(zone, now_us)
        reply = await self._client.get("/intensity")
        figures = await _figures(reply)
        return slots_of(asked, figures, Origin(tier="live", endpoint="GET /intensity", reply_digest=reply.digest), None)

    async def aclose(self) -> None:
        """Nothing is held."""


def _asked(zone: str, now_us: int) -> Asked:
    if zone != ZONE:
        raise UnknownZoneError(f'{NAME} knows the zone "GB" alone, not {shown(zone)}')
    return Asked(offer=_OFFER, zone=zone, now_us=now_us)


async def _figures(reply: Reply) -> list[Figure]:
    answer = await asyncio.to_thread(read_json, NAME, reply.body, _Answer)
    return [_figure(entry) for entry in answer.data]


def _figure(entry: _Entry) -> Figure:
    start_us, end_us = microseconds(NAME, entry.start), microseconds(NAME, entry.end)
    if end_us - start_us != _OFFER.length_us:
        raise ProviderRefusedError(
            f"{NAME} answers with a slot of {(end_us - start_us) // 60_000_000} minutes, not of 30"
        )
    actual, forecast = entry.intensity.actual, entry.intensity.forecast
    if actual is not None:
        return Figure(start_us=start_us, gco2e_per_kwh=actual)
    return Figure(start_us=start_us, gco2e_per_kwh=forecast, estimated=True, estimation_method=FORECAST)


def _iso(moment_us: int) -> str:
    return times.render_seconds(times.from_microseconds(moment_us))[:-4] + "Z"
