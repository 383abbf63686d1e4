"""The JSON-LD contexts that are trusted, each pinned by the SHA-256 of its canonical JSON (RFC 8785).

The digest is of the JSON and not of the file's bytes, since only the JSON has a meaning: a package that
reformats its copy is no threat, one that changes a single member is refused. Contexts that PyLD carries are
used where they lie; the others stand in data/, from the published packages named here.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import rfc8785

from contexts.errors import ChangedContextError, UnknownContextError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

CREDENTIALS_V1: Final = "https://www.w3.org/2018/credentials/v1"
CREDENTIALS_V2: Final = "https://www.w3.org/ns/credentials/v2"
JWS_2020: Final = "https://w3id.org/security/suites/jws-2020/v1"
STATUS_LIST_2021: Final = "https://w3id.org/vc/status-list/2021/v1"
GREEN_COMPUTE: Final = "https://w3id.org/green-compute/v1"

_W3C: Final = "W3C Software and Document License"
_BSD: Final = "BSD-3-Clause"
_OURS: Final = "Apache-2.0"
_PYLD: Final = "PyPI PyLD 3.3.0"


class PinnedContext(NamedTuple):
    """One trusted context: its URL, the SHA-256 (hex) of its canonical JSON, where it is from, its licence, its file."""

    url: str
    sha256: str
    source: str
    licence: str
    file: str


_TABLE: Final = (
    PinnedContext(
        CREDENTIALS_V1,
        "b01e671e873981f19a9102a9a57f666dbcaeb31b99e3e124378d143e71549247",
        _PYLD,
        _W3C,
        "credentials-v1.jsonld",
    ),
    PinnedContext(
        CREDENTIALS_V2,
        "b463c8d6a066214123ddd9827b135e1b50e1fc73322cc52a9b12a4f1fc7d86cf",
        _PYLD,
        _W3C,
        "credentials-v2.jsonld",
    ),
    PinnedContext(
        "https://www.w3.org/ns/did/v1",
        "a7e146c40fcec005d3f0f14ae745665f446da58d7914a9d8f733746686fad82b",
        _PYLD,
        _W3C,
        "did-v1.jsonld",
    ),
    PinnedContext(
        JWS_2020,
        "eed16334842a5635257913b33acd1aeee29009eb188d855f9a1d0ceee4a8ae4d",
        _PYLD,
        _W3C,
        "security-jws-2020-v1.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/suites/ed25519-2020/v1",
        "fb517f09d990829aed734c9bad8cbbb2ac3d5063b865c7e3d81f246074bf5691",
        _PYLD,
        _BSD,
        "security-ed25519-2020-v1.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/v1",
        "d87de2ce3ce407bcac481f8af31e211e54beb5cbd7dd459826ed0502302ee234",
        _PYLD,
        _W3C,
        "security-v1.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/v2",
        "38a9ef19cf3a75bf856202bd1ed4cbd55c985ad4a809eb7f4ef584ba9d51dc90",
        _PYLD,
        _W3C,
        "security-v2.jsonld",
    ),
    PinnedContext(
        STATUS_LIST_2021,
        "9768f9aa81ab6c3e2ad96b2d669eaba67afe13fff0140a853f1e3d313fab13b6",
        "npm @digitalbazaar/vc-status-list-context 3.1.1",
        _BSD,
        "status-list-2021-v1.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/data-integrity/v1",
        "9505bf85338a4c2121ad03992ac90061bc85d43bcfa34d9d47b779381cf08b5f",
        "npm @digitalbazaar/data-integrity-context 2.0.1",
        _BSD,
        "data-integrity-v1.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/data-integrity/v2",
        "7ba3c50acf2689d5e07927267343eb353249c7c22a9f2d00307cc970e855e305",
        "npm @digitalbazaar/data-integrity-context 2.0.1",
        _BSD,
        "data-integrity-v2.jsonld",
    ),
    PinnedContext(
        "https://w3id.org/security/multikey/v1",
        "be20c3ee6af6e9c4102e66a85c26617831218e32216bdf050f870e389e737cdc",
        "npm @digitalbazaar/multikey-context 2.0.1",
        _BSD,
        "multikey-v1.jsonld",
    ),
    PinnedContext(
        GREEN_COMPUTE,
        "3c646181df7bbb3c831102b65cd91fdc0a93804e31d378ad4e22bb37ffe281bd",
        "Green Compute Oracle",
        _OURS,
        "green-compute-v1.jsonld",
    ),
)

PINNED: Final[Mapping[str, PinnedContext]] = MappingProxyType({entry.url: entry for entry in _TABLE})
"""The trusted contexts by URL. Nothing outside of it is ever loaded."""

_loaded: dict[str, JsonObject] = {}


def load(url: str) -> JsonObject:
    """Return the document of a pinned context (``{"@context": …}``), a copy that the caller may change.

    Raises UnknownContextError for any other URL, ChangedContextError where the file no longer has the
    pinned content.
    """
    if url not in _loaded:
        if url not in PINNED:
            raise UnknownContextError(url)
        _loaded[url] = checked(PINNED[url], read(PINNED[url]))
    return copy.deepcopy(_loaded[url])


def read(entry: PinnedContext) -> bytes:
    """Return the bytes of a pinned context's file, unchecked."""
    if entry.source == _PYLD:
        # Located through the distribution's metadata: the file is read without importing the library.
        path = f"pyld/documentloader/frozen/bundled/{entry.file}"
        return Path(str(importlib.metadata.distribution("PyLD").locate_file(path))).read_bytes()
    return (importlib.resources.files("contexts") / "data" / entry.file).read_bytes()


def checked(entry: PinnedContext, raw: bytes) -> JsonObject:
    """Return the JSON object in ``raw`` if it has the pinned digest; raises ChangedContextError."""
    try:
        document = json.loads(raw)
        digest = hashlib.sha256(rfc8785.dumps(document)).hexdigest()
    except (ValueError, RecursionError) as error:
        raise ChangedContextError(entry.url, "is not readable JSON on this system") from error
    if digest != entry.sha256 or not isinstance(document, dict):
        raise ChangedContextError(entry.url, "has another content on this system than the pinned one")
    return document
