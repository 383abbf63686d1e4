"""``green-agent status``, ``meters`` and ``settings``: what is there."""

from __future__ import annotations

import json

import msgspec

from agent.cli.call import Call
from agent.clock import SystemClock
from agent.config import PREFIX
from agent.errors import MeterError
from agent.meters.check import check
from agent.meters.choose import survey
from agent.meters.protocol import Meter
from agent.retry import TAKEN
from agent.status import Status, WindowStatus, collect
from agent.windows.inspect import inspect_windows
from schemas.strict_json import JsonObject


def status(call: Call) -> int:
    """Show the agent's state; 1 where something needs attention. With ``--acknowledge-lost`` losses are shown once."""
    state = collect(call.settings, call.home, SystemClock(), acknowledge_lost=call.options.acknowledge_lost)
    windows = inspect_windows(call.settings, call.home, SystemClock(), acknowledge_lost=call.options.acknowledge_lost)
    state = msgspec.structs.replace(state, windows=windows)
    if call.options.json:
        print(msgspec.json.encode(state).decode())
        return int(state.needs_attention)
    print(f"node          {state.node_id or 'not enrolled: green-agent enroll --issuer URL --token TOKEN'}")
    print(f"issuer        {state.issuer or '-'}")
    print(f"key           {state.key}")
    print(f"home          {state.home}")
    print(f"backlog       {state.backlog}" + (f", the oldest since {state.oldest}" if state.oldest else ""))
    print(f"acknowledged  {state.acknowledged}, last {state.last_acknowledged or 'never'}")
    if state.failure:
        print(f"last failure  {state.last_failure}: {state.failure}")
    print(f"rejected      {state.rejected}{_after_rejection(state)}")
    for rejection in state.rejections:
        print(f"              {rejection.record}: {rejection.problem}" + (f"; {TAKEN}" if rejection.taken else ""))
    print(f"lost          {state.lost}" + (f", last {state.last_lost}{_after_loss(call)}" if state.lost else ""))
    if windows is not None:
        _show_windows(windows)
    return int(state.needs_attention)


def _show_windows(windows: WindowStatus) -> None:
    running = "measuring" if windows.daemon else "NOT RUNNING (green-agent daemon)"
    print(f"daemon        {running}, windows signed by a {windows.signer} key")
    print(
        f"windows       {windows.backlog} wait, {windows.unsigned} of them unsigned; next number {windows.next_sequence}"
    )
    print(f"              {windows.acknowledged} acknowledged, last {windows.last_acknowledged or 'never'}")
    print(f"              freshness {windows.freshness}, {windows.rejected} refused")
    if windows.failure:
        print(f"              last failure {windows.last_failure}: {windows.failure}")
    if windows.waits_for:
        print(f"              WAITING {windows.waits_for}")
    if windows.problem:
        print(f"              {windows.problem}")
    if windows.killed:
        print(f"              LOST {windows.killed}")
    if windows.gap:
        print(f"              LOST {windows.gap}")


def _after_rejection(state: Status) -> str:
    if not state.rejected:
        return ""
    retry = "--retry-rejected once mended, or " if state.may_be_retried else ""
    return f" (green-agent submit {retry}--discard-rejected)"


def _after_loss(call: Call) -> str:
    return "; counted from 0 now" if call.options.acknowledge_lost else ": make room, then --acknowledge-lost"


def meters(call: Call) -> int:
    """Show the meters of this machine, and with ``--check`` how they behave; 1 where there is none."""
    clock = SystemClock()
    chosen = msgspec.structs.replace(call.settings, gpus=tuple(call.options.gpu or call.settings.gpus))
    found = survey(chosen, call.environment, clock)
    shown = [_described(meter, call.options.check) for meter in found.meters]
    if call.options.json:
        lacks = [{"meter": lack.name, "reason": lack.reason, "remedy": lack.remedy} for lack in found.unavailable]
        print(json.dumps({"meters": shown, "unavailable": lacks}))
        return 0 if shown else 1
    for facts in shown:
        print("  ".join(f"{name}={value}" for name, value in facts.items()))
    for lack in found.unavailable:
        print(f"{lack.name}: not available: {lack.reason}\n  to have it: {lack.remedy}")
    if not shown:
        print("simulator: with meter = auto, figures here are SIMULATED, and every record and credential says so")
    return 0 if shown else 1


def settings(call: Call) -> int:
    """Show every setting, its value, and the variable that sets it."""
    values = msgspec.to_builtins(call.settings)
    if call.options.json:
        print(json.dumps(values))
        return 0
    print(f"# {call.home.settings_file}, then the environment")
    for name, value in values.items():
        print(f"{name} = {json.dumps(value)}  # {PREFIX}{name.upper()}")
    return 0


def _described(meter: Meter, check_s: float | None) -> JsonObject:
    facts: JsonObject = {
        "meter": meter.name,
        "device": meter.device,
        "model": meter.model,
        "scope": meter.scope,
        "method": meter.method,
    }
    try:
        if check_s:
            facts |= msgspec.to_builtins(check(meter, SystemClock(), check_s))
        else:
            reading = meter.read()
            facts |= {"energy_mj": reading.energy_mj, "power_mw": reading.power_mw}
    except MeterError as error:
        facts["problem"] = error.detail
    finally:
        meter.close()
    return facts
