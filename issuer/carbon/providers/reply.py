"""From a provider's bytes to values: JSON without floats, times in µs. What cannot be read is refused, with the place."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from issuer.carbon.providers.errors import ProviderRefusedError
from schemas import strict_json, times
from schemas.errors import GreenError
from schemas.lexical import shown

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 200_000
"""Ten days in slots of five minutes, each with a dozen members, are 35,000."""

_LONGEST_NUMBER: Final = 40
_LARGEST_EXPONENT: Final = 20
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


def read_json(name: str, raw: bytes, shape: type[_Shape]) -> _Shape:
    """Return the JSON object of a provider ``name`` as a Struct, numbers as Decimal. Raises ProviderRefusedError.

    Members that the Struct does not have are left aside, since providers add some; none may stand twice. NaN and
    Infinity, which are no JSON, are read as such: they spoil one slot, and not all others.
    """
    if strict_json.values_at_most(raw) > MAX_VALUES:
        raise ProviderRefusedError(f"{name} answers with more than {MAX_VALUES} values")
    try:
        strict_json.check_depth(raw, MAX_DEPTH)
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=number,
            parse_int=number,
            parse_constant=Decimal,
        )
        # Decimal as a type of its own: a text is then no number, which "1e-999999999" would be otherwise.
        return msgspec.convert(value, shape, builtin_types=(Decimal,))
    except msgspec.ValidationError as error:
        raise ProviderRefusedError(f"{name} answers in another shape: {_plain(str(error))}") from error
    except GreenError as error:
        raise ProviderRefusedError(f"{name} answers with something else: {error.detail}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ProviderRefusedError(f"{name} answers with something that is not JSON") from error


def number(text: str) -> Decimal:
    """Return the exact value of a number's text; NaN for one that no figure of a grid could be, so that sums stay small."""
    value = Decimal(text) if len(text) <= _LONGEST_NUMBER else Decimal("NaN")
    return value if value.is_finite() and abs(value.adjusted()) <= _LARGEST_EXPONENT else Decimal("NaN")


def microseconds(name: str, text: str) -> int:
    """Return µs since 1970 of an ISO 8601 time with its offset, seconds or none. Raises ProviderRefusedError."""
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC) if _TIME.fullmatch(text) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.year < 1970:  # noqa: PLR2004 - where µs begin
        raise ProviderRefusedError(f"{name}: {shown(text)} is not a time with its offset from UTC")
    return times.to_microseconds(moment)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in the same object")
    return members


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:160]
