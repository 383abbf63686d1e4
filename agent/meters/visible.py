"""Which GPUs the work can see: CUDA_VISIBLE_DEVICES read as CUDA reads it, or UUIDs that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.errors import MeterUnavailableError


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU in NVML's order (by PCI bus id): its UUID, such as "GPU-5fd4f087-…", and its product name."""

    uuid: str
    name: str


def select(
    gpus: Sequence[Gpu], *, asked: Sequence[str] = (), visible: str | None = None, order: str | None = None
) -> tuple[Gpu, ...]:
    """Return the GPUs to be measured.

    Args:
        gpus: all GPUs of the machine, in NVML's order.
        asked: UUIDs (or the beginning of one) that the operator named; they decide alone.
        visible: CUDA_VISIBLE_DEVICES, None where it is not set: then every GPU.
        order: CUDA_DEVICE_ORDER.

    Raises MeterUnavailableError where a name fits no GPU or several, an index does not say which GPU is meant, or
    all are hidden.
    """
    if asked:
        return tuple(dict.fromkeys(_named(gpus, uuid) for uuid in asked))
    if visible is None:
        return tuple(gpus)
    chosen = tuple(dict.fromkeys(_visible(gpus, visible, order)))
    if gpus and not chosen:
        raise MeterUnavailableError("CUDA_VISIBLE_DEVICES hides every GPU")
    return chosen


def _named(gpus: Sequence[Gpu], uuid: str) -> Gpu:
    found = [gpu for gpu in gpus if gpu.uuid.startswith(uuid)]
    if len(found) != 1 or not uuid:
        known = ", ".join(gpu.uuid for gpu in gpus) or "none"
        raise MeterUnavailableError(f"{uuid[:80]!r} names {len(found)} GPUs of this machine; it has: {known}")
    return found[0]


def _visible(gpus: Sequence[Gpu], visible: str, order: str | None) -> list[Gpu]:
    chosen: list[Gpu] = []
    for token in visible.split(","):
        entry = token.strip()
        if entry.startswith("MIG-"):
            raise MeterUnavailableError(
                f"CUDA_VISIBLE_DEVICES names {entry[:80]}: a MIG instance has no meter of its own, only the whole GPU "
                "has; name the parent with --gpu to measure all of it"
            )
        if entry.startswith("GPU-"):
            chosen.append(_named(gpus, entry))
            continue
        # CUDA ends the list at the first entry that is no device, so "0,-1,1" shows device 0 alone.
        if not (entry.isascii() and entry.isdigit()) or int(entry) >= len(gpus):
            break
        chosen.append(_indexed(gpus, int(entry), order))
    return chosen


def _indexed(gpus: Sequence[Gpu], index: int, order: str | None) -> Gpu:
    # CUDA's own order is fastest first; only among equal GPUs, or when told so, is it NVML's order.
    if order != "PCI_BUS_ID" and len({gpu.name for gpu in gpus}) > 1:
        raise MeterUnavailableError(
            "CUDA_VISIBLE_DEVICES gives indexes and the GPUs differ, so the index does not say which GPU is meant: "
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the UUIDs there or with --gpu"
        )
    return gpus[index]
