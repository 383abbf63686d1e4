"""The slots that a carbon intensity was computed from: what ``gridDataDigest`` is the digest of (JCS), and the sum.

All slots of one document come from one provider's data for one zone, in one resolution and of one kind of factor, and
follow each other without a hole. Energy is split at the slots' edges in proportion to time, in whole mJ, nothing lost:
up to an edge at ``t``, floor(E x (t - start) / (end - start)). The mean is FORMATS.md's:
round_half_even(sum(E_i x I_i) / sum(E_i), 3 decimals); without energy the time stands for it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, cast

import msgspec
from msgspec import Struct

from schemas import decimals, digests, jcs, strict_json
from schemas.errors import SchemaInvalidError
from schemas.lexical import DECIMAL, DIGEST, STRING
from schemas.plain_values import Constant, Integer, check_canonical
from schemas.shapes import ArrayOf, Choice, Flag, Shape, Text, Value
from schemas.strict_json import JsonObject

MEDIA_TYPE: Final = "application/json"
MAX_BYTES: Final = 512 * 1024
MAX_SLOTS: Final = 1_024
"""A day in slots of five minutes is 288 of them."""

INTENSITY_DECIMALS: Final = 3
SIGNALS: Final = ("average", "marginal")
SLOT_TIERS: Final = ("live", "history", "operator")
GRANULARITIES_US: Final = {
    "PT5M": 300_000_000,
    "PT15M": 900_000_000,
    "PT30M": 1_800_000_000,
    "PT1H": 3_600_000_000,
    "P1D": 86_400_000_000,
}
"""How long a slot is, by its ISO 8601 duration."""

_MAX_DEPTH: Final = 3
_SLOT: Final[dict[str, Value]] = {
    "start_us": Integer(),
    "end_us": Integer(smallest=1),
    "gco2e_per_kwh": Text(DECIMAL),
    "estimated": Flag(),
    "estimation_method": Text(STRING),
    "tier": Choice(SLOT_TIERS),
    "endpoint": Text(STRING),
    "updated_us": Integer(),
    "retrieved_us": Integer(),
    "reply_digest": Text(DIGEST),
}
_MEMBERS: Final[dict[str, Value]] = {
    "v": Constant(1),
    "provider": Text(STRING),
    "source": Text(STRING),
    "licence": Text(STRING),
    "zone": Text(STRING),
    "granularity": Choice(tuple(GRANULARITIES_US)),
    "factor_type": Choice(("direct", "lifecycle")),
    "signal": Choice(SIGNALS),
    "slots": ArrayOf(Shape(_SLOT, frozenset(_SLOT) - {"estimation_method", "updated_us"})),
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS))
"""The closed shape; how slots follow each other is decode_grid_data's to check."""


class GridSlot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One slot of a provider: [``start_us``, ``end_us``) in µs since 1970, g/kWh as a decimal string of 3 decimals at most.

    ``endpoint`` names what was asked (with the API's version), ``reply_digest`` the bytes that were answered;
    ``updated_us`` is when the provider says that it changed the value last, ``retrieved_us`` when we read it.
    """

    start_us: int
    end_us: int
    gco2e_per_kwh: str
    estimated: bool
    tier: str
    endpoint: str
    retrieved_us: int
    reply_digest: str
    estimation_method: str | None = None
    updated_us: int | None = None


class GridData(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Slots of one provider, zone, resolution and kind. ``source`` is the credential's ``carbonIntensitySource``."""

    v: int
    provider: str
    source: str
    licence: str
    zone: str
    granularity: str
    factor_type: str
    signal: str
    slots: tuple[GridSlot, ...]

    @property
    def start_us(self) -> int:
        """Where the first slot starts."""
        return self.slots[0].start_us

    @property
    def end_us(self) -> int:
        """Where the last slot ends."""
        return self.slots[-1].end_us


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(GridData)


def decode_grid_data(raw: bytes) -> GridData:
    """Return the slots in their JCS bytes. Raises ResourceLimitError, ParsingError, SchemaInvalidError, MalformedValueError."""
    members = strict_json.parse_object(raw, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "grid data")
    SHAPE.check(members, "")
    data = msgspec.convert(members, GridData)
    _check_slots(data)
    return data


def encode_grid_data(data: GridData) -> bytes:
    """Return the JCS bytes of slots, read back by decode_grid_data and so raising as it does."""
    raw = jcs.canonical_bytes(cast("JsonObject", msgspec.to_builtins(data)))
    decode_grid_data(raw)
    return raw


def digest_of(raw: bytes) -> str:
    """Return ``gridDataDigest`` of encoded slots."""
    return digests.digest(raw)


def split_energy(energy_mj: int, start_us: int, end_us: int, edges_us: Sequence[int]) -> list[int]:
    """Return the mJ between each two neighbours of start, edges, end: integers that sum to ``energy_mj``, by time.

    ``edges_us`` rise and lie within (start, end). Raises ValueError for others.
    """
    times_us = (start_us, *edges_us, end_us)
    if any(first >= second for first, second in itertools.pairwise(times_us)):
        raise ValueError("edges have to rise from the start to the end")
    reached = [energy_mj * (time_us - start_us) // (end_us - start_us) for time_us in times_us]
    return [second - first for first, second in itertools.pairwise(reached)]


def mean_intensity(data: GridData, energy_mj: int, start_us: int, end_us: int) -> Decimal:
    """Return the energy-weighted mean of a period's slots in g/kWh, half-even at 3 decimals.

    Raises ValueError where the slots do not cover the period, or it is empty.
    """
    if not data.start_us <= start_us < end_us <= data.end_us:
        raise ValueError("the slots do not cover the period")
    within = [slot for slot in data.slots if slot.start_us < end_us and slot.end_us > start_us]
    edges_us = [slot.start_us for slot in within[1:]]
    # Without energy there is nothing to weigh by but the time: a microsecond weighs as a mJ would.
    weights = split_energy(energy_mj or end_us - start_us, start_us, end_us, edges_us)
    weighted = sum(weight * decimals.parse(slot.gco2e_per_kwh) for weight, slot in zip(weights, within, strict=True))
    return decimals.divide(Decimal(weighted), Decimal(sum(weights)), INTENSITY_DECIMALS)


def _check_slots(data: GridData) -> None:
    if len(data.slots) > MAX_SLOTS:
        raise SchemaInvalidError(f"slots: {len(data.slots)} of them; at most {MAX_SLOTS} are read")
    length_us = GRANULARITIES_US[data.granularity]
    for index, slot in enumerate(data.slots):
        if slot.end_us - slot.start_us != length_us:
            raise SchemaInvalidError(f"slots[{index}]: it is not as long as the granularity, {data.granularity}")
        if decimals.parse(slot.gco2e_per_kwh).as_tuple().exponent < -INTENSITY_DECIMALS:  # type: ignore[operator]
            raise SchemaInvalidError(f"slots[{index}].gco2e_per_kwh: more than {INTENSITY_DECIMALS} decimals")
        if slot.estimation_method is not None and not slot.estimated:
            raise SchemaInvalidError(f"slots[{index}].estimation_method: the slot is not estimated")
    if any(first.end_us != second.start_us for first, second in itertools.pairwise(data.slots)):
        raise SchemaInvalidError("slots: each starts where the one before it ends")
