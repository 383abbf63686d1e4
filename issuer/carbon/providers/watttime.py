"""WattTime: marginal (MOER) or average (AOER) operating emissions of a region, direct CO2. API v3.

Its signal index is a percentile and is never asked for. A login gives a token for 30 minutes; the one request that
finds it run out renews it, and all others wait for that.
"""

from __future__ import annotations

import asyncio
import base64
import re
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from issuer.carbon.providers.client import Client, Reply
from issuer.carbon.providers.errors import (
    ProviderForbiddenError,
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
)
from issuer.carbon.providers.figures import Asked, Figure, Origin, Period, joined, period_of, pieces, slots_of
from issuer.carbon.providers.protocol import Granularity, Offer, ProviderSlots, Signal
from issuer.carbon.providers.reply import microseconds, read_json
from issuer.carbon.providers.secret import TokenFile
from schemas import decimals, times
from schemas.grid_data import INTENSITY_DECIMALS
from schemas.lexical import shown

NAME: Final = "watttime"
BASE_URL: Final = "https://api.watttime.org"
LICENCE: Final = "WattTime terms of service"
UNITS: Final = "lbs_co2_per_mwh"
SIGNAL_TYPES: Final[dict[Signal, str]] = {"marginal": "co2_moer", "average": "co2_aoer"}

# 1 lb = 0.45359237 kg, exactly; so 1 lb/MWh = 0.45359237 g/kWh.
_KG_PER_LB: Final = Decimal("0.45359237")
_LONGEST_US: Final = 31 * 86_400_000_000
_TOKEN: Final = re.compile(r"[!-~]{1,8192}", re.ASCII)
_US_PER_S: Final = 1_000_000


class _Login(Struct, frozen=True):
    token: str


class _Model(Struct, frozen=True):
    date: str | None = None


class _Meta(Struct, frozen=True):
    region: str
    signal_type: str
    units: str
    data_point_period_seconds: Decimal
    model: _Model | None = None


class _Point(Struct, frozen=True):
    point_time: str
    value: Decimal | None = None
    imputed_data_used: bool | None = None
    last_updated: str | None = None


class _Historical(Struct, frozen=True):
    data: list[_Point]
    meta: _Meta


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.convert({"token": "-"}, _Login)
msgspec.json.Decoder(_Historical)


class WattTime:
    """Asks the API for a region such as "CAISO_NORTH". ``login_file`` holds USER:PASSWORD on one line."""

    def __init__(
        self, client: Client, login_file: TokenFile, *, signal: Signal = "average", granularity: Granularity = "PT5M"
    ) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._login_file = login_file
        self._signal_type = SIGNAL_TYPES[signal]
        self._token: str | None = None
        self._turn = asyncio.Lock()
        self._offer = Offer(
            provider=NAME,
            source=f"WattTime API v3 {self._signal_type}",
            licence=LICENCE,
            granularity=granularity,
            factor_type="direct",
            signal=signal,
        )

    @property
    def offer(self) -> Offer:
        """What it gives."""
        return self._offer

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        """Return the slots of a period, asked for a month at most at once."""
        asked = Asked(offer=self._offer, zone=zone, now_us=now_us)
        period = period_of(self._offer, start_us, end_us, now_us)
        parts = [] if period is None else [await self._piece(asked, piece) for piece in pieces(period, _LONGEST_US)]
        return joined(asked, parts)

    async def latest(self, zone: str, now_us: int) -> None:  # noqa: ARG002 - the protocol's
        """Return None: what the API tells of the present is an index and a forecast, no figures."""
        return

    async def aclose(self) -> None:
        """Forget the token."""
        self._token = None

    async def _piece(self, asked: Asked, piece: Period) -> ProviderSlots:
        reply = await self._with_token(
            "/v3/historical",
            {
                "region": asked.zone,
                "start": _iso(piece.start_us),
                "end": _iso(piece.end_us),
                "signal_type": self._signal_type,
                "include_imputed_marker": "true",
            },
        )
        read = await asyncio.to_thread(read_json, NAME, reply.body, _Historical)
        self._check(read.meta, asked.zone)
        # The model's edition stands with the slot: it may change within a period, and a document has one source.
        edition = (
            "" if read.meta.model is None or read.meta.model.date is None else f" model {read.meta.model.date[:32]}"
        )
        endpoint = f"GET /v3/historical {self._signal_type}{edition}"
        origin = Origin(tier="history", endpoint=endpoint, reply_digest=reply.digest)
        return slots_of(asked, [_figure(point) for point in read.data], origin, piece)

    def _check(self, meta: _Meta, zone: str) -> None:
        wanted = self._offer.length_us
        if meta.region != zone:
            raise ProviderRefusedError(f"{NAME} answers for {shown(meta.region)}, and {shown(zone)} was asked for")
        if meta.signal_type != self._signal_type:
            raise ProviderRefusedError(f"{NAME} answers with {shown(meta.signal_type)}, not {self._signal_type}")
        if meta.units != UNITS:
            raise ProviderRefusedError(f"{NAME} answers in {shown(meta.units)}; only {UNITS} is converted to g/kWh")
        if meta.data_point_period_seconds * _US_PER_S != wanted:
            seconds = shown(str(meta.data_point_period_seconds))
            raise ProviderRefusedError(
                f"{NAME} answers with a point each {seconds} s, not {wanted // _US_PER_S}: set granularity to what it has"
            )

    async def _with_token(self, path: str, query: dict[str, str]) -> Reply:
        token = await self._current_token(None)
        try:
            return await self._client.get(path, query, headers=_bearer(token))
        except ProviderForbiddenError:
            raise
        except ProviderUnauthorizedError:
            # It has run out, or was taken back: a new one, once.
            renewed = await self._current_token(token)
            return await self._client.get(path, query, headers=_bearer(renewed))

    async def _current_token(self, stale: str | None) -> str:
        """Return a token other than ``stale``, by a login where there is none: one at a time for all who wait."""
        async with self._turn:
            if self._token is None or self._token == stale:
                self._token = None
                self._token = await self._login()
            return self._token

    async def _login(self) -> str:
        login = self._login_file.line()
        if ":" not in login:
            raise ProviderSettingsError(f"{self._login_file!r} has to hold USER:PASSWORD on one line")
        basic = base64.b64encode(login.encode()).decode()
        reply = await self._client.get("/login", headers={"Authorization": f"Basic {basic}"})
        token = read_json(NAME, reply.body, _Login).token
        if not _TOKEN.fullmatch(token):
            raise ProviderRefusedError(f"{NAME} answers the login with something that is no token")
        return token


def _figure(point: _Point) -> Figure:
    return Figure(
        start_us=microseconds(NAME, point.point_time),
        gco2e_per_kwh=None if point.value is None else grams_per_kwh(point.value),
        estimated=point.imputed_data_used is True,
        estimation_method="imputed" if point.imputed_data_used else None,
        updated_us=None if point.last_updated is None else microseconds(NAME, point.last_updated),
    )


def grams_per_kwh(pounds_per_mwh: Decimal) -> Decimal:
    """Return g/kWh, half-even at 3 decimals, of lb/MWh; what is no number stays none."""
    if not pounds_per_mwh.is_finite():
        return pounds_per_mwh
    return decimals.round_half_even(decimals.multiply(pounds_per_mwh, _KG_PER_LB), INTENSITY_DECIMALS)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _iso(moment_us: int) -> str:
    return times.render_seconds(times.from_microseconds(moment_us))
