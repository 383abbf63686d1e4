"""What a device did between two neighbouring readings: measured, filled in, or missing. Pure, integers only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from agent.attribution.shares import even_shares
from agent.meters.power import trapezoid_mj
from agent.meters.protocol import Method, Reading, lowest

Flag: TypeAlias = Literal[
    "shorter-than-tick",  # under 100 ms the counter's ticks drown the figure
    "counter-reset",  # the counter fell or started anew: driver reloaded, device reset
    "counter-stuck",  # the counter did not move in a second or more
    "reading-failed",  # the meter gave no reading
    "sampling-gap",  # power was not sampled for a while, the trapezoid spans it
    "power-disagrees",  # the counter and the integral of power differ by more than a tenth
    "shared-in-process",  # several measurements ran at once, each took an even share
    "shared-device",  # another process on this node measures the same device
    "host-not-measured",  # a boundary of the host was not seen all the time, and is left out
]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one device's time.

    Attributes:
        measured_mj: what the meter counted.
        estimated_mj: what was filled in from samples of power.
        missing_ns: part of ``duration_ns`` of which nothing is known.
        power_mj: integral of power over the stretch, for comparison; None where power was not read.
        utilization_percent: of the reading that ends the stretch.
        idle: whether the device said at both ends that it did no work; what began or ended in between is no idling.
        held: whether a compute process held the device at either end, None where neither reading says.
    """

    device: str
    duration_ns: int
    method: Method
    measured_mj: int = 0
    estimated_mj: int = 0
    missing_ns: int = 0
    power_mj: int | None = None
    utilization_percent: int | None = None
    idle: bool = False
    held: bool | None = None
    flags: frozenset[Flag] = frozenset()


def between(last: Reading, now: Reading, method: Method) -> Span:
    """Return the span between two readings of a device whose figures are of grade ``method``.

    NVML counters restart when the driver reloads, so a smaller reading, or one of another epoch, is a reset: how
    much was used meanwhile is estimated from power where both readings have it, else missing; never negative.
    """
    duration_ns = now.boottime_ns - last.boottime_ns
    power_mj = None
    if last.power_mw is not None and now.power_mw is not None:
        power_mj = trapezoid_mj(last.power_mw, now.power_mw, duration_ns)
    held = now.held if last.held is None else last.held or bool(now.held)
    span = Span(
        now.device,
        duration_ns,
        method,
        power_mj=power_mj,
        utilization_percent=now.utilization_percent,
        idle=last.utilization_percent == now.utilization_percent == 0,
        held=held,
    )
    if last.energy_mj is None or now.energy_mj is None:
        return _filled(span, "reading-failed")
    if now.epoch != last.epoch or now.energy_mj < last.energy_mj:
        return _filled(span, "counter-reset")
    energy_mj = now.energy_mj - last.energy_mj
    # Both totals are rounded down on their own, so the estimate may exceed the energy by one.
    estimated_mj = min(now.estimated_mj - last.estimated_mj, energy_mj)
    flags: frozenset[Flag] = frozenset({"sampling-gap"}) if estimated_mj else frozenset()
    return replace(span, measured_mj=energy_mj - estimated_mj, estimated_mj=estimated_mj, flags=flags)


def lost(device: str, duration_ns: int) -> Span:
    """Return the span of a device that gave no reading."""
    flags: frozenset[Flag] = frozenset({"reading-failed"})
    return Span(device, duration_ns, "modelled", missing_ns=duration_ns, flags=flags)


def split(span: Span, count: int) -> list[Span]:
    """Return ``count`` spans that share the energy of ``span`` evenly and sum to it exactly."""
    if count == 1:
        return [span]
    powers: list[int] | list[None] = [None] * count if span.power_mj is None else even_shares(span.power_mj, count)
    return [
        replace(
            span,
            measured_mj=measured_mj,
            estimated_mj=estimated_mj,
            power_mj=power_mj,
            method=lowest((span.method, "partition-estimate")),
            flags=span.flags | {"shared-in-process"},
        )
        for measured_mj, estimated_mj, power_mj in zip(
            even_shares(span.measured_mj, count), even_shares(span.estimated_mj, count), powers, strict=True
        )
    ]


def _filled(span: Span, flag: Flag) -> Span:
    if span.power_mj is None:
        return replace(span, missing_ns=span.duration_ns, method="modelled", flags=frozenset({flag}))
    method = lowest((span.method, "integrated"))
    return replace(span, estimated_mj=span.power_mj, method=method, flags=frozenset({flag}))
