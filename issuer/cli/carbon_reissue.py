"""``carbon reissue``: provisional credentials are superseded whose grid data have settled, without waiting for the service."""

from __future__ import annotations

import argparse
import sys
from typing import Final

import msgspec

from issuer.addresses import Addresses
from issuer.carbon.known import KnownGrid
from issuer.carbon.sources import OpenSources, open_all
from issuer.cli.carbon_sources import grid_path_of
from issuer.cli.opened import Opened, opened
from issuer.cli.output import Answer
from issuer.clock import SystemClock
from issuer.completion import Completion
from issuer.keyring import Keyring
from issuer.reissue import Reissue, Reissued, Step
from schemas.strict_json import Json
from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess

_ROUND: Final = 100
_SHOWN: Final = ("reissued", "settled", "closed", "failed", "suspended")


async def reissue(arguments: argparse.Namespace) -> Answer:
    """Supersede what can be, and return what came of it. Raises SettingsError, GridFileError, StoreError."""
    progress = _Progress(quiet=arguments.json)
    async with opened(arguments) as issuer:
        sources = open_all(grid_path_of(issuer.settings))
        try:
            done = await _all(_of(issuer, sources), arguments, progress)
        finally:
            await sources.aclose()
            progress.end()
    counted = {name: value for name, value in msgspec.structs.asdict(done).items() if name != "more"}
    items: list[Json] = [msgspec.to_builtins(step) for step in progress.steps]
    told = ", ".join(f"{value} {name}" for name, value in counted.items() if value)
    return Answer(
        value={"dry_run": arguments.dry_run, **counted, "items": items},
        heading=f"Provisional credentials: {told or 'none'}.",
        columns=("credential", "outcome", "successor", "intensity", "detail") if items else (),
        advice=_advice(done, dry_run=arguments.dry_run),
    )


async def _all(worker: Reissue, arguments: argparse.Namespace, progress: _Progress) -> Reissued:
    """Work round after round, until all open claims were looked at once or the limit is reached."""
    done = Reissued()
    while True:
        met = done.reissued + done.settled
        left = _ROUND if arguments.limit is None else min(_ROUND, arguments.limit - met)
        if left <= 0:
            return msgspec.structs.replace(done, more=True)
        step = await worker.run_once(left, dry_run=arguments.dry_run, on_step=progress.heard)
        names = [name for name in Reissued.__struct_fields__ if name != "more"]
        done = Reissued(**{name: getattr(done, name) + getattr(step, name) for name in names})
        if not step.more:
            return done


def _of(issuer: Opened, sources: OpenSources) -> Reissue:
    clock, settings = SystemClock(), issuer.settings
    keyring = Keyring(issuer.store, clock)
    # Nothing of a stranger's is made here, so nothing has to be canonicalized apart.
    engines = Engines(closed=InProcess(), general=InProcess())
    completion = Completion(issuer.store, keyring, clock, engines, self_verify=settings.self_verify == "always")
    return Reissue(
        issuer.store,
        keyring,
        clock,
        Addresses(settings.public_url),
        completion,
        grid=KnownGrid(issuer.store.grid, sources),
        context_form=settings.context_form,
    )


def _advice(done: Reissued, *, dry_run: bool) -> tuple[str, ...]:
    advice = []
    if dry_run and done.settled:
        advice.append("Nothing was changed; the same command without --dry-run supersedes them.")
    if done.waiting:
        advice.append(f"{done.waiting} wait for the grid's data: green-issuer carbon sources shows what is asked for.")
    if done.suspended:
        advice.append(f"{done.suspended} are suspended, and are superseded once they are reinstated.")
    return tuple(advice)


class _Progress:
    """A line on standard error of how far it is, and what was met but for those that wait."""

    def __init__(self, *, quiet: bool) -> None:
        self.steps: list[Step] = []
        self._quiet = quiet or not sys.stderr.isatty()
        self._looked = 0

    def heard(self, step: Step) -> None:
        """Take what became of one credential."""
        self._looked += 1
        if step.outcome in _SHOWN:
            self.steps.append(step)
        if not self._quiet:
            sys.stderr.write(f"\r\033[K{self._looked} looked at, {len(self.steps)} of them acted upon or told of")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if not self._quiet and self._looked:
            sys.stderr.write("\n")
