"""A receipt: one record of a window with its way to the signed root, for the customer to keep (FORMATS.md "Plain JSON").

It is no evidence by itself: ``merkle_root`` and ``window_digest`` count once they are those of a window that
was verified.
"""

from __future__ import annotations

import hashlib
from typing import Final, cast

import msgspec
from msgspec import Struct

from schemas import base64url, digests, jcs, merkle, strict_json
from schemas.errors import MalformedValueError
from schemas.lexical import DIGEST, IRI
from schemas.plain_values import SALT, Constant, Integer
from schemas.shapes import Shape, Text, Value
from schemas.strict_json import Json, JsonObject
from schemas.window_record import MAX_RECORDS, WindowRecord, leaf_of, read_record

MAX_BYTES: Final = 64 * 1024
_MAX_DEPTH: Final = 3
_MAX_PATH: Final = MAX_RECORDS.bit_length()
_TENANT_DOMAIN: Final = b"gc/1 tenant\x00"


class _Path:
    """The sibling hashes from the leaf up; an array, in order, that may be empty and may repeat."""

    def check(self, value: Json, path: str) -> None:
        """Raise MalformedValueError or SchemaInvalidError unless ``value`` is a list of digests, of a tree's height."""
        if not isinstance(value, list) or len(value) > _MAX_PATH:
            raise MalformedValueError(f"{path}: an array of at most {_MAX_PATH} digests is expected")
        for index, item in enumerate(value):
            Text(DIGEST).check(item, f"{path}[{index}]")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "array", "maxItems": _MAX_PATH, "items": Text(DIGEST).schema()}


class _Record:
    """A record; its members are those of schemas.window_record, which reads them."""

    def check(self, value: Json, path: str) -> None:
        """Raise unless ``value`` is an object."""
        if not isinstance(value, dict):
            raise MalformedValueError(f"{path}: a JSON object is expected")

    def schema(self) -> JsonObject:
        """Return the schema."""
        return {"type": "object"}


_INCLUSION: Final[dict[str, Value]] = {
    "index": Integer(largest=MAX_RECORDS - 1),
    "tree_size": Integer(smallest=1, largest=MAX_RECORDS),
    "path": _Path(),
}
_MEMBERS: Final[dict[str, Value]] = {
    "v": Constant(1),
    "record": _Record(),
    "inclusion": Shape(_INCLUSION, frozenset(_INCLUSION)),
    "merkle_root": Text(DIGEST),
    "window_digest": Text(DIGEST),
    "window_credential": Text(IRI),
    "tenant_salt": Text(SALT),
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS) - {"tenant_salt"})
"""The closed shape; ``tenant_salt`` is absent where the credential names the tenant in the clear, or none."""


class Inclusion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An inclusion proof (RFC 9162 §2.1.3): the leaf's index, the number of leaves, sibling hashes as digests."""

    index: int
    tree_size: int
    path: tuple[str, ...]


class Receipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record, its inclusion proof, the window that it leads to, and the salt that opens the tenant's commitment."""

    v: int
    record: WindowRecord
    inclusion: Inclusion
    merkle_root: str
    window_digest: str
    window_credential: str
    tenant_salt: str | None = None

    @property
    def record_digest(self) -> str:
        """The leaf hash as a digest: ``recordDigest`` of the credential's evidence."""
        return digests.encode(leaf_of(self.record))


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(Receipt)


def parse_receipt(raw: bytes) -> Receipt:
    """Return a receipt (at most 64 KB) whose record was shown to be in the tree of ``merkle_root``.

    White space and order are free, since a receipt is not signed; its record counts in its JCS form. Raises
    ParsingError, ResourceLimitError, SchemaInvalidError or MalformedValueError, the last also where the proof
    leads to another root.
    """
    members = strict_json.parse_object(raw, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    SHAPE.check(members, "")
    read_record(cast("JsonObject", members["record"]))
    receipt = msgspec.convert(members, Receipt)
    check_inclusion(receipt)
    return receipt


def build_receipt(receipt: Receipt) -> bytes:
    """Return the JCS bytes of a receipt, read back by parse_receipt and so raising as it does."""
    raw = jcs.canonical_bytes(cast("JsonObject", msgspec.to_builtins(receipt)))
    parse_receipt(raw)
    return raw


def check_inclusion(receipt: Receipt) -> None:
    """Raise MalformedValueError unless the inclusion proof leads from the record to ``merkle_root``."""
    inclusion = receipt.inclusion
    path = [digests.decode(sibling) for sibling in inclusion.path]
    root = merkle.root_from_path(leaf_of(receipt.record), inclusion.index, inclusion.tree_size, path)
    if digests.encode(root) != receipt.merkle_root:
        raise MalformedValueError(
            "inclusion: the path does not lead from the record to merkle_root; the record was changed, or the "
            "receipt is of another window"
        )


def tenant_commitment(tenant_id: str, salt: str) -> str:
    r"""Return SHA-256("gc/1 tenant\0" || salt || tenant id) as a digest: ``tenantCommitment``. Salt: base64url."""
    return digests.encode(hashlib.sha256(_TENANT_DOMAIN + base64url.decode(salt) + tenant_id.encode("utf-8")).digest())
