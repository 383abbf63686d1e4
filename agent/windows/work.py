"""A piece of work as a window sees it: whose it is, what it used so far, and its record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from agent.errors import SettingsError
from agent.ledger import Entry
from agent.measurement import Counts, Totals
from agent.meters.protocol import Method, lowest
from agent.span import Flag
from schemas import telemetry
from schemas.errors import FormatError
from schemas.plain_values import TENANT_ID
from schemas.window_record import WindowRecord

_LATE_NS: Final = 100_000_000
"""A counter ticks ten times a second (measurement.md): what is read later than that, and later than a tenth, is no figure."""
_LATE_PARTS: Final = 10
_PART: Final = re.compile(r"~[0-9]+\Z", re.ASCII)

CheckNames: TypeAlias = Callable[[str, str, str | None], None]
"""``check_names``, or one that knows whom the node may name as well."""

LONGEST_ID: Final = 120
"""Characters of an inference id; the rest numbers the parts of long work."""


@dataclass(eq=False, slots=True)
class Work:
    """Work that runs: whose and what it is, its place in the ledger, and what it used so far of the accelerators.

    It began at ``begun_boottime_ns`` for us, and at ``told_boottime_ns`` by its own word, if it gave one.
    """

    inference_id: str
    model_id: str
    tenant_id: str | None
    entry: Entry
    parts: int = 0
    energy_mj: int = 0
    estimated_mj: int = 0
    method: Method = "metered"
    devices: set[str] = field(default_factory=set)
    flags: set[Flag] = field(default_factory=set)
    begun_boottime_ns: int = 0
    told_boottime_ns: int | None = None
    records: list[str] = field(default_factory=list)
    problem: str = ""

    def is_told_too_late(self, ended_ns: int | None, now_ns: int) -> bool:
        """Return whether we heard so late of its start or end that what others used then would be its, or its theirs."""
        began_ns = self.told_boottime_ns
        if began_ns is None or ended_ns is None:
            return False
        late_ns = max(self.begun_boottime_ns - began_ns, now_ns - ended_ns)
        return late_ns > _LATE_NS and late_ns * _LATE_PARTS > ended_ns - began_ns

    def credit(self, totals: Mapping[str, Totals], flags: frozenset[Flag]) -> tuple[int, int]:
        """Add what the accelerators ``totals`` say; return the energy and its estimated part, in mJ."""
        energy_mj = sum(total.measured_mj + total.estimated_mj for total in totals.values())
        estimated_mj = sum(total.estimated_mj for total in totals.values())
        self.energy_mj += energy_mj
        self.estimated_mj += estimated_mj
        self.method = lowest((self.method, *(total.method for total in totals.values())))
        self.devices.update(totals)
        self.flags |= flags
        return energy_mj, estimated_mj

    def record(
        self,
        name: str,
        counts: Counts,
        span_us: tuple[int, int, int],
        used_mj: tuple[int, int],
        salt: str,
        *,
        shared: bool,
    ) -> WindowRecord:
        """Return the record of a part, without the host's energy: that is divided when the window ends.

        ``span_us``: start and end by the wall, duration by CLOCK_BOOTTIME; ``used_mj``: energy and its estimated part.
        """
        return WindowRecord(
            accelerator_active_mj=used_mj[0],
            accelerator_idle_mj=0,
            accelerator_loaded_idle_mj=0,
            # In even parts of the time that they ran together.
            attribution="reserved-time" if shared else "exclusive",
            duration_us=span_us[2],
            end_us=span_us[1],
            estimated_mj=used_mj[1],
            host_cpu_mj=0,
            host_dram_mj=0,
            host_other_mj=0,
            inference_id=name,
            input_tokens=counts.input_tokens,
            model_id=self.model_id,
            network_mj=0,
            output_tokens=counts.output_tokens,
            requests=counts.requests,
            salt=salt,
            start_us=span_us[0],
            tenant_id=self.tenant_id,
            v=1,
        )


def check_names(model_id: str, inference_id: str, tenant_id: str | None = None) -> None:
    """Raise SettingsError for names that a record cannot carry."""
    try:
        telemetry.MODEL_ID.check(model_id, "model_id")
        telemetry.INFERENCE_ID.check(inference_id, "inference_id")
        telemetry.check_new_names(model_id, inference_id)
        if tenant_id is not None:
            TENANT_ID.check(tenant_id, "tenant_id")
    except FormatError as error:
        raise SettingsError(error.detail) from error
    if len(inference_id) > LONGEST_ID:
        raise SettingsError(f"inference_id: at most {LONGEST_ID} characters; the rest numbers long work")
    if _PART.search(inference_id):
        raise SettingsError('inference_id: "~" and a number at its end name the parts of long work; give another')
