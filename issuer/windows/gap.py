"""An operator's word on what stops a node's chain: windows that are lost for good, or one whose clocks disagree. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from issuer.store.errors import ConflictError
from issuer.store.records import NodeRecord
from issuer.windows.check import stored_chain
from verifier.attestation.chain_state import AcceptedGap, ChainState
from verifier.attestation.errors import ClockDriftError, SequenceGapError


class SeenGap(Struct, frozen=True, kw_only=True):
    """Windows that never came: the first and the last number, the digests of the windows on either side.

    ``last_window`` is the newest that was taken (None before any), ``next_window`` the one that was refused for them.
    With ``drift`` none is missing: ``next_window``, of number ``first``, was quoted before it was over, by its TPM's clock.
    """

    first: int
    last: int
    last_window: str | None
    next_window: str
    drift: bool = False

    def __str__(self) -> str:
        """Return it in words, for the audit log."""
        if self.drift:
            return f"window {self.first}, {self.next_window}, after {self.last_window}: its clocks disagree"
        return f"windows {self.first} to {self.last}, after {self.last_window}, before {self.next_window}"


class _Refusal(Struct, frozen=True):
    """What the record of a refused window says of it (issuer.windows.intake)."""

    boot_epoch: str
    sequence: int
    window: str
    problem: str


def seen_gap(node: NodeRecord) -> SeenGap | None:
    """Return the gap that the node's newest refused window stands behind, None where there is none."""
    found = _waiting(node)
    return None if found is None else _gap(*found)


def accept(node: NodeRecord, reason: str, now_us: int) -> tuple[str, SeenGap]:
    """Return the node's chain (JSON) with the gap that was seen accepted, and that gap.

    Raises ConflictError where the node is revoked or no window waits behind a gap, so that nobody allows one ahead.
    """
    if node.state != "active":
        raise ConflictError(f"the node {node.id!r} is revoked; no window of it is taken any more")
    found = _waiting(node)
    if found is None:
        raise ConflictError(
            f"no window of the node {node.id!r} was refused because others are missing, or its clocks disagree; see "
            "green-issuer nodes show"
        )
    state, gap = found[0], _gap(*found)
    # What the operator saw, and no more: were the next window lost too, that is a gap of its own to be looked at.
    last = None if gap.drift else gap.last
    # A drift is that window's: another one under the same number, of whatever length, is not what was shown.
    window = gap.next_window if gap.drift else None
    word = AcceptedGap(at_us=now_us, reason=reason, drift=gap.drift, last=last, window=window)
    return msgspec.json.encode(msgspec.structs.replace(state, accepted_gap=word)).decode(), gap


def _waiting(node: NodeRecord) -> tuple[ChainState, _Refusal] | None:
    if node.refusal is None:
        return None
    refusal = msgspec.json.decode(node.refusal, type=_Refusal)
    if refusal.problem not in (SequenceGapError.name, ClockDriftError.name):
        return None
    # Of a software key, whose first windows are what is missing, nothing is known but the epoch that it states.
    start = int(refusal.boot_epoch) if node.attestation is None else 0
    state = stored_chain(node, start=start)
    is_next = refusal.sequence == state.next_sequence
    stands = is_next if refusal.problem == ClockDriftError.name else refusal.sequence > state.next_sequence
    return (state, refusal) if stands else None


def _gap(state: ChainState, refusal: _Refusal) -> SeenGap:
    drift = refusal.problem == ClockDriftError.name
    return SeenGap(
        first=state.next_sequence,
        last=refusal.sequence if drift else refusal.sequence - 1,
        last_window=state.previous,
        next_window=refusal.window,
        drift=drift,
    )
