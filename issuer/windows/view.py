"""A window as it is shown, over HTTP and on the command line. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from issuer.addresses import Addresses
from issuer.export import status_of
from issuer.store.records import NodeRecord, StatusEntryRecord
from issuer.store.window_records import StoredWindow
from schemas import strict_json, times
from schemas.strict_json import Json, JsonObject
from verifier.attestation.chain_state import ChainState

_FLAGS: Final = msgspec.json.Decoder(list[dict[str, str]])


def window_view(window: StoredWindow, issued: StatusEntryRecord | None, addresses: Addresses) -> JsonObject:
    """Return what is known of a window: its place, header, evidence, credential with its status, what was told of it."""
    enrolment = window.enrolment_digest
    return {
        "window": window.digest,
        "node_id": window.node_id,
        "tenant_id": window.tenant_id,
        "boot_epoch": window.epoch,
        "sequence": window.sequence,
        "assurance": window.assurance,
        "records": window.record_count,
        "received": times.render_seconds(times.from_microseconds(window.received_us)),
        "credential": None if issued is None else addresses.credential(issued.credential_id),
        "status": None if issued is None else status_of(issued),
        "evidence": addresses.evidence(window.evidence_digest),
        "enrolment": None if enrolment is None else addresses.enrolment(enrolment),
        "header": strict_json.parse_object(window.header),
        "flags": flags_of(window),
    }


def flags_of(window: StoredWindow) -> list[Json]:
    """Return what was told of a window, each its kind and the figures in words."""
    return [{**flag} for flag in _FLAGS.decode(window.flags)]


def chain_view(node: NodeRecord, last: StoredWindow | None, told: tuple[StoredWindow, ...]) -> JsonObject:
    """Return where a node's chain of windows stands: the last one, what comes next, what was told of the newest.

    ``refused`` is the newest window that did not follow, since the last that did: a gap, a fork, a clock set back.
    ``accepted_gap`` is an operator's word that the next window may follow lost ones, not used up yet.
    """
    state = None if node.chain_state is None else msgspec.json.decode(node.chain_state, type=ChainState)
    return {
        "windows": 0 if state is None else state.next_sequence,
        "next_sequence": 0 if state is None else state.next_sequence,
        "boot_epoch": None if state is None else ".".join(map(str, state.epoch)),
        "tpm_clock_ms": None if state is None else state.clock_ms,
        "last_window": None
        if last is None
        else {
            "window": last.digest,
            "sequence": last.sequence,
            "boot_epoch": last.epoch,
            "ended": times.render_claim(times.from_microseconds(last.end_us)),
            "received": times.render_claim(times.from_microseconds(last.received_us)),
            "records": last.record_count,
            "assurance": last.assurance,
        },
        "accepted_gap": _accepted(state),
        "refused": None if node.refusal is None else strict_json.parse_object(node.refusal.encode()),
        "flags": [
            {"sequence": window.sequence, "boot_epoch": window.epoch, **flag}
            for window in told
            for flag in flags_of(window)
            if isinstance(flag, dict)
        ],
    }


def _accepted(state: ChainState | None) -> Json:
    gap = None if state is None else state.accepted_gap
    if gap is None:
        return None
    return {"at": times.render_seconds(times.from_microseconds(gap.at_us)), "reason": gap.reason or None}
