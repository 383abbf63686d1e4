"""``green-agent run -- CMD``."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import msgspec

from agent.child import cannot_start, exit_like
from agent.cli.call import Call
from agent.clock import SystemClock
from agent.config import Settings
from agent.errors import SettingsError
from agent.retry import TAKEN
from agent.runner import Ran
from agent.runner import run as run_measured
from agent.session import Measurer, open_submitter
from agent.tenants import TenantNames
from agent.unmeasured import NotMeasured, UnmeasuredBook, why
from agent.windows.choose import open_measurer
from agent.windows.client import DaemonSession
from agent.windows.work import check_names
from schemas import decimals
from schemas.errors import GreenError
from schemas.strict_json import JsonObject


def run(call: Call) -> int:
    """Run the command measured; return its exit code, or end by the signal that ended it."""
    options = call.options
    if any(word.startswith("-") for word in options.work):
        raise SettingsError(
            f"put -- before the command, so that its options are its own and ours are ours: "
            f"green-agent run [--model ID] -- {options.work[0]} …"
        )
    work = [*options.work, *call.work]
    if not work:
        raise SettingsError("which command? green-agent run --model ID -- CMD")
    settings = _settings(call)
    # What cannot be is refused before anything runs, also where nothing is going to measure it.
    check_names(options.model or Path(work[0]).name, options.inference_id or "none", options.tenant)
    try:
        session = _open(settings, call)
    except GreenError as error:
        if not settings.strict or isinstance(error, SettingsError):
            raise
        raise SettingsError(f"not started, since it cannot be measured: {why(error)}") from error
    by_daemon = isinstance(session, DaemonSession)
    wait_s = settings.run_submit_s if options.wait is None else options.wait
    try:
        ran = run_measured(
            work,
            session,
            options.model or Path(work[0]).name,
            options.inference_id,
            tenant_id=options.tenant,
            strict=settings.strict,
            submitter=lambda sleep: open_submitter(settings, call.home, SystemClock(), sleep),
            # What the daemon measured is in its window, and it sends that.
            send_within_s=0.0 if by_daemon else wait_s,
        )
    except OSError as error:
        print(f"green-agent: {work[0]}: {error.strerror}", file=sys.stderr)
        return cannot_start(error)
    finally:
        session.close()
    if ran.unmeasured:
        book = UnmeasuredBook(call.home.unmeasured_file, SystemClock())
        book.note(ran.unmeasured)
        book.flush()
    _tell(ran, settings, call, by_daemon=by_daemon)
    if options.summary:
        _summarize(ran, Path(options.summary))
    return exit_like(ran.ended)


def _open(settings: Settings, call: Call) -> Measurer:
    """Return what measures the command. Raises SettingsError, and with ``strict`` whatever keeps it from being measured."""
    try:
        return open_measurer(settings, call.home, call.environment, background=False)
    except SettingsError:
        raise
    except Exception as error:
        if settings.strict:
            raise
        print(f"green-agent: the command runs and is NOT MEASURED: {why(error)}", file=sys.stderr)
        return NotMeasured(why(error), SystemClock())


def _settings(call: Call) -> Settings:
    options = call.options
    settings = call.settings
    if options.gpu:
        settings = msgspec.structs.replace(settings, gpus=tuple(options.gpu))
    if options.meter:
        settings = msgspec.structs.replace(settings, meter=options.meter)
    if options.strict:
        settings = msgspec.structs.replace(settings, strict=True)
    # The command starts once, and is worth a moment's wait.
    wait_s = max(settings.daemon_wait_s, settings.run_daemon_wait_s)
    settings = msgspec.structs.replace(settings, daemon_wait_s=wait_s)
    # The daemon measures what it was told to measure: other devices are this process's own affair.
    if (options.gpu or options.meter) and settings.mode == "auto":
        settings = msgspec.structs.replace(settings, mode="direct")
    return settings


def _tell(ran: Ran, settings: Settings, call: Call, *, by_daemon: bool) -> None:
    lines = list(ran.problems)
    if ran.unmeasured:
        counted = "green-agent status counts it; --strict starts nothing that cannot be measured"
        lines.append(f"{ran.inference_id} was NOT MEASURED: {ran.unmeasured} ({counted})")
    if ran.sent is not None:
        lines += [f"refused: {reason}" for _, reason in ran.sent.rejected]
    if not call.options.quiet and ran.result is not None:
        result = ran.result
        kind = "SIMULATED" if result.simulated else result.method
        kwh = decimals.render(decimals.kwh_from_mj(result.energy_mj))
        flags = f", {', '.join(sorted(result.flags))}" if result.flags else ""
        lines.append(
            f"{result.duration_us / 1e6:.3f} s, {result.energy_mj / 1000:.3f} J = {kwh} kWh ({kind}{flags}), "
            f"{ran.inference_id}: " + ("in the daemon's window" if by_daemon else _whereabouts(ran, settings, call))
        )
        if ran.names:
            several = f" (and {', '.join(ran.names[:-1])})" if ran.names[:-1] else ""
            url = f"{settings.issuer}/api/v1/receipt/{quote(ran.names[-1], safe='')}"
            lines.append(f"receipt, once the issuer has the window: {url}{several}, with an API key of its tenant")
    tenant, names = call.options.tenant, TenantNames(call.home.tenants_file, settings.node_id)
    if by_daemon and tenant is not None and not names.has(tenant):
        # The daemon refuses it once the issuer has told.
        lines.append(f"--tenant {tenant}: {names.unknown(tenant)}")
    for line in lines:
        print(f"green-agent: {line}", file=sys.stderr)


def _whereabouts(ran: Ran, settings: Settings, call: Call) -> str:
    if ran.sent is not None and ran.inference_id in ran.sent.acknowledged:
        kept = call.home.credentials / f"{ran.inference_id}.json"
        return f"credential in {kept}" if settings.keep_credentials else "credential issued"
    if ran.sent is not None and set(ran.records) & set(ran.sent.taken):
        return f"refused, kept in {call.home.spool / 'rejected'}; {TAKEN}"
    if ran.sent is not None and set(ran.records) & {name for name, _ in ran.sent.rejected}:
        return f"refused, kept in {call.home.spool / 'rejected'}; once mended: green-agent submit --retry-rejected"
    why = f" ({ran.sent.failure})" if ran.sent is not None and ran.sent.failure else ""
    return f"kept in the spool{why}; green-agent submit sends it" if ran.records else "not recorded"


def _summarize(ran: Ran, path: Path) -> None:
    result = ran.result
    summary: JsonObject = {
        "inference_id": ran.inference_id,
        "exit_code": ran.ended.code,
        "signal": ran.ended.signal,
        "records": [*ran.records],
        "acknowledged": [*ran.sent.acknowledged] if ran.sent is not None else [],
        "measured": result is not None,
        "problems": [*ran.problems, *([ran.unmeasured] if ran.unmeasured else [])],
    }
    if result is not None:
        summary |= {
            "energy_mj": result.energy_mj,
            "estimated_mj": result.estimated_mj,
            "duration_us": result.duration_us,
            "method": result.method,
            "simulated": result.simulated,
            "flags": [*sorted(result.flags)],
        }
    try:
        path.write_bytes(msgspec.json.encode(summary) + b"\n")
    except OSError as error:
        print(f"green-agent: {path}: {error.strerror}", file=sys.stderr)
