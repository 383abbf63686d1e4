"""The operator's file of grid sources (setting ``grid_file``): who is asked, and for each grid region in which order.

    [sources.em]
    provider = "electricity-maps"
    token_file = "/etc/green-issuer/em-token"

    [regions.DEU]
    average = ["em:DE", "entsoe:10Y1001A1001A83F"]
    marginal = ["watttime:DE"]

Read strictly: what is misspelt is named with the file and the key, never left out silently.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from issuer.carbon import table
from issuer.carbon.choose import HOUR_US, Feed
from issuer.carbon.opening import KINDS, Opened, SourceSettings, open_source
from issuer.errors import IssuanceError
from issuer.store.grid_records import FeedKey, Signal
from schemas.errors import GreenError
from schemas.plain_text import why_not_plain
from schemas.spelling import near

SIGNALS: Final[tuple[Signal, ...]] = ("average", "marginal")
MAX_STEPS: Final = 8
"""Steps of one cascade: each is a zone that is asked for, and read with every new claim."""

_MAX_BYTES: Final = 256 * 1024
_MAX_HOURS: Final = 24 * 90
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_ZONE: Final = re.compile(r"[!-~]{1,64}", re.ASCII)
_SOURCE_KEYS: Final = ("provider", "base_url", "token_file", "settles_after_h")


class GridFileError(IssuanceError):
    """The file of grid sources cannot be used; the detail names the file and the key."""

    name = "GRID_FILE"
    title = "The file of grid sources cannot be used"
    status = 500


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of one grid region in the order in which they are asked; ``region`` is the code of the annual table."""

    region: str
    average: tuple[FeedKey, ...] = ()
    marginal: tuple[FeedKey, ...] = ()

    def steps(self, signal: Signal) -> tuple[FeedKey, ...]:
        """Return the steps of one signal: none stands in for the other's."""
        return self.average if signal == "average" else self.marginal


class GridFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says. ``sources`` by name, ``cascades`` by the region's code in the annual table."""

    sources: Mapping[str, SourceSettings]
    cascades: Mapping[str, Cascade]

    def cascade(self, region: str) -> Cascade | None:
        """Return the cascade of a node's region, however it is spelt; None where the file has none."""
        return self.cascades.get(table.find(region).region)


class OpenSources(msgspec.Struct, frozen=True, kw_only=True):
    """The file with each source ready to be asked."""

    file: GridFile
    opened: Mapping[str, Opened]

    def feeds(self, region: str, signal: Signal = "average") -> tuple[Feed, ...]:
        """Return the steps of a region's cascade as ``choose`` takes them, none where the file has no such region."""
        cascade = self.file.cascade(region)
        return () if cascade is None else tuple(self.feed(key) for key in cascade.steps(signal))

    def feed(self, key: FeedKey) -> Feed:
        """Return one step with what its source gives."""
        offer = self.opened[key.source].provider.offer
        return Feed(
            key=key,
            signal=offer.signal,
            factor_type=offer.factor_type,
            settles_after_us=self.file.sources[key.source].settles_after_h * HOUR_US,
        )

    async def aclose(self) -> None:
        """Give back what the sources hold."""
        for one in self.opened.values():
            await one.provider.aclose()


def load(path: Path) -> GridFile:
    """Return what the file at ``path`` says. Raises GridFileError; nobody is asked, no token is read."""
    try:
        raw = path.read_bytes()
        if len(raw) > _MAX_BYTES:
            raise GridFileError(f"{path} has {len(raw)} bytes; at most {_MAX_BYTES} are read")
        values = tomllib.loads(raw.decode())
    except OSError as error:
        raise GridFileError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, or a number of more digits than Python reads.
        raise GridFileError(f"{path} is not TOML: {error}") from error
    return _Reading(path).file(values)


def open_all(path: Path) -> OpenSources:
    """Return the file at ``path`` with its sources opened: none is asked yet. Raises GridFileError."""
    file = load(path)
    opened = {}
    for name, source in file.sources.items():
        try:
            opened[name] = open_source(source)
        except GreenError as error:
            raise GridFileError(f"{path}: sources.{name}: {error.detail}") from error
    for cascade in file.cascades.values():
        for signal in SIGNALS:
            for key in cascade.steps(signal):
                given = opened[key.source].provider.offer.signal
                if given != signal:
                    raise GridFileError(
                        f"{path}: regions.{cascade.region}.{signal}: the source {key.source!r} gives {given} figures, "
                        f"and one kind never stands in for the other; declare a source of its own for {signal} ones"
                    )
    return OpenSources(file=file, opened=opened)


class _Reading:
    """Reads one file; every refusal names it and the key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, values: Mapping[str, Any]) -> GridFile:
        self._known(values, ("sources", "regions"), "")
        sources = {name: self._source(name, one) for name, one in self._tables(values, "sources")}
        cascades: dict[str, Cascade] = {}
        spelt: dict[str, str] = {}
        for name, one in self._tables(values, "regions"):
            cascade = self._cascade(name, one, sources)
            if cascade.region in cascades:
                raise self._refusal(
                    f"regions.{name}",
                    f"it is the region {cascade.region}, which regions.{spelt[cascade.region]} declares",
                )
            cascades[cascade.region], spelt[cascade.region] = cascade, name
        return GridFile(sources=sources, cascades=cascades)

    def _source(self, name: str, values: Mapping[str, Any]) -> SourceSettings:
        where = f"sources.{name}"
        if not _NAME.fullmatch(name):
            raise self._refusal(where, "the name of a source is 1 to 32 of a-z 0-9 and hyphens")
        provider = self._text(values, "provider", where)
        if provider is None:
            raise self._refusal(f"{where}.provider", f"it is missing: one of {', '.join(KINDS)}")
        kind = KINDS.get(provider)
        if kind is None:
            raise self._refusal(f"{where}.provider", f"there is no provider {provider!r}{_near(provider, KINDS)}")
        own = [key for key in _SOURCE_KEYS if kind.answers_http or key not in {"base_url", "token_file"}]
        self._known(values, (*own, *kind.options), where)
        for key in kind.required:
            if key not in values:
                raise self._refusal(f"{where}.{key}", f"it is missing: {provider} needs it")
        hours = values.get("settles_after_h", kind.settles_after_h)
        if not isinstance(hours, int) or isinstance(hours, bool) or not 0 <= hours <= _MAX_HOURS:
            raise self._refusal(f"{where}.settles_after_h", f"it is not a whole number of hours from 0 to {_MAX_HOURS}")
        options = {option: self._text(values, option, where) for option in kind.options if option in values}
        for option, text in options.items():
            allowed = kind.options[option]
            if allowed and text not in allowed:
                raise self._refusal(f"{where}.{option}", f"{text!r} is none of {', '.join(allowed)}")
        return SourceSettings(
            name=name,
            provider=provider,
            base_url=self._text(values, "base_url", where),
            token_file=self._text(values, "token_file", where),
            settles_after_h=hours,
            options={option: text for option, text in options.items() if text is not None},
        )

    def _cascade(self, name: str, values: Mapping[str, Any], sources: Collection[str]) -> Cascade:
        where = f"regions.{name}"
        try:
            region = table.find(name).region
        except GreenError as error:
            raise self._refusal(where, error.detail) from error
        self._known(values, SIGNALS, where)
        steps = {signal: self._steps(values.get(signal, []), f"{where}.{signal}", sources) for signal in SIGNALS}
        if not any(steps.values()):
            raise self._refusal(where, 'it has no steps: say average = ["SOURCE:ZONE", …]')
        return Cascade(region=region, average=steps["average"], marginal=steps["marginal"])

    def _steps(self, values: Any, where: str, sources: Collection[str]) -> tuple[FeedKey, ...]:
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._refusal(where, 'it is not a list such as ["SOURCE:ZONE", …]')
        if len(values) > MAX_STEPS:
            raise self._refusal(where, f"it has {len(values)} steps; at most {MAX_STEPS} are taken")
        steps: list[FeedKey] = []
        for value in values:
            source, colon, zone = value.partition(":")
            if not colon or not _ZONE.fullmatch(zone):
                raise self._refusal(where, f'{value[:80]!r} is not "SOURCE:ZONE", such as "em:DE"')
            if source not in sources:
                raise self._refusal(where, f"no source {source[:40]!r} is declared{_near(source, sources)}")
            key = FeedKey(source=source, zone=zone)
            if key in steps:
                raise self._refusal(where, f"{value!r} stands there twice")
            steps.append(key)
        return tuple(steps)

    def _tables(self, values: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        named = values.get(key, {})
        if not isinstance(named, dict):
            raise self._refusal(key, f"it is not tables such as [{key}.NAME]")
        for name, one in named.items():
            if not isinstance(one, dict):
                raise self._refusal(f"{key}.{name}", f"it is not a table [{key}.{name}]")
            yield name, one

    def _text(self, values: Mapping[str, Any], key: str, where: str) -> str | None:
        value = values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value or why_not_plain(value) is not None:
            raise self._refusal(f"{where}.{key}", "it is not a plain text")
        return value

    def _known(self, values: Mapping[str, Any], known: Collection[str], where: str) -> None:
        for key in values:
            if key not in known:
                place = f"{where}.{key}" if where else key
                raise self._refusal(place, f"there is no such key here{_near(key, known)}")

    def _refusal(self, where: str, why: str) -> GridFileError:
        return GridFileError(f"{self._path}: {where}: {why}")


def _near(name: str, known: Collection[str]) -> str:
    return near(name, known) or f"; known: {', '.join(known) or 'none'}"
