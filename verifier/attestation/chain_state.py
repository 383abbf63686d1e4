"""What is remembered of one node's windows, and what is told of each step. Data only; verifier.attestation.chain steps."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct


class FlagKind(StrEnum):
    """What is told of a window, and does not refuse it."""

    EPOCH_CHANGED = "epoch-changed"
    NODE_KEY_CHANGED = "node-key-changed"
    CLOCK_UNSAFE = "clock-unsafe"
    FIRMWARE_CHANGED = "firmware-changed"
    BOOT_PCRS_CHANGED = "boot-pcrs-changed"
    CHAINED = "chained"
    QUOTED_LATE = "quoted-late"
    TIME_GAP = "time-gap"
    COUNTER_SET_BACK = "counter-set-back"
    ENERGY_GAP = "energy-gap"
    GAP_ACCEPTED = "gap-accepted"
    NONCE_AFTER_END = "nonce-after-end"


class Flag(Struct, frozen=True):
    """One thing to tell: its kind, and the figures in words."""

    kind: FlagKind
    detail: str


class Pace(Struct, frozen=True, forbid_unknown_fields=True):
    """One moment on both clocks: the TPM's in ms, the wall's in µs since 1970."""

    clock_ms: int
    wall_us: int

    def since(self, earlier: Pace) -> tuple[int, int]:
        """Return what went by on the TPM's clock and on the wall's, both in µs."""
        return (self.clock_ms - earlier.clock_ms) * 1000, self.wall_us - earlier.wall_us


class AcceptedGap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An operator's word that windows are lost for good: the next one may follow others than the last here.

    It is used up by the next window that is taken. ``at_us`` is when it was given, ``reason`` why, in words; ``last``
    the newest of the missing windows that the operator was shown, no other is passed over (None: said before this was
    written down, and good for none);
    ``drift`` where what was accepted is not missing windows, but one whose clocks disagree (chain_pace): the very one
    whose digest is ``window`` (None: said before this was written down, and good for none).
    """

    at_us: int
    reason: str = ""
    drift: bool = False
    last: int | None = None
    window: str | None = None


class ChainState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is remembered of one node and one key after its last window. Goes through JSON unchanged.

    ``epoch`` is (reset, restart) of a TPM or (start,) of a software key; ``previous`` the digest of the last
    window; ``end_us`` its end by wall time. Of a TPM besides: ``clock_ms`` its clock at the last quote,
    ``chain_value`` its chain register (base64url), ``firmware`` (hexadecimal), ``boot_digest`` of registers 0
    to 7; and on both clocks ``first``, the first window of this epoch (or a later one that showed that those before it
    were quoted late), and ``arrived``, when a window was quoted and when it came to us: see chain_pace.
    ``counters_mj`` are the accelerators' counters at the last window's end, under whatever key.
    ``borrowed_us`` is how much of the 2 s that two clocks may disagree by is used up by energy: see chain_energy.
    ``key_before`` is the key whose window that was, while none is taken under ``key``. ``accepted_gap``: see chain_gap.
    """

    node_id: str
    key: str
    epoch: tuple[int, ...]
    next_sequence: int = 0
    ak: str | None = None
    previous: str | None = None
    end_us: int | None = None
    clock_ms: int | None = None
    chain_value: str | None = None
    firmware: str | None = None
    boot_digest: str | None = None
    first: Pace | None = None
    arrived: Pace | None = None
    counters_mj: dict[str, int] = {}
    borrowed_us: int = 0
    key_before: str | None = None
    accepted_gap: AcceptedGap | None = None


class Step(Struct, frozen=True):
    """A state and what is to be told of the step that led to it."""

    state: ChainState
    flags: tuple[Flag, ...] = ()


# msgspec 0.22 learns a Struct at its first use, and two threads that use it first together crash the process.
msgspec.json.Decoder(ChainState)
