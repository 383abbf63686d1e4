"""ENTSO-E's Transparency Platform: actual generation per type (A75), turned into an intensity of our own making.

Generation x factor, so the mix of what a zone generates, not of what it consumes; imports are not in it.
"""

from __future__ import annotations

import asyncio
from typing import Final

from issuer.carbon.providers import eic
from issuer.carbon.providers.client import XML, Client, Reply
from issuer.carbon.providers.errors import NoGridDataError, ProviderSettingsError
from issuer.carbon.providers.figures import Asked, Figure, Origin, Period, joined, period_of, pieces, slots_of
from issuer.carbon.providers.generation import NAME, figures, read
from issuer.carbon.providers.production_types import EDITION
from issuer.carbon.providers.protocol import FactorType, Granularity, Offer, ProviderSlots
from issuer.carbon.providers.secret import TokenFile
from schemas import times

__all__ = ["BASE_URL", "GRANULARITIES", "LICENCE", "NAME", "Entsoe"]

BASE_URL: Final = "https://web-api.tp.entsoe.eu"
GRANULARITIES: Final = ("PT15M", "PT30M", "PT1H", "P1D")
LICENCE: Final = "ENTSO-E Transparency Platform terms; CC BY 4.0 for data listed for free re-use"

_DAY_US: Final = 86_400_000_000
_STATUSES: Final = frozenset({200, 400})
"""What it refuses it explains in a document: with status 400, and where there is no data sometimes with 200."""


class Entsoe:
    """Asks the platform for a zone by its name ("DE-LU") or code ("10Y1001A1001A82H")."""

    def __init__(
        self,
        client: Client,
        token_file: TokenFile,
        *,
        factor_type: FactorType = "lifecycle",
        granularity: Granularity = "PT1H",
    ) -> None:
        """Raises ProviderSettingsError for a granularity finer than the platform's finest."""
        if granularity not in GRANULARITIES:
            raise ProviderSettingsError(
                f"{NAME} has no granularity {granularity}: use one of {', '.join(GRANULARITIES)}"
            )
        self._client = client
        self._token_file = token_file
        kind = "life-cycle" if factor_type == "lifecycle" else "direct"
        self._offer = Offer(
            provider=NAME,
            source=f"Own computation: ENTSO-E actual generation per type (A75) x {kind} factors, {EDITION}",
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
        """Return the slots of a period, asked for by whole days, one at once.

        Of an hour alone it could not be seen that a type is late: the document just would not have it. And what is a
        hole must not depend on how much was asked for.
        """
        asked = Asked(offer=self._offer, zone=zone, now_us=now_us)
        code = eic.code_of(zone)
        period = period_of(self._offer, start_us, end_us, now_us)
        if period is None:
            return joined(asked, [])
        first_us = period.start_us - period.start_us % _DAY_US
        last_us = -(-period.end_us // _DAY_US) * _DAY_US
        whole_days = pieces(Period(first_us, last_us), _DAY_US)
        parts = [await self._piece(asked, code, piece, period) for piece in whole_days]
        return joined(asked, parts)

    async def latest(self, zone: str, now_us: int) -> None:  # noqa: ARG002 - the protocol's
        """Return None: the platform publishes what was, an hour or more later."""
        return

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _piece(self, asked: Asked, code: str, piece: Period, period: Period) -> ProviderSlots:
        query = {
            "documentType": "A75",
            "processType": "A16",
            "in_Domain": code,
            "periodStart": _stamp(piece.start_us),
            "periodEnd": _stamp(piece.end_us),
            # The platform takes the token here alone; so no URL of it may stand in a log or an error.
            "securityToken": self._token_file.token(),
        }
        reply = await self._client.get("/api", query, media_types=XML, statuses=_STATUSES)
        try:
            read_figures = await asyncio.to_thread(self._figures, reply, code)
        except NoGridDataError:
            return joined(asked, [])
        wanted = Period(max(piece.start_us, period.start_us), min(piece.end_us, period.end_us))
        origin = Origin(tier="history", endpoint="GET /api documentType=A75 processType=A16", reply_digest=reply.digest)
        return slots_of(asked, read_figures, origin, wanted)

    def _figures(self, reply: Reply, code: str) -> list[Figure]:
        generation = read(reply.body, code, self._offer.length_us)
        return list(figures(generation, self._offer.factor_type, self._offer.length_us))


def _stamp(moment_us: int) -> str:
    return times.from_microseconds(moment_us).strftime("%Y%m%d%H%M")
