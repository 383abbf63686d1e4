"""The agent's settings: one frozen Struct, read once at the edge.

From ``agent.toml`` in the agent's home (``green-agent enroll`` writes it), then variables ``GREEN_AGENT_…`` (the
field's name in capitals; lists separated by commas); the later wins. The home is ``$GREEN_AGENT_HOME``, or
``~/.local/share/green-agent``; it also holds the key, the spool and the credentials.
"""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from agent.errors import SettingsError
from agent.files import make_folder, write_file
from agent.home import VARIABLE, Home, home
from agent.spool import MAX_BYTES
from did.signers.file import file_uri
from schemas.spelling import near

PREFIX: Final = "GREEN_AGENT_"

_TAKE_AWAY: Final = "; take it away, and green-agent settings lists all there are"

_Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. ``issuer`` and ``node_id`` come with the enrolment."""

    issuer: str = ""
    """Base URL of the issuer, such as ``https://oracle.example``. https, unless ``development`` is set."""

    node_id: str = ""
    """This node's id at the issuer."""

    key: str = ""
    """URI of the key that signs: ``file:PATH``, ``file:PATH?password-file=PATH``, ``pkcs11:…``,
    ``tpm:?seed=PATH``. Default: ``node.pem`` in the home; none where the TPM signs (``window_signer``)."""

    meter: Literal["auto", "nvml", "amd", "replay", "simulator"] = "auto"
    """Which meter: ``nvml``, ``amd``, ``replay`` (of ``replay_file``), ``simulator``, or ``auto``: the GPUs that are
    there, else the simulator."""

    gpus: tuple[str, ...] = ()
    """UUIDs of the GPUs to measure. Default: those of CUDA_VISIBLE_DEVICES, or all."""

    simulator_seed: int = 0
    """Seed of the simulator's load. Default 0."""

    replay_file: str = ""
    """File of readings that ``meter = replay`` gives again, as ``green-agent meters --record`` writes them."""

    replay_loop: bool = True
    """Begin the file again at its end. Default true; else the meter gives no reading then."""

    host_meters: tuple[str, ...] = ("auto",)
    """What the daemon measures of the host: ``auto`` (RAPL where it can be read, Redfish where ``redfish_url`` is
    set), ``off``, or names: ``rapl-package``, ``rapl-dram``, ``rapl-psys``, ``redfish``. Default auto."""

    redfish_url: str = ""
    """The node's BMC or PDU: ``https://bmc.example``, or with the path of the resource that meters this node, such as
    ``/redfish/v1/Chassis/1/EnvironmentMetrics``. Default: none."""

    redfish_login_file: str = ""
    """TOML file (mode 0600) with ``user``, ``password``, and ``mode``: "basic" (the default) or "session"."""

    redfish_ca_file: str = ""
    """PEM file of the authority that signed the BMC's certificate. Default: the system's."""

    redfish_fingerprint: str = ""
    """SHA-256 of the BMC's certificate in hex; then it counts alone. Default: the authorities decide."""

    redfish_period_s: Annotated[float, Meta(ge=0.2, le=3600)] = 1.0
    """How often the BMC is asked, in seconds. Default 1."""

    redfish_has_gpus: bool = True
    """Whether the BMC's figure holds the GPUs' power. Default true; false where they hang on other supplies."""

    slice_s: Annotated[float, Meta(ge=1, le=86_000)] = 3600.0
    """Longest time, in seconds, that one record covers; longer work becomes several. Default an hour; the issuer
    takes at most 24."""

    submit: bool = True
    """Send in the background while something is measured by ``agent.measure``. Default true."""

    submit_timeout_s: _Seconds = 15.0
    """Longest time, in seconds, that one request may take. Default 15."""

    run_submit_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """Longest time, in seconds, that ``green-agent run`` spends on sending after the command. Default 10."""

    keep_credentials: bool = True
    """Keep the credentials that come back, in ``credentials/``. Default true."""

    spool_max_bytes: Annotated[int, Meta(ge=65_536)] = MAX_BYTES
    """Bound of the spool in bytes. Default 1 GiB, about 260,000 records."""

    mode: Literal["auto", "daemon", "direct"] = "auto"
    """Who measures work: the ``daemon``; this process itself (``direct``); ``auto``: the daemon where one answers
    when the process first measures, else directly. Default auto."""

    daemon_wait_s: Annotated[float, Meta(gt=0, le=5)] = 0.05
    """Longest time, in seconds, that work waits for the daemon's answer. Default 0.05."""

    run_daemon_wait_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    """Longest time, in seconds, that ``green-agent run`` waits for each of the daemon's answers, before the command and
    after it. Default 1."""

    strict: bool = False
    """Start no work that cannot be measured: an error instead, in ``agent.measure`` too. Default false: the work runs,
    and what was not measured is told and counted."""

    socket: str = ""
    """Path of the daemon's socket, at most 107 bytes. Default: ``daemon.sock`` in the home."""

    socket_group: str = ""
    """Group that may use the daemon's socket besides its user. Default: none."""

    window_s: Annotated[float, Meta(ge=0.01, le=1800)] = 10.0
    """Length of a window of the daemon in seconds. Default 10."""

    window_signer: Literal["software", "tpm"] = "software"
    """What signs windows: ``software``, the node's ``key``; or ``tpm``, the attestation key in ``ak_file``. Written by
    the enrolment; a TPM that fails never makes the other key sign."""

    tpm: str = "tpm:"
    """Address of the TPM with the attestation key. Default: the first of ``/dev/tpmrm0``, ``/dev/tpm0``."""

    ak_file: str = ""
    """File of the attestation key's seed. Default: ``ak.json`` in the home."""

    metrics: str = ""
    """HOST:PORT where the daemon answers Prometheus; PORT alone is on the loopback. Default: nowhere."""

    chain_pcr: Annotated[int, Meta(ge=8, le=15)] = 15
    """TPM register that holds the chain of windows. Default 15."""

    development: bool = False
    """Allow http to an issuer on this machine's loopback. Default false."""


def load(environment: Mapping[str, str]) -> Settings:
    """Return the settings of a file and an environment. Raises SettingsError naming the field."""
    place = home(environment)
    members: dict[str, object] = {**_from_file(place), **_from_environment(environment)}
    try:
        settings = msgspec.convert(members, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{error}; see {place.settings_file} and the variables {PREFIX}…") from error
    if settings.issuer:
        check_issuer(settings.issuer, development=settings.development)
    # A TPM's node has no other key, and one that is not there is not to be named.
    has_key = settings.key or settings.window_signer == "tpm"
    return settings if has_key else msgspec.structs.replace(settings, key=file_uri(place.key_file))


def check_enrolled(settings: Settings) -> Settings:
    """Return settings that can be measured and sent with. Raises SettingsError where the node is not enrolled."""
    for field in ("issuer", "node_id"):
        if not getattr(settings, field):
            raise SettingsError(
                f"{field} is not set: enrol this node with green-agent enroll --issuer URL --token TOKEN, "
                f"or set {PREFIX}{field.upper()}"
            )
    return settings


def check_issuer(issuer: str, *, development: bool) -> str:
    """Return the issuer's base URL without a slash at its end.

    Raises SettingsError where it is no http(s) URL, or http without ``development`` and a loopback host.
    """
    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
        usable = parts.scheme in {"http", "https"} and host and not (parts.query or parts.fragment or parts.username)
        _ = parts.port
    except ValueError:
        usable, host, parts = False, "", urlsplit("")
    if not usable:
        raise SettingsError(f"issuer: {issuer[:80]!r} is no base URL such as https://oracle.example")
    if parts.scheme == "http" and not (development and is_loopback(host)):
        raise SettingsError(
            "issuer: http is allowed only to this machine's loopback and only with development = true; use https"
        )
    return issuer.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether ``host`` names this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def save(place: Home, members: Mapping[str, object]) -> None:
    """Write the settings file durably (mode 0600). Raises OSError."""
    make_folder(place.folder)
    lines = ["# Written by green-agent enroll. Every setting, and where it can be set: green-agent settings"]
    # JSON's strings, numbers, booleans and lists are TOML's too; settings have nothing else.
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in members.items()]
    write_file(place.settings_file, ("\n".join(lines) + "\n").encode())


def stored(place: Home) -> dict[str, object]:
    """Return the members of the settings file as they stand there, none without a file. Raises SettingsError."""
    path = place.settings_file
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, or a number of more digits than Python reads.
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _from_file(place: Home) -> dict[str, object]:
    members, fields = stored(place), get_type_hints(Settings)
    for name in members:
        if name not in fields:
            raise SettingsError(
                f"{place.settings_file}: {name!r} is no setting of the agent{near(name, fields)}{_TAKE_AWAY}"
            )
    return members


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    fields = get_type_hints(Settings)
    members: dict[str, object] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable == VARIABLE:
            continue
        field = variable.removeprefix(PREFIX).lower()
        if field not in fields:
            meant = near(field, fields, lambda name: PREFIX + name.upper())
            raise SettingsError(f"{variable} is no setting of the agent{meant}{_TAKE_AWAY}")
        members[field] = _list(text) if fields[field] == tuple[str, ...] else text
    return members


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
