"""PKCS#11 URIs (RFC 7512), the part of them that names one private key.

pkcs11:token=Green;object=issuer-2026?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from did.errors import SignerUriError

_SCHEME: Final = "pkcs11:"
_PATH: Final = frozenset({"token", "serial", "object", "id", "type"})
_QUERY: Final = frozenset({"module-path", "pin-source", "pin-value"})
_FILE: Final = "file:"
_TRIPLETS = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Where one private key is: the module's library, the token, and the key's label or id.

    At most one of ``pin_file`` and ``pin`` is set; ``pin`` never shows in a repr.
    """

    module_path: Path
    token: str | None
    serial: bytes | None
    label: str | None
    key_id: bytes | None
    pin_file: Path | None = None
    pin: bytes | None = field(default=None, repr=False)


def parse(uri: str) -> Pkcs11Uri:
    """Return the parts of a ``pkcs11:`` URI.

    Raises SignerUriError for attributes that are not understood (RFC 7512 §2.3 would have them
    ignored: then a restriction would be lost), repeated ones, and where the module, the token or
    the key is not named. No message repeats a value: it may be a PIN.
    """
    path, _, query = uri[len(_SCHEME) :].partition("?")
    where = _attributes(path, ";", _PATH)
    how = _attributes(query, "&", _QUERY)
    if where.get("type", b"private") != b"private":
        raise SignerUriError("a signing key is of type=private")
    if "module-path" not in how:
        raise SignerUriError("the URI lacks ?module-path=, the PKCS#11 library of the token")
    if not {"token", "serial"} & where.keys():
        raise SignerUriError("the URI names no token: token=LABEL or serial=NUMBER is required")
    if not {"object", "id"} & where.keys():
        raise SignerUriError("the URI names no key: object=LABEL or id=%01 is required")
    if {"pin-source", "pin-value"} <= how.keys():
        raise SignerUriError("pin-source and pin-value exclude each other (RFC 7512 §2.4)")
    return Pkcs11Uri(
        module_path=Path(_text(how["module-path"], "module-path")),
        token=_optional_text(where, "token"),
        serial=where.get("serial"),
        label=_optional_text(where, "object"),
        key_id=where.get("id"),
        pin_file=_pin_file(_optional_text(how, "pin-source")),
        pin=how.get("pin-value"),
    )


def _attributes(text: str, separator: str, known: frozenset[str]) -> Mapping[str, bytes]:
    attributes: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if name not in known or not equals or not value:
            raise SignerUriError(
                f"{name[:40]!r} is not understood in a pkcs11: URI; known are {', '.join(sorted(known))}"
            )
        if name in attributes:
            raise SignerUriError(f"{name} stands twice in the pkcs11: URI")
        if not _TRIPLETS.fullmatch(value):
            raise SignerUriError(f"{name} of the pkcs11: URI is not percent-encoded")
        attributes[name] = unquote_to_bytes(value)
    return attributes


def _pin_file(source: str | None) -> Path | None:
    if source is None:
        return None
    path = source.removeprefix(_FILE)
    path = path.removeprefix("//") if path.startswith("///") else path
    # A pipe or a URL would be run or fetched (RFC 7512 §2.4 leaves that to the application).
    if not path.startswith("/"):
        raise SignerUriError("pin-source is file: and an absolute path")
    return Path(path)


def _optional_text(attributes: Mapping[str, bytes], name: str) -> str | None:
    return _text(attributes[name], name) if name in attributes else None


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SignerUriError(f"{name} of the pkcs11: URI is not UTF-8") from error
