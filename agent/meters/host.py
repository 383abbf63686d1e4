"""Which meters of the host this machine has, and which of them the settings count."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.config import Settings
from agent.errors import SettingsError
from agent.meters import rapl, replay
from agent.meters.protocol import HostInventory, HostMeter, Meter, Unavailable
from agent.meters.redfish import RedfishMeter
from agent.meters.redfish_client import RedfishClient

NAMES: Final = ("rapl-package", "rapl-dram", "rapl-psys", "redfish")
"""What ``host_meters`` may name, beside "auto" and "off"."""

_log = logging.getLogger(__name__)


def survey(settings: Settings, clock: Clock, root: Path = rapl.ROOT) -> HostInventory:
    """Return what can be read of the host, all of it, whatever is asked for. Raises SettingsError for the BMC's.

    The BMC's meter is asked from now on and may have no value yet.
    """
    found = rapl.discover(clock, root)
    if not settings.redfish_url:
        lack = Unavailable(
            "redfish",
            "redfish_url is not set",
            "set it to the BMC's or PDU's address: docs/measurement.md",
            absent=True,
        )
        return HostInventory(found.meters, (*found.unavailable, lack), found.unused)
    meter = RedfishMeter(RedfishClient(settings), clock, period_s=settings.redfish_period_s)
    node = HostMeter("node", meter, has_accelerators=settings.redfish_has_gpus, moves=False)
    return HostInventory((*found.meters, node), found.unavailable, found.unused)


def choose(
    settings: Settings, clock: Clock, accelerators: Sequence[Meter], root: Path = rapl.ROOT
) -> tuple[HostMeter, ...]:
    """Return the host's meters that the settings count beside ``accelerators``.

    A meter that cannot be read is told and left out: the accelerators are measured all the same. Beside invented
    figures nothing real is counted. Raises SettingsError for names that are none, or that count the node twice.
    """
    asked = set(settings.host_meters)
    _check(asked)
    if settings.meter == "replay" and "off" not in asked:
        return replay.host(replay.read(Path(settings.replay_file)), clock, loop=settings.replay_loop)
    if "off" in asked or any(meter.simulated for meter in accelerators):
        return ()
    found = survey(settings, clock, root)
    chosen = counted(settings, found, accelerators)
    for one in (*found.meters, *found.unused):
        if one not in chosen:
            one.meter.close()
    for lack in found.unavailable:
        if not lack.absent or lack.name in asked:
            _log.warning(
                "a boundary of the host is not measured",
                extra={"meter": lack.name, "reason": lack.reason, "remedy": lack.remedy},
            )
    return chosen


def counted(settings: Settings, found: HostInventory, accelerators: Sequence[Meter]) -> tuple[HostMeter, ...]:
    """Return those of ``found`` that the settings count beside ``accelerators``."""
    asked = set(settings.host_meters)
    chosen = found.meters if "auto" in asked else (*found.meters, *found.unused)
    # A superchip's module holds CPU and memory: they would be counted twice.
    inside = {"cpu", "dram"} if any(meter.scope != "gpu" for meter in accelerators) else set()
    return tuple(one for one in chosen if ("auto" in asked or one.meter.name in asked) and one.boundary not in inside)


def _check(asked: set[str]) -> None:
    unknown = sorted(asked - {"auto", "off", *NAMES})
    if unknown or not asked or (len(asked) > 1 and asked & {"auto", "off"}):
        raise SettingsError(f"host_meters: auto, off, or some of {', '.join(NAMES)}; not {', '.join(unknown) or asked}")
    if {"rapl-psys", "redfish"} <= asked:
        raise SettingsError("host_meters: rapl-psys and redfish both meter the whole node; name one of them")
