r"""The header of a window: what is signed, in its JCS bytes (FORMATS.md "Plain JSON: window header").

A TPM's header names the attestation key (``ak``) and the TPM's epoch (``boot`` = reset, restart). A software
key's header has no ``ak``, and its ``boot`` is the agent's start counter (``start``). A chained window has no
``nonce``: the issuer gave none. The first window of an agent has sequence 0 and no ``previous``.

window digest = SHA-256("ecw/1 window\0" || header); qualifying data of the quote =
SHA-256("ecw/1 quote\0" || window digest || nonce), the nonce empty where there is none.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import Final, cast

import msgspec
from msgspec import Struct

from schemas import base64url, digests, jcs, strict_json
from schemas.errors import SchemaInvalidError
from schemas.lexical import DIGEST, STRING
from schemas.merkle import EMPTY_ROOT
from schemas.plain_values import BYTES_32, THUMBPRINT_URI, Constant, Integer, check_canonical
from schemas.shapes import ArrayOf, Choice, Shape, Text, Value
from schemas.strict_json import JsonObject
from schemas.telemetry import NODE_ID
from schemas.terms import METHODS
from schemas.window_record import ENERGIES, MAX_RECORDS

MAX_HEADER_BYTES: Final = 64 * 1024
"""More than a node of 128 accelerators needs."""

MAX_ACCELERATORS: Final = 128
MAX_DURATION_US: Final = 3_600_000_000
"""The longest window, one hour: an agent closes one every ten seconds, and one that slept says so by a gap."""

NONCE_BYTES: Final = 32
SCOPES: Final = ("gpu", "module", "package", "node")
FRESHNESS: Final = ("nonce", "chained")

SOFTWARE_TYP: Final = "ecw-window+jws"
"""``typ`` of the compact JWS by which a software key signs a header: no other token has it, and no TPM makes one."""

_WINDOW_DOMAIN: Final = b"ecw/1 window\x00"
_QUOTE_DOMAIN: Final = b"ecw/1 quote\x00"
_OPENING_DOMAIN: Final = b"ecw/1 open\x00"
_MAX_DEPTH: Final = 3
_UINT32_MAX: Final = 2**32 - 1

# How far the wall clock's length of a window may be from that of CLOCK_BOOTTIME: 2 s and 15 %.
_CLOCK_SLACK_US: Final = 2_000_000
_CLOCK_SLACK_PERCENT: Final = 15


_ACCELERATOR: Final[dict[str, Value]] = {
    "uuid": Text(STRING),
    "model": Text(STRING),
    "scope": Choice(SCOPES),
    "counter_start_mj": Integer(),
    "counter_end_mj": Integer(),
    "energy_mj": Integer(),
}
_BOOT: Final[dict[str, Value]] = {
    "reset": Integer(largest=_UINT32_MAX),
    "restart": Integer(largest=_UINT32_MAX),
    "start": Integer(),
}
_MEMBERS: Final[dict[str, Value]] = {
    "v": Constant(1),
    "node_id": Text(NODE_ID),
    "agent": Text(STRING),
    "key": Text(THUMBPRINT_URI),
    "ak": Text(DIGEST),
    "boot": Shape(_BOOT, frozenset()),
    "sequence": Integer(),
    "previous": Text(DIGEST),
    "records": Integer(largest=MAX_RECORDS),
    "merkle_root": Text(DIGEST),
    "freshness": Choice(FRESHNESS),
    "nonce": Text(BYTES_32),
    "start_us": Integer(),
    "end_us": Integer(),
    "duration_us": Integer(smallest=1, largest=MAX_DURATION_US),
    "measured_us": Integer(largest=MAX_DURATION_US),
    "largest_gap_us": Integer(largest=MAX_DURATION_US),
    "method": Choice(METHODS),
    "simulated": Constant(value=True),
    "accelerators": ArrayOf(Shape(_ACCELERATOR, frozenset(_ACCELERATOR))),
    "unattributed_mj": Integer(),
    "estimated_mj": Integer(),
    **{name: Integer() for name in ENERGIES},
}
SHAPE: Final = Shape(_MEMBERS, frozenset(_MEMBERS) - {"ak", "nonce", "previous", "simulated"})
"""The closed shape; the rules between its members are decode_header's."""


class Boot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The epoch: a TPM's reset and restart counters, or the start counter of an agent with a software key."""

    reset: int | None = None
    restart: int | None = None
    start: int | None = None

    @property
    def epoch(self) -> tuple[int, ...]:
        """The numbers to compare: a later boot has greater ones."""
        return tuple(number for number in (self.reset, self.restart, self.start) if number is not None)

    def __str__(self) -> str:
        return ".".join(map(str, self.epoch))


class Accelerator(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One accelerator's counter at both ends of the window, in mJ, and its difference."""

    uuid: str
    model: str
    scope: str
    counter_start_mj: int
    counter_end_mj: int
    energy_mj: int


class WindowHeader(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One window of one node: energies in mJ, times in µs, the chain to the window before, the records' root.

    ``start_us`` and ``end_us`` are wall time since 1970; ``duration_us``, ``measured_us`` and ``largest_gap_us``
    are by CLOCK_BOOTTIME. ``unattributed_mj`` is the accelerators' energy that belongs to no record.
    """

    v: int
    node_id: str
    agent: str
    key: str
    boot: Boot
    sequence: int
    records: int
    merkle_root: str
    freshness: str
    start_us: int
    end_us: int
    duration_us: int
    measured_us: int
    largest_gap_us: int
    method: str
    accelerators: tuple[Accelerator, ...]
    accelerator_active_mj: int
    accelerator_idle_mj: int
    accelerator_loaded_idle_mj: int
    unattributed_mj: int
    host_cpu_mj: int
    host_dram_mj: int
    host_other_mj: int
    network_mj: int
    estimated_mj: int
    ak: str | None = None
    nonce: str | None = None
    previous: str | None = None
    simulated: bool = False

    @property
    def boot_epoch(self) -> str:
        """``bootEpoch`` of the credential: "12.0" (TPM) or "12" (software key)."""
        return str(self.boot)

    @property
    def accelerators_mj(self) -> int:
        """What all accelerators' counters moved, in mJ."""
        return sum(accelerator.energy_mj for accelerator in self.accelerators)

    @property
    def nonce_bytes(self) -> bytes:
        """The nonce (32 bytes); empty where the window is chained."""
        return b"" if self.nonce is None else base64url.decode(self.nonce)


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(WindowHeader)


def decode_header(raw: bytes) -> WindowHeader:
    """Return the header in its JCS bytes, at most 64 KB.

    Raises ResourceLimitError, ParsingError (no JSON, a member twice, not canonical), MalformedValueError,
    SchemaInvalidError (members, types, floats, and rules: what goes with ``ak`` and ``nonce``, times, and
    active + loaded idle + idle + unattributed = sum of the counters' differences).
    """
    members = strict_json.parse_object(raw, max_bytes=MAX_HEADER_BYTES, max_depth=_MAX_DEPTH)
    check_canonical(raw, members, "header")
    SHAPE.check(members, "")
    header = msgspec.convert(members, WindowHeader)
    _check_links(header)
    _check_times(header)
    _check_energies(header)
    return header


def encode_header(header: WindowHeader) -> bytes:
    """Return the JCS bytes of a header, read back by decode_header and so raising as it does."""
    members = cast("JsonObject", msgspec.to_builtins(header))
    raw = jcs.canonical_bytes(members)
    decode_header(raw)
    return raw


def window_digest(header: bytes) -> bytes:
    r"""Return SHA-256("ecw/1 window\0" || header), 32 bytes: the name of the window, and what PCR 15 is extended by."""
    return hashlib.sha256(_WINDOW_DOMAIN + header).digest()


def quote_qualification(digest: bytes, nonce: bytes) -> bytes:
    r"""Return SHA-256("ecw/1 quote\0" || window digest || nonce), 32 bytes: qualifying data of a window's quote.

    ``nonce`` has 32 bytes, or none for a chained window.
    """
    return hashlib.sha256(_QUOTE_DOMAIN + digest + nonce).digest()


def opening_qualification(previous: str | None, nonce: bytes) -> bytes:
    r"""Return SHA-256("ecw/1 open\0" || digest of the window before || nonce), 32 bytes: of the quote that opens an epoch.

    ``previous`` is None before the first window (32 zero bytes). A quote over a window never passes for one
    that opens, and one that opens at this place of the chain for none at another.
    """
    last = bytes(32) if previous is None else digests.decode(previous)
    return hashlib.sha256(_OPENING_DOMAIN + last + nonce).digest()


def within_clock_slack(first_us: int, second_us: int) -> bool:
    """Return whether two clocks' lengths of the same time agree: within 2 s and 15 % of the second (TCG's bound)."""
    return abs(first_us - second_us) <= clock_slack_us(second_us)


def clock_slack_us(length_us: int) -> int:
    """Return by how much two clocks may disagree on a length of time: 2 s and 15 % (TCG's bound)."""
    return _CLOCK_SLACK_US + _CLOCK_SLACK_PERCENT * max(length_us, 0) // 100


def _check_links(header: WindowHeader) -> None:
    """Hold the parts together that say who signs, in which epoch, after which window, how fresh."""
    names = {name for name in ("reset", "restart", "start") if getattr(header.boot, name) is not None}
    if header.ak is not None and names != {"reset", "restart"}:
        raise SchemaInvalidError("boot: a TPM's epoch is reset and restart, where ak names its key")
    if header.ak is None and names != {"start"}:
        raise SchemaInvalidError("boot: without ak (a software key) it is the agent's start counter, start")
    if (header.nonce is not None) != (header.freshness == "nonce"):
        raise SchemaInvalidError('nonce: it stands there if and only if freshness is "nonce"')
    if (header.previous is None) != (header.sequence == 0):
        raise SchemaInvalidError("previous: every window but the first, sequence 0, names the one before")
    if (header.records == 0) != (header.merkle_root == digests.encode(EMPTY_ROOT)):
        raise SchemaInvalidError(f"merkle_root: it does not belong to a tree of {header.records} leaves")


def _check_times(header: WindowHeader) -> None:
    if header.start_us >= header.end_us:
        raise SchemaInvalidError("start_us: the window must start before its end, end_us")
    if not within_clock_slack(header.duration_us, header.end_us - header.start_us):
        raise SchemaInvalidError("duration_us: it differs by more than 2 s and 15 % from end_us - start_us")
    for name in ("measured_us", "largest_gap_us"):
        if getattr(header, name) > header.duration_us:
            raise SchemaInvalidError(f"{name}: longer than the window, duration_us")


def _check_energies(header: WindowHeader) -> None:
    _check_accelerators(header.accelerators)
    parts = (
        header.accelerator_active_mj
        + header.accelerator_loaded_idle_mj
        + header.accelerator_idle_mj
        + header.unattributed_mj
    )
    if parts != header.accelerators_mj:
        raise SchemaInvalidError(
            f"accelerators: active, loaded idle, idle and unattributed are {parts} mJ together, "
            f"and the counters moved by {header.accelerators_mj} mJ"
        )
    if header.estimated_mj > header.unattributed_mj + sum(getattr(header, name) for name in ENERGIES):
        raise SchemaInvalidError("estimated_mj: more was estimated than there is energy")


def _check_accelerators(accelerators: Sequence[Accelerator]) -> None:
    if len(accelerators) > MAX_ACCELERATORS:
        raise SchemaInvalidError(f"accelerators: {len(accelerators)} of them; at most {MAX_ACCELERATORS} are read")
    uuids = [accelerator.uuid for accelerator in accelerators]
    if any(first >= second for first, second in itertools.pairwise(uuids)):
        raise SchemaInvalidError("accelerators: they stand in the order of their uuid, each once")
    for index, accelerator in enumerate(accelerators):
        if accelerator.counter_end_mj - accelerator.counter_start_mj != accelerator.energy_mj:
            raise SchemaInvalidError(
                f"accelerators[{index}].energy_mj: it is not counter_end_mj - counter_start_mj; a counter that "
                "was set back ends the window before it"
            )
