"""Between rows of the database and frozen records: columns are named like fields."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from sqlalchemy import RowMapping

from schemas import jcs, strict_json
from schemas.strict_json import JsonObject

RecordType = TypeVar("RecordType", bound=msgspec.Struct)


def read_record(kind: type[RecordType], row: RowMapping, **replaced: object) -> RecordType:
    """Return the row as a record; ``jwk`` is read from its JSON text, ``replaced`` columns are taken as given."""
    columns = dict(row) | replaced
    jwk = columns.get("jwk")
    if isinstance(jwk, str):
        columns["jwk"] = read_object(jwk)
    return kind(**{name: columns[name] for name in kind.__struct_fields__})


def column_values(value: msgspec.Struct) -> dict[str, Any]:
    """Return a record's fields as column values; ``jwk`` becomes canonical JSON text."""
    columns = msgspec.structs.asdict(value)
    if "jwk" in columns:
        columns["jwk"] = jcs.canonical_bytes(columns["jwk"]).decode()
    return columns


def read_object(text: str) -> JsonObject:
    """Return the JSON object of a stored text."""
    return strict_json.parse_object(text.encode())
