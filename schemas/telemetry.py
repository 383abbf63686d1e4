"""What a node posts for one inference (FORMATS.md "Plain JSON: telemetry"), read strictly.

The signature covers the JCS bytes of the body without ``signature``; an optional member that stands in
the body is covered too. Verifying it is the issuer's: this module has no keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from schemas import base64url, decimals, digests, jcs, strict_json, times
from schemas.errors import MalformedValueError
from schemas.lexical import BASE64URL, POSTED_TIME, Lexical, shown
from schemas.plain_text import why_not_plain
from schemas.quantities import Quantity
from schemas.shapes import Choice, Flag, Shape, Text
from schemas.strict_json import JsonObject
from schemas.terms import METHODS

MAX_BYTES: Final = 16 * 1024
MAX_DURATION_S: Final = 24 * 60 * 60
_PERIOD_TOLERANCE: Final = timedelta(seconds=1)
_SIGNATURE_BYTES: Final = range(64, 513)

NODE_ID: Final = Lexical(
    "a node id (1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit)", "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
)
INFERENCE_ID: Final = Lexical("an inference id (1 to 128 of A-Z a-z 0-9 . _ : ~ -)", "[A-Za-z0-9._:~-]{1,128}")
# Model ids reach pages, logs and CSV: controls, text that reverses or hides, markup and templates are refused.
_NOT_IN_MODEL_ID: Final = (
    r"\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff" r'<>"{}|\\^`'
)
MODEL_ID: Final = Lexical(
    'a model id (1 to 256 printable characters, no space at either end, none of < > " { } | \\ ^ `)',
    rf"[^ {_NOT_IN_MODEL_ID}](?:[^{_NOT_IN_MODEL_ID}]*[^ {_NOT_IN_MODEL_ID}])?",
    max_length=256,
)

_ENERGY_KWH: Final = Quantity(12, Decimal(10**12), "finer than a millijoule is not measured")
_DURATION_S: Final = Quantity(6, Decimal(MAX_DURATION_S), "finer than a microsecond is not measured")
_PERCENT: Final = Quantity(6, Decimal(100), "round it")

SHAPE: Final = Shape(
    {
        "node_id": Text(NODE_ID),
        "model_id": Text(MODEL_ID),
        "inference_id": Text(INFERENCE_ID),
        "timestamp": Text(POSTED_TIME),
        "period_start": Text(POSTED_TIME),
        "duration_s": _DURATION_S,
        "energy_kwh": _ENERGY_KWH,
        "gpu_utilization": _PERCENT,
        "method": Choice(METHODS),
        "simulated": Flag(),
        "signature": Text(BASE64URL),
    },
    frozenset({"node_id", "model_id", "inference_id", "timestamp", "energy_kwh", "signature"}),
)
"""The closed shape of a posted body."""


class TelemetryRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One posted measurement, its values exact and its defaults filled in.

    ``timestamp`` is the end of the period, UTC; ``period_start`` and ``duration_s`` are both None where
    the node gave neither. ``gpu_utilization`` is in percent.
    """

    node_id: str
    model_id: str
    inference_id: str
    timestamp: datetime
    energy_kwh: Decimal
    method: str
    simulated: bool
    signature: bytes
    period_start: datetime | None = None
    duration_s: Decimal | None = None
    gpu_utilization: Decimal | None = None

    @property
    def energy_mj(self) -> int:
        """The energy in whole millijoules, half-even: what a credential's boundary encodes."""
        return decimals.mj_from_kwh(self.energy_kwh)


@dataclass(frozen=True, slots=True)
class PostedTelemetry:
    """A record and the bytes that count: those signed, and those that evidence is kept as."""

    record: TelemetryRecord
    signing_input: bytes
    record_bytes: bytes

    @property
    def body_digest(self) -> str:
        """Digest of the body without its signature: two posts with the same one are the same post."""
        return digests.digest(self.signing_input)

    @property
    def record_digest(self) -> str:
        """Digest of the body with its signature: ``recordDigest`` of the evidence."""
        return digests.digest(self.record_bytes)


def parse_telemetry(raw: bytes) -> PostedTelemetry:
    """Return a posted body (at most 16 KB), read strictly, with its canonical bytes.

    Raises ParsingError, ResourceLimitError, SchemaInvalidError or MalformedValueError.
    """
    body = strict_json.parse_object(raw, max_bytes=MAX_BYTES)
    return PostedTelemetry(read_record(body), signing_input(body), record_bytes(body))


def decode_telemetry(raw: bytes) -> TelemetryRecord:
    """Return the record of a posted body; raises as parse_telemetry."""
    return parse_telemetry(raw).record


def check_new_names(model_id: str, inference_id: str) -> None:
    """Raise MalformedValueError for names that records may have had before, and that no new one may have.

    Stricter than the shape, which evidence of older credentials still has to fit: a model id is plain text
    (schemas.plain_text), and no inference id is "." or "..", which clients take out of a path (RFC 3986 §5.2.4).
    """
    reason = why_not_plain(model_id)
    if reason is not None:
        raise MalformedValueError(f"model_id: {shown(model_id)}: {reason}")
    if inference_id in {".", ".."}:
        raise MalformedValueError(f"inference_id: {shown(inference_id)} means a folder in a path; give it another name")


def signing_input(body: JsonObject) -> bytes:
    """Return what a node signs: the JCS bytes of ``body`` without ``signature``."""
    return jcs.canonical_bytes({name: value for name, value in body.items() if name != "signature"})


def record_bytes(body: JsonObject) -> bytes:
    """Return what is kept as evidence: the JCS bytes of ``body``, with its signature."""
    return jcs.canonical_bytes(body)


def body_digest(body: JsonObject) -> str:
    """Return the digest of the signing input: what makes a retry the same post."""
    return digests.digest(signing_input(body))


def read_record(body: JsonObject) -> TelemetryRecord:
    """Return the record in a parsed body. Raises SchemaInvalidError or MalformedValueError.

    Without ``method`` it is "modelled": the lowest, since nothing better was claimed.
    """
    SHAPE.check(body, "")
    posted = msgspec.convert(body, _Body)
    timestamp = _moment(posted.timestamp)
    start, duration = _period(
        timestamp,
        None if posted.period_start is None else _moment(posted.period_start),
        None if posted.duration_s is None else _DURATION_S.read(posted.duration_s, "duration_s"),
    )
    utilization = posted.gpu_utilization
    return TelemetryRecord(
        node_id=posted.node_id,
        model_id=posted.model_id,
        inference_id=posted.inference_id,
        timestamp=timestamp,
        energy_kwh=_ENERGY_KWH.read(posted.energy_kwh, "energy_kwh"),
        method=posted.method,
        simulated=posted.simulated,
        signature=_signature(posted.signature),
        period_start=start,
        duration_s=duration,
        gpu_utilization=None if utilization is None else _PERCENT.read(utilization, "gpu_utilization"),
    )


class _Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body as posted, once its shape is known."""

    node_id: str
    model_id: str
    inference_id: str
    timestamp: str
    energy_kwh: str | float
    signature: str
    period_start: str | None = None
    duration_s: str | float | None = None
    gpu_utilization: str | float | None = None
    method: str = METHODS[0]
    simulated: bool = False


def _moment(text: str) -> datetime:
    """Return a posted time; trailing zeros of the fraction are tolerated."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return times.parse_claim(f"{whole}.{fraction}Z" if fraction else f"{whole}Z")


def _signature(text: str) -> bytes:
    signature = base64url.decode(text)
    if len(signature) not in _SIGNATURE_BYTES:
        raise MalformedValueError(
            f"signature: {len(signature)} bytes; 64 (ECDSA P-256 as r || s, Ed25519) to 512 (RSA)"
        )
    return signature


def _period(end: datetime, start: datetime | None, duration: Decimal | None) -> tuple[datetime | None, Decimal | None]:
    """Return start and duration, each from the other where only one was posted."""
    if duration == 0:
        raise MalformedValueError("duration_s: a duration is more than zero; leave it out where it is not known")
    if start is None:
        return (None, None) if duration is None else (end - _seconds(duration), duration)
    if start > end or (start == end and duration is not None):
        raise MalformedValueError("period_start: the period must start before its end, the timestamp")
    if end - start > timedelta(seconds=MAX_DURATION_S):
        raise MalformedValueError("period_start: one inference lasts at most 24 hours")
    if duration is None:
        return start, _as_decimal(end - start) if end > start else None
    if abs(end - start - _seconds(duration)) > _PERIOD_TOLERANCE:
        raise MalformedValueError("duration_s: it differs by more than a second from timestamp - period_start")
    return start, duration


def _seconds(duration: Decimal) -> timedelta:
    return timedelta(microseconds=int(duration.scaleb(6)))


def _as_decimal(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)).scaleb(-6)
