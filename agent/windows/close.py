"""A window's place in the chain: header bytes, records, Merkle root, digest. Pure.

Sequence numbers have no gaps, ``previous`` is the digest of the window before, and the header says in which epoch it
was made: a TPM's reset and restart counters, or the start counter of an agent whose key is software. By that, and by
``ak``, everybody sees which kind of key signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from agent.version import AGENT
from agent.windows.telemetry import TelemetryWindow
from schemas import digests
from schemas.window_header import Boot, WindowHeader, encode_header, window_digest
from schemas.window_record import decode_records

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs: the node, the key's thumbprint URI, and the digest of its public area where it is a TPM's."""

    node_id: str
    key: str
    ak: str | None = None


class Head(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the chain stands: the next sequence number, and what is known of the window before it.

    ``previous`` is None before the first; ``end_us`` where the last window ended; ``epoch`` that of the last one;
    ``chain`` (base64url) what a TPM's register held after it, empty where it is not known; ``clock_ms`` the TPM's
    clock when it was quoted.
    """

    node_id: str
    next_sequence: int = 0
    previous: str | None = None
    end_us: int = 0
    epoch: tuple[int, ...] = ()
    chain: str = ""
    clock_ms: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """A window as it is signed: header (JCS), records (a line each), and the digest of the window (32 bytes)."""

    header: bytes
    records: bytes
    digest: bytes
    sequence: int
    end_us: int


def close_window(window: TelemetryWindow, identity: Identity, head: Head, boot: Boot, nonce: str | None) -> Closed:
    """Return ``window`` as the next one after ``head``; ``nonce`` None where the issuer gave none.

    Header and records are read back by the format's own strict readers: what the issuer would refuse for its shape
    is never signed. Raises FormatError.
    """
    lines = _ENCODER.encode_lines(window.records)
    records = decode_records(lines)
    header = encode_header(
        WindowHeader(
            v=1,
            node_id=identity.node_id,
            agent=AGENT,
            key=identity.key,
            ak=identity.ak,
            boot=boot,
            sequence=head.next_sequence,
            previous=head.previous,
            records=len(records),
            merkle_root=records.merkle_root,
            freshness="chained" if nonce is None else "nonce",
            nonce=nonce,
            start_us=window.start_us,
            end_us=window.end_us,
            duration_us=window.duration_us,
            measured_us=window.measured_us,
            largest_gap_us=window.largest_gap_us,
            method=window.method,
            simulated=window.simulated,
            accelerators=window.accelerators,
            accelerator_active_mj=window.active_mj,
            accelerator_idle_mj=window.idle_mj,
            accelerator_loaded_idle_mj=window.loaded_idle_mj,
            unattributed_mj=window.unattributed_mj,
            host_cpu_mj=window.host_cpu_mj,
            host_dram_mj=window.host_dram_mj,
            host_other_mj=window.host_other_mj,
            network_mj=0,
            estimated_mj=window.estimated_mj,
        )
    )
    return Closed(header, lines, window_digest(header), head.next_sequence, window.end_us)


def after(head: Head, closed: Closed, epoch: tuple[int, ...], chain: str = "") -> Head:
    """Return where the chain stands after a window."""
    return Head(
        node_id=head.node_id,
        next_sequence=closed.sequence + 1,
        previous=digests.encode(closed.digest),
        end_us=closed.end_us,
        epoch=epoch,
        chain=chain,
        clock_ms=head.clock_ms,
    )
