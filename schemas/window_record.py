"""The records of a window, each a leaf of its Merkle tree (FORMATS.md "Plain JSON: record").

A record's bytes are its JCS form, and leaf = SHA-256(0x00 || bytes). Thousands come at once, one a line, so
they are decoded in one go, written again in one go, and compared: what differs in a single byte (order,
spaces, a float, a repeated or unknown member, an escape) is not canonical and is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from schemas import digests, jcs, merkle
from schemas.errors import MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.plain_values import MAX_INTEGER, SALT, TENANT_ID
from schemas.strict_json import JsonObject
from schemas.telemetry import INFERENCE_ID, MODEL_ID

MAX_RECORDS: Final = 50_000
"""Records of one window (docs/formats.md)."""

MAX_RECORD_BYTES: Final = 4096
"""More than any record has whose texts keep to their lengths."""

_SALT_CHARACTERS: Final = 22

Amount: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Attribution: TypeAlias = Literal["exclusive", "step-log", "phase-weighted", "reserved-time"]

# All at once instead of one by one: joined, the texts of 10,000 records are checked in half a millisecond.
_SALTS: Final = re.compile(f"(?:{SALT.pattern})*", re.ASCII)
_INFERENCE_IDS: Final = re.compile(f"(?:{INFERENCE_ID.pattern}\n)*", re.ASCII)


class WindowRecord(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):  # no references to other containers, so no work for the collector: with it, decoding takes half as long again
    """The part of a window that belongs to one inference or job: energy in mJ, times in µs, counts.

    ``start_us`` and ``end_us`` are wall time since 1970, ``duration_us`` is by CLOCK_BOOTTIME. None means not
    stated: ``tenant_id`` where it is the node's own tenant, tokens where the work has none. The fields stand
    in the order of JCS, which makes encoding them canonical.
    """

    accelerator_active_mj: Amount
    accelerator_idle_mj: Amount
    accelerator_loaded_idle_mj: Amount
    attribution: Attribution
    duration_us: Amount
    end_us: Amount
    estimated_mj: Amount
    host_cpu_mj: Amount
    host_dram_mj: Amount
    host_other_mj: Amount
    inference_id: str
    input_tokens: Amount | None = None
    model_id: str
    network_mj: Amount
    output_tokens: Amount | None = None
    requests: Amount
    salt: str
    start_us: Amount
    tenant_id: str | None = None
    v: Literal[1]

    @property
    def energy_mj(self) -> int:
        """The sum of all boundaries, in mJ."""
        return sum(getattr(self, name) for name in ENERGIES)


ENERGIES: Final = (
    "accelerator_active_mj",
    "accelerator_idle_mj",
    "accelerator_loaded_idle_mj",
    "host_cpu_mj",
    "host_dram_mj",
    "host_other_mj",
    "network_mj",
)
"""The boundaries of a record and of a window, in mJ; ``estimated_mj`` is the part of their sum that was filled in."""

# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
_DECODER: Final = msgspec.json.Decoder(WindowRecord)
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class WindowRecords:
    """The records of one window in their order, and their leaf hashes (32 bytes each)."""

    records: Sequence[WindowRecord] = ()
    leaves: Sequence[bytes] = ()

    @property
    def merkle_root(self) -> str:
        """The root over the leaves as a digest (RFC 9162 §2.1): ``merkle_root`` of the header."""
        return digests.encode(merkle.root(self.leaves))

    def __len__(self) -> int:
        return len(self.records)


def decode_record(line: bytes) -> WindowRecord:
    """Return the record in its JCS bytes.

    Raises ParsingError (no JSON, not canonical: order, spaces, escapes, a member twice), SchemaInvalidError
    (members, types, floats, ranges), MalformedValueError (salt, ids), ResourceLimitError above 4 KB.
    """
    record = _decode(line, "record")
    _check_texts(record, "record")
    _check_figures(record, "record")
    return record


def read_record(members: JsonObject) -> WindowRecord:
    """Return the record in a parsed object, whatever order its members stood in; raises as decode_record."""
    for name, value in members.items():
        # RFC 8785 writes 1.0 as 1, so the bytes would no longer tell.
        if isinstance(value, float):
            raise SchemaInvalidError(f"record.{name[:40]}: an integer is expected, not a float")
    return decode_record(jcs.canonical_bytes(members))


def encode_record(record: WindowRecord) -> bytes:
    """Return the JCS bytes of a record, read back by decode_record and so raising as it does."""
    line = _ENCODER.encode(record)
    decode_record(line)
    return line


def leaf_of(record: WindowRecord) -> bytes:
    """Return the leaf hash of a record, 32 bytes; as a digest it is ``recordDigest`` of the evidence."""
    return merkle.leaf_hash(encode_record(record))


def decode_records(raw: bytes) -> WindowRecords:
    """Return the records in ``raw``: each in its JCS bytes and followed by a line feed; nothing at all is no records.

    Raises as decode_record, the text beginning with the record's number, and ResourceLimitError above
    50,000 records; MalformedValueError where two share their salt.
    """
    lines = _lines(raw)
    try:
        records = _DECODER.decode_lines(raw)
        canonical = _ENCODER.encode_lines(records) == raw and b"\\" not in raw
    except (msgspec.MsgspecError, UnicodeDecodeError):
        canonical = False
    if not canonical:
        # Which one it is costs a second look that only a refused window pays for.
        records = [_decode(line, f"record {index}") for index, line in enumerate(lines)]
    _check_all(records)
    return WindowRecords(records, _leaves(lines))


def encode_records(records: Sequence[WindowRecord]) -> bytes:
    """Return the lines of all records, read back by decode_records and so raising as it does."""
    raw = _ENCODER.encode_lines(records)
    decode_records(raw)
    return raw


def _lines(raw: bytes) -> list[bytes]:
    if not raw:
        return []
    if not raw.endswith(b"\n"):
        raise ParsingError("records: each record ends with a line feed, the last one too")
    if raw.count(b"\n") > MAX_RECORDS:
        raise ResourceLimitError(f"records: more than {MAX_RECORDS} records in one window")
    lines = raw[:-1].split(b"\n")
    longest = max(map(len, lines))
    if longest > MAX_RECORD_BYTES:
        raise ResourceLimitError(f"records: a record of {longest} bytes; at most {MAX_RECORD_BYTES} are read")
    return lines


def _leaves(lines: Sequence[bytes]) -> list[bytes]:
    """Return merkle.leaf_hash of each line. A copied state saves looking SHA-256 up each time, half of the cost."""
    begun = hashlib.sha256(b"\x00")
    leaves = []
    for line in lines:
        leaf = begun.copy()
        leaf.update(line)
        leaves.append(leaf.digest())
    return leaves


def _decode(line: bytes, what: str) -> WindowRecord:
    if len(line) > MAX_RECORD_BYTES:
        raise ResourceLimitError(f"{what}: {len(line)} bytes; at most {MAX_RECORD_BYTES} are read")
    try:
        record = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise SchemaInvalidError(f"{what}: {_in_ascii(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParsingError(f"{what}: the line is not one JSON object in UTF-8") from error
    # No text that may stand here needs an escape, so a backslash is a second spelling or a forbidden character.
    if _ENCODER.encode(record) != line or b"\\" in line:
        raise ParsingError(f"{what}: the bytes are not the canonical form of the record (RFC 8785, JCS)")
    return record


def _check_all(records: Sequence[WindowRecord]) -> None:
    """Raise as the checks of each record; salts and inference ids are looked at joined."""
    salts = "".join([record.salt for record in records])
    identifiers = "".join([record.inference_id + "\n" for record in records])
    texts_fit = (
        {len(record.salt) for record in records} <= {_SALT_CHARACTERS}
        and _SALTS.fullmatch(salts) is not None
        and _INFERENCE_IDS.fullmatch(identifiers) is not None
        and all(MODEL_ID.fits(model_id) for model_id in {record.model_id for record in records})
        and all(tenant is None or TENANT_ID.fits(tenant) for tenant in {record.tenant_id for record in records})
    )
    for index, record in enumerate(records):
        if not texts_fit:
            _check_texts(record, f"record {index}")
        if record.start_us > record.end_us or record.estimated_mj:
            _check_figures(record, f"record {index}")
    if len({record.salt for record in records}) != len(records):
        raise MalformedValueError("records: a salt stands in two records; each has 16 random bytes of its own")


def _check_texts(record: WindowRecord, what: str) -> None:
    SALT.check(record.salt, f"{what}.salt")
    INFERENCE_ID.check(record.inference_id, f"{what}.inference_id")
    MODEL_ID.check(record.model_id, f"{what}.model_id")
    if record.tenant_id is not None:
        TENANT_ID.check(record.tenant_id, f"{what}.tenant_id")


def _check_figures(record: WindowRecord, what: str) -> None:
    if record.start_us > record.end_us:
        raise SchemaInvalidError(f"{what}.start_us: the record starts after its end, end_us")
    if record.estimated_mj > record.energy_mj:
        raise SchemaInvalidError(f"{what}.estimated_mj: more was estimated than there is energy")


def _in_ascii(error: msgspec.ValidationError) -> str:
    # It may quote the name of a member that a stranger chose.
    return ascii(str(error))[1:-1][:160]
