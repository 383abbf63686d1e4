"""The settings of the verifier's service and command line, read once at the edge.

From a TOML file and ``GREEN_VERIFIER_*`` variables, the variables on top; for example
``GREEN_VERIFIER_PORT=8090`` or ``GREEN_VERIFIER_CORS_ORIGINS=https://a.example,https://b.example``.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from verifier.document import Document
from verifier.errors import UsageError
from verifier.gather import Budget

_LISTS: Final = frozenset({"cors_origins", "hosts", "trusted_proxies"})
PREFIX: Final = "GREEN_VERIFIER_"
SETTINGS_FILE: Final = "GREEN_VERIFIER_SETTINGS"
"""The variable that names the TOML file."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
NoSeconds = Annotated[float, Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting with its unit and default.

    ``development``: allow http, and addresses of this machine's loopback; never in production.
    ``host``, ``port``: where the service listens. ``processes``: how many of the server run.
    ``policy``: path of a policy file (TOML or JSON). ``allow_simulated``: on top of it, accept figures that
    nobody measured; a request may say so for itself too, since it is the one who reads the answer.
    ``fetch_evidence``: also fetch the evidence that a credential names, from hosts contacted anyway.
    ``fetch_timeout_s``: for one whole exchange. ``fetch_max_bytes``: for one body.
    ``max_fetches``: for a credential; a presentation has as many for each of its credentials, up to
    ``max_fetches_presentation``. ``gather_timeout_s``, ``gather_max_bytes``: for all fetches of a verification.
    ``fetch_cache_s``: how long what was fetched is used again, so also how long a revocation may go unnoticed;
    failures for at most 5 s; 0 for not at all.
    ``state_dir``: folder of what must outlive the process: the newest status list seen of each issuer, and the
    challenges given out. Without it, both are forgotten at the end. ``challenge_s``: how long a challenge counts.
    ``challenge_file``: where the challenges stand, if not in ``state_dir``; ``serve`` sets it for its processes.
    ``hosts``: Host headers that are accepted, as ``host`` or ``host:port``; by default any, since nothing is made of them.
    ``header_timeout_s``: how long the headers of a request may take to arrive, and how long a connection may be idle.
    ``body_timeout_s``: how long the body of a request may take to arrive; ``body_stall_timeout_s``: how long the next
    16 KiB of it. ``bodies_max_bytes``: bodies that are being received or in work, all together, in one process.
    ``documents_max_bytes``: memory for what is made of them, as estimated; who finds no room is told to come back.
    ``rate_per_minute``: requests that one client address may make, in one process; 0 for any number.
    ``trusted_proxies``: addresses or networks whose X-Forwarded-For is believed for that; by default it is ignored.
    ``cors_origins``: origins whose pages may call the service; ``*`` for all; empty for none.
    ``concurrent_verifications``: how many documents are judged at once in one process, and
    ``concurrent_gatherings`` for how many evidence is fetched at once; others wait up to ``queue_timeout_s``
    and are then told to come back later.
    """

    development: bool = False
    host: str = "127.0.0.1"
    port: Port = 8090
    processes: Count = 1
    policy: str | None = None
    allow_simulated: bool = False
    fetch_evidence: bool = True
    fetch_timeout_s: Seconds = 5.0
    fetch_max_bytes: Count = 2 * 1024 * 1024
    max_fetches: Count = 8
    max_fetches_presentation: Count = 64
    gather_timeout_s: Seconds = 10.0
    gather_max_bytes: Count = 4 * 1024 * 1024
    fetch_cache_s: NoSeconds = 60.0
    state_dir: str | None = None
    challenge_s: Count = 300
    challenge_file: str | None = None
    hosts: tuple[str, ...] = ()
    header_timeout_s: Seconds = 10.0
    body_timeout_s: Seconds = 15.0
    body_stall_timeout_s: Seconds = 5.0
    bodies_max_bytes: Count = 64 * 1024 * 1024
    documents_max_bytes: Count = 192 * 1024 * 1024
    rate_per_minute: Annotated[int, Meta(ge=0)] = 600
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    concurrent_verifications: Count = 8
    concurrent_gatherings: Count = 64
    queue_timeout_s: Seconds = 5.0

    def __post_init__(self) -> None:
        """Raise ValueError where a trusted proxy is no address or network."""
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"trusted_proxies: {proxy!r} is not an address or network") from error

    def budget(self, document: Document) -> Budget:
        """Return what may be fetched for a document: for each credential as much, up to a cap."""
        held = document.value.get("verifiableCredential")
        credentials = len(held) if isinstance(held, list) else 1
        fetches = min(self.max_fetches * max(1, credentials), max(self.max_fetches, self.max_fetches_presentation))
        return Budget(fetches, self.gather_timeout_s, self.gather_max_bytes)


def challenge_file(settings: Settings) -> str | None:
    """Return the path of the file that the outstanding challenges stand in, None for the process's own memory."""
    if settings.challenge_file is not None or settings.state_dir is None:
        return settings.challenge_file
    return str(Path(settings.state_dir) / "challenges.sqlite")


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the variables that read_settings turns into ``settings`` again, without any file.

    The processes of the service read them: what a file or the command line said must hold there too.
    """
    values = msgspec.to_builtins(settings)
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, list | tuple) else str(value)
        for name, value in values.items()
        if value is not None
    }


def read_settings(environment: Mapping[str, str], toml: bytes | None = None) -> Settings:
    """Return the settings of a TOML file's bytes with the ``GREEN_VERIFIER_*`` variables on top.

    Raises UsageError naming an unknown setting or a value that does not fit.
    """
    try:
        members: dict[str, object] = tomllib.loads(toml.decode("utf-8")) if toml else {}
        for variable, value in environment.items():
            if variable.startswith(PREFIX) and variable != SETTINGS_FILE:
                name = variable.removeprefix(PREFIX).lower()
                members[name] = [part for part in value.split(",") if part] if name in _LISTS else value
        return msgspec.convert(members, Settings, strict=False)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, or a number of more digits than Python reads.
        raise UsageError(f"the settings cannot be read: {error}") from error
