"""base58btc (multibase ``z``; draft-msporny-base58), for the short values that keys are."""

from __future__ import annotations

from typing import Final

from did.errors import KeyEncodingError

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {character: value for value, character in enumerate(_ALPHABET)}
# Decoding is quadratic in the length; a key never needs more.
_MAX_CHARACTERS: Final = 256


def encode(value: bytes) -> str:
    """Return ``value`` in base58btc, one ``1`` for each leading zero byte."""
    number = int.from_bytes(value, "big")
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    leading = len(value) - len(value.lstrip(b"\x00"))
    return "1" * leading + "".join(reversed(digits))


def decode(text: str) -> bytes:
    """Return the bytes of base58btc text, at most 256 characters. Raises KeyEncodingError."""
    if len(text) > _MAX_CHARACTERS:
        raise KeyEncodingError(f"at most {_MAX_CHARACTERS} characters of base58 are read")
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise KeyEncodingError(f"{character!r} is not a character of base58")
        number = number * 58 + digit
    leading = len(text) - len(text.lstrip("1"))
    return bytes(leading) + number.to_bytes((number.bit_length() + 7) // 8, "big")
