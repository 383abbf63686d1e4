"""Electricity Maps: flow-traced consumption mix of a zone, life-cycle or direct. API v4, v3 by its path.

Its traps, each refused here: a sandbox token is answered with invented figures; an unknown place with those of the
caller's own (by its IP address); a granularity that the contract lacks with a coarser one, without a word.
"""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from issuer.carbon.providers.client import Client, Reply
from issuer.carbon.providers.errors import ProviderRefusedError, ProviderSettingsError
from issuer.carbon.providers.figures import NOT_STATED, Asked, Figure, Origin, joined, period_of, pieces, slots_of
from issuer.carbon.providers.protocol import FactorType, Granularity, Offer, ProviderSlots
from issuer.carbon.providers.reply import microseconds, read_json
from issuer.carbon.providers.secret import TokenFile
from schemas import times
from schemas.lexical import shown

NAME: Final = "electricity-maps"
BASE_URL: Final = "https://api.electricitymaps.com"
GRANULARITIES: Final[dict[str, str]] = {"PT5M": "5_minutes", "PT15M": "15_minutes", "PT1H": "hourly", "P1D": "daily"}
LICENCE: Final = "Electricity Maps terms of service"

_DAY_US: Final = 86_400_000_000
# Ten days are taken at most, and each range starts a slot early: of one figure alone nobody can tell its granularity.
_LONGEST_US: Final = 9 * _DAY_US
# The history is the last 24 hours, counted in slots of an hour.
_HISTORY_US: Final = _DAY_US - 3_600_000_000
_DEFAULT: Final = "hourly"


class _Entry(Struct, frozen=True):
    datetime: str
    carbonIntensity: Decimal | None = None  # noqa: N815 - the API's name, as all here
    zone: str | None = None
    updatedAt: str | None = None  # noqa: N815
    emissionFactorType: str | None = None  # noqa: N815
    isEstimated: bool | None = None  # noqa: N815
    estimationMethod: str | None = None  # noqa: N815
    flowTraced: bool | None = None  # noqa: N815


class _Range(Struct, frozen=True):
    zone: str
    history: list[_Entry] | None = None
    data: list[_Entry] | None = None
    temporalGranularity: str | None = None  # noqa: N815
    disclaimer: str | None = msgspec.field(name="_disclaimer", default=None)


class _Latest(_Entry, frozen=True):
    temporalGranularity: str | None = None  # noqa: N815
    disclaimer: str | None = msgspec.field(name="_disclaimer", default=None)


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.convert({"zone": "-"}, _Range)
msgspec.convert({"datetime": "-"}, _Latest)


class ElectricityMaps:
    """Asks the API for the carbon intensity of a zone such as "DE" or "US-CAL-CISO"."""

    def __init__(
        self,
        client: Client,
        token_file: TokenFile,
        *,
        version: Literal["v4", "v3"] = "v4",
        factor_type: FactorType = "lifecycle",
        granularity: Granularity = "PT1H",
    ) -> None:
        """Raises ProviderSettingsError for a granularity that the API does not have."""
        if granularity not in GRANULARITIES:
            raise ProviderSettingsError(
                f"{NAME} has no granularity {granularity}: use one of {', '.join(GRANULARITIES)}"
            )
        self._client = client
        self._token_file = token_file
        self._version = version
        self._granularity = GRANULARITIES[granularity]
        self._offer = Offer(
            provider=NAME,
            source=f"Electricity Maps API {version} (flow-traced)",
            licence=LICENCE,
            granularity=granularity,
            factor_type=factor_type,
            signal="average",
        )

    @property
    def offer(self) -> Offer:
        """What it gives."""
        return self._offer

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        """Return the slots of a period, from the history where it reaches, else from past ranges of ten days at most."""
        asked = Asked(offer=self._offer, zone=zone, now_us=now_us)
        period = period_of(self._offer, start_us, end_us, now_us)
        if period is None:
            return joined(asked, [])
        if period.start_us >= now_us - _HISTORY_US and self._offer.length_us < _DAY_US:
            origin, figures = await self._range("history", asked, {})
            return slots_of(asked, figures, origin, period)
        parts = []
        for piece in pieces(period, _LONGEST_US):
            query = {"start": _iso(piece.start_us - self._offer.length_us), "end": _iso(piece.end_us)}
            origin, figures = await self._range("past-range", asked, query)
            parts.append(slots_of(asked, figures, origin, piece))
        return joined(asked, parts)

    async def latest(self, zone: str, now_us: int) -> ProviderSlots:
        """Return the newest slot, which is mostly an estimate."""
        reply, origin = await self._ask("latest", zone, {}, tier="live")
        read = await asyncio.to_thread(read_json, NAME, reply.body, _Latest)
        self._check(read.zone, zone, read.temporalGranularity, read.disclaimer)
        asked = Asked(offer=self._offer, zone=zone, now_us=now_us)
        return slots_of(asked, self._figures([read], zone, read.temporalGranularity), origin, None)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _range(self, endpoint: str, asked: Asked, query: dict[str, str]) -> tuple[Origin, list[Figure]]:
        reply, origin = await self._ask(endpoint, asked.zone, query, tier="history")
        read = await asyncio.to_thread(read_json, NAME, reply.body, _Range)
        self._check(read.zone, asked.zone, read.temporalGranularity, read.disclaimer)
        entries = read.history if read.data is None else read.data
        if entries is None:
            raise ProviderRefusedError(f"{NAME} answers without its list of figures (history or data)")
        return origin, self._figures(entries, asked.zone, read.temporalGranularity)

    async def _ask(self, endpoint: str, zone: str, query: dict[str, str], *, tier: str) -> tuple[Reply, Origin]:
        path = f"/{self._version}/carbon-intensity/{quote(endpoint)}"
        asked = {
            "zone": zone,
            "emissionFactorType": self._offer.factor_type,
            "temporalGranularity": self._granularity,
            # Without it, an unknown zone is answered with the caller's own.
            "shouldUseFallbackCallerLookup": "false",
            **query,
        }
        reply = await self._client.get(path, asked, headers={"auth-token": self._token_file.token()})
        return reply, Origin(tier=tier, endpoint=f"GET {path}", reply_digest=reply.digest)

    def _check(self, found: str | None, zone: str, granularity: str | None, disclaimer: str | None) -> None:
        if found != zone:
            raise ProviderRefusedError(
                f"{NAME} answers for the zone {shown(found or 'unnamed')}, and {shown(zone)} was asked for"
            )
        if granularity not in {None, self._granularity}:
            raise ProviderRefusedError(
                f"{NAME} answers in the granularity {shown(granularity)}, and {self._granularity} was asked for:"
                " set granularity to what the contract has"
            )
        if disclaimer is not None and "sandbox" in disclaimer.casefold():
            raise ProviderRefusedError(_SANDBOX)

    def _figures(self, entries: list[_Entry], zone: str, granularity: str | None) -> list[Figure]:
        figures = [self._figure(entry, zone) for entry in entries]
        if granularity is None:
            self._check_spacing([figure.start_us for figure in figures])
        return figures

    def _figure(self, entry: _Entry, zone: str) -> Figure:
        """Return what an entry says. Raises ProviderRefusedError for invented data, another zone or another kind."""
        if entry.estimationMethod is not None and "SANDBOX" in entry.estimationMethod.upper():
            raise ProviderRefusedError(_SANDBOX)
        if entry.zone not in {None, zone}:
            raise ProviderRefusedError(f"{NAME} mixes figures of {shown(entry.zone)} into those of {shown(zone)}")
        if entry.emissionFactorType != self._offer.factor_type:
            kind = shown(entry.emissionFactorType)
            raise ProviderRefusedError(
                f"{NAME} answers with {kind} factors, and {self._offer.factor_type} was asked for"
            )
        if entry.flowTraced is False:
            raise ProviderRefusedError(
                f"{NAME} answers with figures of production, and those of consumption were asked for"
            )
        unsaid = entry.isEstimated is None
        return Figure(
            start_us=microseconds(NAME, entry.datetime),
            gco2e_per_kwh=entry.carbonIntensity,
            estimated=unsaid or entry.isEstimated is True,
            estimation_method=NOT_STATED if unsaid and entry.estimationMethod is None else entry.estimationMethod,
            updated_us=None if entry.updatedAt is None else microseconds(NAME, entry.updatedAt),
        )

    def _check_spacing(self, starts_us: list[int]) -> None:
        """Raise ProviderRefusedError where the entries themselves show, or cannot rule out, another granularity.

        Entries without a value stand in the answer too, so that neighbours are a slot apart.
        """
        ordered = sorted(starts_us)
        gaps = {second - first for first, second in itertools.pairwise(ordered)}
        if gaps and min(gaps) != self._offer.length_us:
            raise ProviderRefusedError(
                f"{NAME} answers with a figure each {min(gaps) // 60_000_000} minutes, and {self._granularity} was asked"
                " for: set granularity to what the contract has"
            )
        if len(ordered) == 1 and self._granularity != _DEFAULT:
            raise ProviderRefusedError(
                f"{NAME} does not say in which granularity it answers; only {_DEFAULT} is its default"
            )


_SANDBOX: Final = (
    f"{NAME} answers with invented data, as it does to a sandbox token: put the token of a real plan into token_file"
)


def _iso(moment_us: int) -> str:
    return times.render_seconds(times.from_microseconds(moment_us))
