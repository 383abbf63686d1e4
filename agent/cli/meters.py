"""``green-agent meters``: what this machine can measure, what it lacks and how to get it; checks; recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from agent.cli.call import Call
from agent.clock import Clock, SystemClock
from agent.config import Settings
from agent.errors import AgentError, MeterError
from agent.meters import host, replay
from agent.meters.check import check
from agent.meters.choose import survey
from agent.meters.protocol import Boundary, HostInventory, HostMeter, Inventory, Meter, Unavailable
from agent.meters.redfish import RedfishMeter
from agent.meters.redfish_client import TIMEOUT_S
from schemas.strict_json import JsonObject

_COLUMNS: Final = (
    "meter",
    "boundary",
    "unit",
    "scope",
    "method",
    "period_s",
    "energy_mj",
    "power_mw",
    "device",
    "model",
)
_NS_PER_MS: Final = 1_000_000


def meters(call: Call) -> int:
    """Show the meters of this machine, and with ``--check`` how they behave; 1 where no accelerator has one."""
    clock = SystemClock()
    settings = msgspec.structs.replace(call.settings, gpus=tuple(call.options.gpu or call.settings.gpus))
    found = survey(settings, call.environment, clock, everything=True)
    of_host = host.survey(settings, clock)
    for one in of_host.meters:
        if isinstance(one.meter, RedfishMeter):
            one.meter.wait(TIMEOUT_S)
    try:
        if call.options.record:
            return _record(call, found, of_host, clock)
        return _show(call, settings, found, of_host, clock)
    finally:
        for meter in (*found.meters, *(one.meter for one in (*of_host.meters, *of_host.unused))):
            meter.close()


def _show(call: Call, settings: Settings, found: Inventory, of_host: HostInventory, clock: Clock) -> int:
    accelerators = [_described(meter, "accelerator", clock, call.options.check) for meter in found.meters]
    counted = host.counted(settings, of_host, found.meters)
    beside = [_of_host(one, clock, call.options.check, counted) for one in (*of_host.meters, *of_host.unused)]
    lacks = (*found.unavailable, *of_host.unavailable)
    if call.options.json:
        print(json.dumps({"meters": accelerators, "host": beside, "unavailable": [_lack(lack) for lack in lacks]}))
        return 0 if accelerators else 1
    if call.options.check:
        for facts in (*accelerators, *beside):
            print("  ".join(f"{name}={value}" for name, value in facts.items()))
    else:
        _table([*accelerators, *beside])
    for lack in lacks:
        print(f"{lack.name}: not available: {lack.reason}\n  to have it: {lack.remedy}")
    if not accelerators:
        print("simulator: with meter = auto, figures here are SIMULATED, and every record and credential says so")
    return 0 if accelerators else 1


def _of_host(one: HostMeter, clock: Clock, check_s: float | None, counted: Sequence[HostMeter]) -> JsonObject:
    return {**_described(one.meter, one.boundary, clock, check_s), "counted": one in counted}


def _described(meter: Meter, boundary: str, clock: Clock, check_s: float | None) -> JsonObject:
    facts: JsonObject = {
        "meter": meter.name,
        "boundary": boundary,
        "device": meter.device,
        "model": meter.model,
        "unit": meter.unit,
        "scope": meter.scope,
        "method": meter.method,
        "period_s": meter.period_s,
    }
    try:
        if check_s:
            facts |= msgspec.to_builtins(check(meter, clock, check_s))
        else:
            reading = meter.read()
            facts |= {
                "energy_mj": reading.energy_mj,
                "power_mw": reading.power_mw,
                "utilization_percent": reading.utilization_percent,
                "held": reading.held,
                "age_ms": max(0, clock.boottime_ns() - reading.boottime_ns) // _NS_PER_MS,
            }
    except AgentError as error:
        facts["problem"] = error.detail
    return facts


def _table(rows: Sequence[JsonObject]) -> None:
    if not rows:
        return
    texts = [_COLUMNS, *([_text(facts.get(name)) for name in _COLUMNS] for facts in rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(_COLUMNS))]
    notes = ["", *(_note(facts) for facts in rows)]
    for row, note in zip(texts, notes, strict=True):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + note)


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _note(facts: JsonObject) -> str:
    if "problem" in facts:
        return f"\n  no reading: {facts['problem']}"
    return "\n  not counted: see host_meters" if facts.get("counted") is False else ""


def _lack(lack: Unavailable) -> JsonObject:
    return {"meter": lack.name, "reason": lack.reason, "remedy": lack.remedy}


def _record(call: Call, found: Inventory, of_host: HostInventory, clock: Clock) -> int:
    chosen: list[tuple[Meter, Boundary | None]] = [(meter, None) for meter in found.meters]
    chosen += [(one.meter, one.boundary) for one in of_host.meters]
    if not chosen:
        print("nothing can be measured here, so there is nothing to record; see green-agent meters")
        return 1
    path = Path(call.options.record)
    try:
        count = replay.record(path, chosen, clock, call.options.record_s)
    except (OSError, MeterError) as error:
        print(f"{path} was not written: {error}")
        return 1
    print(f"{path}: {count} readings of {len(chosen)} meters; given again by meter = replay, replay_file = {path}")
    return 0
