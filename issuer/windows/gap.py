"""An operator's word that windows of a node are lost for good, so that those behind them may be taken. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from issuer.store.errors import ConflictError
from issuer.store.records import NodeRecord
from issuer.windows.check import stored_chain
from verifier.attestation.chain_state import AcceptedGap, ChainState
from verifier.attestation.errors import SequenceGapError


class SeenGap(Struct, frozen=True, kw_only=True):
    """Windows that never came: the first and the last number, the digests of the windows on either side.

    ``last_window`` is the newest that was taken (None before any), ``next_window`` the one that was refused for them.
    """

    first: int
    last: int
    last_window: str | None
    next_window: str

    def __str__(self) -> str:
        """Return it in words, for the audit log."""
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
            f"no window of the node {node.id!r} was refused because others are missing; see green-issuer nodes show"
        )
    state, refusal = found
    accepted = msgspec.structs.replace(state, accepted_gap=AcceptedGap(at_us=now_us, reason=reason))
    return msgspec.json.encode(accepted).decode(), _gap(state, refusal)


def _waiting(node: NodeRecord) -> tuple[ChainState, _Refusal] | None:
    if node.refusal is None:
        return None
    refusal = msgspec.json.decode(node.refusal, type=_Refusal)
    if refusal.problem != SequenceGapError.name:
        return None
    # Of a software key, whose first windows are what is missing, nothing is known but the epoch that it states.
    start = int(refusal.boot_epoch) if node.attestation is None else 0
    state = stored_chain(node, start=start)
    return (state, refusal) if refusal.sequence > state.next_sequence else None


def _gap(state: ChainState, refusal: _Refusal) -> SeenGap:
    return SeenGap(
        first=state.next_sequence,
        last=refusal.sequence - 1,
        last_window=state.previous,
        next_window=refusal.window,
    )
