"""``green-agent import``."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.cli.call import Call
from agent.clock import SystemClock
from agent.codecarbon import MAX_FILE_BYTES, Refusal, Run, Runs, Zone, read_runs
from agent.config import check_enrolled
from agent.errors import SettingsError
from agent.imports import Imported, import_runs
from agent.retry import printable
from agent.spool import Spool
from did.signers import open_signer
from schemas import decimals, times


def import_records(call: Call) -> int:
    """Put the runs of a file into the spool, each once; 0 where all are there, 1 where some were refused."""
    options, settings = call.options, check_enrolled(call.settings)
    if not settings.key:
        raise SettingsError("this node signs windows with its TPM and posts no records: import on a node with a key")
    clock = SystemClock()
    now = times.from_microseconds(clock.wall_ns() // 1000)
    found = read_runs(
        _content(Path(options.file)),
        now=now,
        zone=_zone(options.timezone),
        model_id=options.model,
        energy=options.energy,
    )
    spool = Spool(call.home.spool, clock, max_bytes=settings.spool_max_bytes)
    try:
        done = import_runs(
            found.runs,
            folder=call.home.folder / "imports",
            node_id=settings.node_id,
            signer=open_signer(settings.key),
            spool=spool,
            dry_run=options.dry_run,
        )
    finally:
        spool.close()
    refused = sorted([*found.refused, *done.refused], key=lambda refusal: refusal.line)
    if options.json:
        print(json.dumps(_described(found, done, refused, dry_run=options.dry_run)))
    else:
        _show(found, done, refused, dry_run=options.dry_run)
    return 1 if refused else 0


def _content(path: Path) -> bytes:
    try:
        # A pipe may never open, and a device never end; what is larger is refused by its size.
        if not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"{path} is no file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def _zone(name: str | None) -> Zone:
    if name is None:
        # Of a time without a zone this takes the machine's.
        return lambda local: local.astimezone(UTC)
    if name == "UTC":
        # Known also where no data of zones is installed.
        return lambda local: local.replace(tzinfo=UTC)
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise SettingsError(f"--timezone: {name[:80]!r} is no zone such as Europe/Paris or UTC") from error
    return lambda local: local.replace(tzinfo=zone).astimezone(UTC)


def _show(found: Runs, done: Imported, refused: list[Refusal], *, dry_run: bool) -> None:
    for run in done.new:
        figures = run.measurement
        kwh = decimals.render(decimals.kwh_from_mj(figures.energy_mj))
        until = times.render_seconds(datetime.fromtimestamp(figures.end_wall_ns // 10**9, UTC))
        print(
            f"line {run.line}: {printable(run.run_id)}, {printable(run.model_id)}, {figures.duration_us / 1e6:.0f} s until "
            f"{until}, {kwh} kWh ({figures.method})"
        )
    for refusal in refused:
        print(f"line {refusal.line}: refused: {printable(refusal.reason)}")
    verb = "would be imported" if dry_run else "imported"
    earlier = f", {found.earlier} earlier states of runs left out" if found.earlier else ""
    print(f"{len(done.new)} {verb}, {len(done.known)} imported before, {len(refused)} refused{earlier}")
    if done.new and not dry_run:
        print("next: green-agent submit")


def _described(found: Runs, done: Imported, refused: list[Refusal], *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "imported": [_run(run) for run in done.new],
        "known": [_run(run) for run in done.known],
        "earlier": found.earlier,
        "refused": [{"line": one.line, "reason": one.reason} for one in refused],
    }


def _run(run: Run) -> dict[str, object]:
    return {
        "line": run.line,
        "inference_id": run.inference_id,
        "model_id": run.model_id,
        "energy_mj": run.measurement.energy_mj,
        "duration_us": run.measurement.duration_us,
        "method": run.measurement.method,
    }
