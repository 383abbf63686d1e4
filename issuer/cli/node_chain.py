"""A node's chain of windows in lines for people; ``nodes show --json`` has the same as it is stored."""

from __future__ import annotations

from collections.abc import Iterator

from issuer.cli.output import cell
from schemas.strict_json import Json, JsonObject

_MS_PER_S = 1000


def chain_lines(chain: JsonObject) -> Iterator[str]:
    """Yield what issuer.windows.view.chain_view returned: epoch, windows, the TPM's clock, what waits, what was told."""
    last = chain["last_window"]
    yield "chain:"
    yield f"  epoch: {cell(chain['boot_epoch'])}"
    if not isinstance(last, dict):
        yield "  last window: none yet"
    else:
        yield f"  last window: {cell(last['sequence'])} of epoch {cell(last['boot_epoch'])}"
        yield f"    ended: {cell(last['ended'])}, received {cell(last['received'])}"
        yield f"    records: {cell(last['records'])}, {cell(last['assurance'])}"
        yield f"    digest: {cell(last['window'])}"
    yield f"  next window: {cell(chain['next_sequence'])}"
    clock_ms = chain["tpm_clock_ms"]
    if isinstance(clock_ms, int):
        yield f"  TPM clock: {clock_ms / _MS_PER_S:.3f} s at the last quote"
    yield from _exceptions(chain)
    yield from _flags(chain["flags"])


def _exceptions(chain: JsonObject) -> Iterator[str]:
    refused, accepted = chain["refused"], chain["accepted_gap"]
    if isinstance(refused, dict):
        place = f"window {cell(refused.get('sequence'))} of epoch {cell(refused.get('boot_epoch'))}"
        yield f"  refused: {place}, {cell(refused.get('at'))}: {cell(refused.get('problem'))}"
        yield f"    {cell(refused.get('detail'))}"
    if isinstance(accepted, dict):
        yield f"  accepted gap: {cell(accepted['at'])}, for the next window: {cell(accepted['reason'])}"


def _flags(flags: Json) -> Iterator[str]:
    if not isinstance(flags, list) or not flags:
        yield "  flags: none"
        return
    yield "  flags, the newest first:"
    for flag in flags:
        if isinstance(flag, dict):
            place = f"window {cell(flag['sequence'])} of epoch {cell(flag['boot_epoch'])}"
            yield f"    {place}: {cell(flag['kind'])}: {cell(flag['detail'])}"
