"""A file of the operator's own: slots as CSV, and beside it what they are and where they come from, as TOML.

    start,end,gco2e_per_kwh
    2026-10-01T00:00Z,2026-10-01T01:00Z,312.5

Beside ``slots.csv`` stands ``slots.csv.toml``: zone, source, licence, granularity, factor_type, signal. Nobody judges these
figures but the operator: every slot is of the tier "operator", with the digest of the CSV as it was read.
"""

from __future__ import annotations

import asyncio
import csv
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from issuer.carbon.providers.errors import ProviderRefusedError, ProviderSettingsError, UnknownZoneError
from issuer.carbon.providers.figures import Asked, Figure, Origin, Period, period_of, slots_of, unusable
from issuer.carbon.providers.protocol import FactorType, Granularity, Offer, ProviderSlots, Signal
from issuer.carbon.providers.reply import microseconds
from schemas import decimals, digests
from schemas.errors import GreenError
from schemas.lexical import STRING, shown

NAME: Final = "operator-file"
COLUMNS: Final = ("start", "end", "gco2e_per_kwh")
ESTIMATED: Final = "estimated"
"""A fourth column that may follow: true or false for each row; without it nothing is an estimate."""

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_TOML_BYTES: Final = 16 * 1024
_FLAGS: Final = {"true": True, "false": False, "": False}
_Text = Annotated[str, Meta(min_length=1, max_length=256)]


class _Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    zone: _Text
    source: _Text
    licence: _Text
    granularity: Granularity
    factor_type: FactorType
    signal: Signal = "average"


msgspec.json.Decoder(_Head)


class OperatorFile:
    """Reads the slots of one zone from ``path``, anew for each question, so that rows may be added."""

    def __init__(self, path: str) -> None:
        """Read what the figures are. Raises ProviderSettingsError where the TOML beside the file does not say so."""
        self._path = Path(path)
        self._zone, self._offer = _read_head(Path(f"{path}.toml"))

    @property
    def offer(self) -> Offer:
        """What it gives, as the operator declares it."""
        return self._offer

    async def slots(self, zone: str, start_us: int, end_us: int, now_us: int) -> ProviderSlots:
        """Return the rows of a period. Raises UnknownZoneError for another zone than the file's."""
        if zone != self._zone:
            raise UnknownZoneError(f"{self._path.name} has figures for {shown(self._zone)}, not for {shown(zone)}")
        asked = Asked(offer=self._offer, zone=zone, now_us=now_us)
        period = period_of(self._offer, start_us, end_us, now_us)
        return await asyncio.to_thread(self._read, asked, period or Period(0, 0))

    async def latest(self, zone: str, now_us: int) -> None:  # noqa: ARG002 - the protocol's
        """Return None: a file is no live source."""
        return

    async def aclose(self) -> None:
        """Nothing is held."""

    def _read(self, asked: Asked, period: Period) -> ProviderSlots:
        raw = _bytes_of(self._path, _MAX_BYTES)
        origin = Origin(tier="operator", endpoint=f"file {self._path.name}"[:256], reply_digest=digests.digest(raw))
        return slots_of(asked, self._figures(raw), origin, period)

    def _figures(self, raw: bytes) -> Iterator[Figure]:
        """Yield the rows' figures. Raises ProviderRefusedError with the line: the operator can mend it."""
        try:
            lines = raw.decode("utf-8").splitlines()
            rows = list(csv.reader(lines, strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ProviderRefusedError(f"{self._path.name} is not CSV in UTF-8: {error}") from error
        if not rows or tuple(rows[0]) not in {COLUMNS, (*COLUMNS, ESTIMATED)}:
            raise ProviderRefusedError(
                f"{self._path.name}: its first line has to be {','.join(COLUMNS)} or with ,{ESTIMATED}"
            )
        width = len(rows[0])
        for number, row in enumerate(rows[1:], start=2):
            where = f"{self._path.name}, line {number}"
            if row and len(row) != width:
                raise ProviderRefusedError(f"{where}: {len(row)} fields, not {width}")
            if row:
                yield self._figure(row, where)

    def _figure(self, row: list[str], where: str) -> Figure:
        start_us, end_us = microseconds(where, row[0]), microseconds(where, row[1])
        if end_us - start_us != self._offer.length_us:
            raise ProviderRefusedError(
                f"{where}: the slot is not as long as the granularity, {self._offer.granularity}"
            )
        flag = row[3].strip().lower() if len(row) > len(COLUMNS) else ""
        if flag not in _FLAGS:
            raise ProviderRefusedError(f"{where}: {shown(flag)} in the column {ESTIMATED} is neither true nor false")
        try:
            value = decimals.parse(row[2].strip())
        except GreenError as error:
            raise ProviderRefusedError(f"{where}: {error.detail}") from error
        figure = Figure(start_us=start_us, gco2e_per_kwh=value, estimated=_FLAGS[flag])
        reason = unusable(figure)
        if reason is not None:
            raise ProviderRefusedError(f"{where}: {reason}")
        return figure


def _read_head(path: Path) -> tuple[str, Offer]:
    hint = f"{path} has to say zone, source, licence, granularity, factor_type and perhaps signal"
    try:
        head = msgspec.convert(tomllib.loads(_bytes_of(path, _MAX_TOML_BYTES).decode()), _Head)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ProviderSettingsError(f"{hint}: {error}") from error
    for name in ("zone", "source", "licence"):
        if not STRING.fits(getattr(head, name)):
            raise ProviderSettingsError(f"{path}: {name} is not a plain text of 256 characters at most")
    offer = Offer(
        provider=NAME,
        source=head.source,
        licence=head.licence,
        granularity=head.granularity,
        factor_type=head.factor_type,
        signal=head.signal,
    )
    return head.zone, offer


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise ProviderSettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > max_bytes:
        raise ProviderSettingsError(f"{path} has more than {max_bytes} bytes; write a file for each year")
    return raw
