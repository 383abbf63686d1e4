"""From a declared source to the provider that is asked: which providers there are, and what can be set of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from issuer.carbon.providers import electricity_maps, entsoe, operator_file, uk, watttime
from issuer.carbon.providers.client import Client
from issuer.carbon.providers.protocol import Provider
from issuer.carbon.providers.secret import TokenFile

SETTLES_AFTER_H: Final = 72
"""Hours after a slot's end from which a figure that is no estimate is the provider's last word."""

_UK_SETTLES_AFTER_H: Final = 2


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One declared source. ``options`` are the provider's own."""

    name: str
    provider: str
    base_url: str | None = None
    token_file: str | None = None
    settles_after_h: int = SETTLES_AFTER_H
    options: Mapping[str, str] = MappingProxyType({})


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A source ready to be asked."""

    settings: SourceSettings
    provider: Provider


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that can be declared: its options with the values that each takes (none listed: any text).

    ``required``: what has to be set of it; ``answers_http``: whether it has a base URL.
    """

    options: Mapping[str, tuple[str, ...]]
    open: Callable[[SourceSettings], Provider]
    settles_after_h: int = SETTLES_AFTER_H
    required: tuple[str, ...] = ()
    answers_http: bool = True


def open_source(settings: SourceSettings) -> Opened:
    """Return a source ready to be asked; nothing is asked and no token is read. Raises ProviderSettingsError."""
    return Opened(settings=settings, provider=KINDS[settings.provider].open(settings))


def _client(settings: SourceSettings, base_url: str) -> Client:
    return Client(settings.provider, settings.base_url or base_url)


def _token(settings: SourceSettings, holds: str = "the token") -> TokenFile:
    return TokenFile(settings.token_file or "", holds=holds)


def _electricity_maps(settings: SourceSettings) -> Provider:
    options: dict[str, Any] = {**settings.options}
    return electricity_maps.ElectricityMaps(_client(settings, electricity_maps.BASE_URL), _token(settings), **options)


def _watttime(settings: SourceSettings) -> Provider:
    options: dict[str, Any] = {**settings.options}
    return watttime.WattTime(_client(settings, watttime.BASE_URL), _token(settings, "USER:PASSWORD"), **options)


def _entsoe(settings: SourceSettings) -> Provider:
    options: dict[str, Any] = {**settings.options}
    return entsoe.Entsoe(_client(settings, entsoe.BASE_URL), _token(settings), **options)


def _operator_file(settings: SourceSettings) -> Provider:
    return operator_file.OperatorFile(settings.options["path"])


def _uk(settings: SourceSettings) -> Provider:
    return uk.CarbonIntensityUk(_client(settings, uk.BASE_URL))


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        electricity_maps.NAME: Kind(
            options={
                "version": ("v4", "v3"),
                "factor_type": ("lifecycle", "direct"),
                "granularity": tuple(electricity_maps.GRANULARITIES),
            },
            open=_electricity_maps,
            required=("token_file",),
        ),
        watttime.NAME: Kind(
            options={"signal": ("average", "marginal"), "granularity": ("PT5M", "PT15M", "PT30M", "PT1H")},
            open=_watttime,
            required=("token_file",),
        ),
        entsoe.NAME: Kind(
            options={"factor_type": ("lifecycle", "direct"), "granularity": tuple(entsoe.GRANULARITIES)},
            open=_entsoe,
            required=("token_file",),
        ),
        # Whoever writes a figure into a file means it: it is settled with its period's end.
        operator_file.NAME: Kind(
            options={"path": ()}, open=_operator_file, settles_after_h=0, required=("path",), answers_http=False
        ),
        uk.NAME: Kind(options={}, open=_uk, settles_after_h=_UK_SETTLES_AFTER_H),
    }
)
"""The providers that a source can name."""
