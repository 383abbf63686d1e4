"""The issuer's settings: one frozen Struct, read once at the edge.

From a TOML file (``--config``), then variables ``GREEN_ISSUER_…`` (the field's name in capitals; lists
separated by commas), then options of the command line; the later wins. A relative path in the file is
relative to the working directory, as everywhere else.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from issuer.claims.completeness import CompletenessPolicy
from issuer.errors import IssuanceError
from schemas import decimals
from schemas.errors import FormatError
from schemas.spelling import near

PREFIX: Final = "GREEN_ISSUER_"

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Bytes = Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)]
_Seconds = Annotated[float, Meta(gt=0, le=3600)]
_Port = Annotated[int, Meta(ge=1, le=65535)]

# The scheme, a host name or address, perhaps a port; nothing else, since did:web is derived from it and
# the root document stands at /.well-known/did.json.
_PUBLIC_URL: Final = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_ENDS_WITH_PORT: Final = re.compile(r":[0-9]{1,5}\Z", re.ASCII)
_LARGEST_PORT: Final = 65535
_ORIGIN: Final = _PUBLIC_URL


class SettingsError(IssuanceError):
    """The settings cannot be used; the detail names the field and where to set it."""

    name = "SETTINGS"
    title = "The settings cannot be used"
    status = 500


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Only ``public_url`` has no default."""

    public_url: str
    """Where the service is reached from outside: scheme, host and port, nothing else. The issuer's did:web,
    the ids of credentials and the accepted Host header come from it. It can never be changed later
    without a new identity."""

    development: bool = False
    """Allow a ``public_url`` of http and of a loopback host. Default false."""

    data_dir: str = "green-issuer-data"
    """Folder of the database and the signing keys, made by ``green-issuer init`` with mode 0700."""

    database_url: str = ""
    """``sqlite:///path`` or ``postgresql://user@host/name``. Default: SQLite in ``data_dir``/issuer.db."""

    host: str = "127.0.0.1"
    """Address that the service listens on. Default loopback: a proxy that speaks TLS stands in front."""

    port: _Port = 8080
    """Port that the service listens on. Default 8080; with ``development`` the port of ``public_url``, if it has
    one: nothing stands in front of the service then."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Worker processes. More than one needs PostgreSQL, and a migrated database. Default 1."""

    node_rate_per_minute: _Count = 600
    """Telemetry records that one node may send, a minute and worker. Default 600."""

    key_rate_per_minute: _Count = 100
    """Requests that one API key may make, a minute and worker. Default 100."""

    refused_rate_per_minute: _Count = 60
    """Refused requests (no valid key, no valid signature, not readable) that one client address may make, a
    minute and worker; those after that are answered 429 in place of the reason. Default 60."""

    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from (``https://app.example``). Default none."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose X-Forwarded-For is believed for rate limits. Default none: the header is
    ignored. X-Forwarded-Host is never believed."""

    extra_hosts: tuple[str, ...] = ()
    """Host headers accepted besides the public URL's, as ``host`` or ``host:port`` (a health check inside the
    cluster). Default none."""

    context_form: Literal["inline", "url"] = "inline"
    """How our JSON-LD context stands in credentials: ``inline`` lets anyone verify without fetching it."""

    self_verify: Literal["always", "off"] = "always"
    """Verify each signature just made before it is stored. Default always."""

    status_list_size: Annotated[int, Meta(ge=131_072, le=2_097_152)] = 131_072
    """Entries of a new status list, a multiple of 8. Default 131,072, the least that gives herd privacy
    (StatusList2021 §7). At most 2,097,152: bits that do not compress then take 350 KB as base64, and a document
    of more than 512 KiB is neither signed here nor read elsewhere."""

    status_max_age_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """Seconds that a status list may be cached, and so the longest that a revocation stays unseen. Default 60."""

    telemetry_max_bytes: _Bytes = 16 * 1024
    """Largest telemetry record read, in bytes. Default 16 KiB."""

    body_max_bytes: _Bytes = 64 * 1024
    """Largest body read on the other routes, in bytes. Default 64 KiB."""

    header_timeout_s: _Seconds = 10.0
    """Seconds in which a request's headers must arrive, and a connection may be idle. Default 10."""

    body_timeout_s: _Seconds = 10.0
    """Seconds in which a request's body must arrive. Default 10."""

    header_max_bytes: _Bytes = 32 * 1024
    """Largest sum of a request's headers, in bytes. Default 32 KiB."""

    header_max_count: _Count = 100
    """Most headers of a request. Default 100."""

    invite_ttl_hours: Annotated[int, Meta(ge=1, le=24 * 30)] = 24
    """Hours that an enrolment token stays valid, 720 at most. Default 24."""

    full_coverage: str = "0.99"
    """Share of a window's time that has to be measured for a full claim; below it the window is flagged, and the gap
    counts in its uncertainty. A decimal from 0 to 1. Default 0.99."""

    least_coverage: str = "0.9"
    """Share of a window's time that has to be measured for credentials of single inferences. The window itself is
    taken whatever its coverage. A decimal from 0 to ``full_coverage``. Default 0.9."""

    grid_file: str = ""
    """TOML file of grid sources (who is asked for the carbon intensity of which region, in which order). Default none:
    every claim is made by the bundled annual tables, and nobody is asked."""

    migrate_on_start: bool = True
    """Bring the database's schema up to date at start, once, whatever the number of workers. With false the
    service refuses to start on another schema, and says to run ``green-issuer db upgrade``. Default true."""

    log_format: Literal["json", "console"] = "json"
    """One JSON object a line, or text for a terminal. Default json."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is logged. Default info."""

    @property
    def completeness(self) -> CompletenessPolicy:
        """The policy of ``full_coverage`` and ``least_coverage``."""
        return CompletenessPolicy(decimals.parse(self.full_coverage), decimals.parse(self.least_coverage))

    @property
    def store_url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_path / 'issuer.db'}"

    @property
    def data_path(self) -> Path:
        """``data_dir`` as an absolute path."""
        return Path(self.data_dir).expanduser().absolute()

    @property
    def keys_path(self) -> Path:
        """Folder of the signing keys that ``init`` and ``keys rotate`` make."""
        return self.data_path / "keys"

    @property
    def grid_path(self) -> Path | None:
        """``grid_file`` as an absolute path, None where there is none."""
        return Path(self.grid_file).expanduser().absolute() if self.grid_file else None

    @property
    def hosts(self) -> frozenset[str]:
        """Host headers that are accepted, in lower case."""
        return frozenset({urlsplit(self.public_url).netloc, *(host.lower() for host in self.extra_hosts)})


_FIELDS: Final = get_type_hints(Settings)
LIST_FIELDS: Final = frozenset(name for name, hint in _FIELDS.items() if hint == tuple[str, ...])


def load(
    *,
    environment: Mapping[str, str],
    config: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of a TOML file, the environment and the command line's ``overrides`` (None: not given).

    Raises SettingsError, which names the field.
    """
    values: dict[str, object] = _from_file(config) if config is not None else {}
    values |= _from_environment(environment)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    if "public_url" not in values:
        raise SettingsError(
            "public_url is not set: give --public-url https://issuer.example, set GREEN_ISSUER_PUBLIC_URL, "
            "or write it into the file of --config"
        )
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"a setting cannot be used: {error}") from error
    settings = _checked(settings)
    return settings if "port" in values else _with_port(settings)


def _with_port(settings: Settings) -> Settings:
    """Return the settings with the default of ``port``."""
    port = int(settings.public_url.rpartition(":")[2]) if _ENDS_WITH_PORT.search(settings.public_url) else 0
    if not settings.development or not 0 < port <= _LARGEST_PORT:
        return settings
    return msgspec.structs.replace(settings, port=port)


def _from_file(path: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # ValueError: not UTF-8, not TOML, or a number of more digits than Python reads.
        raise SettingsError(f"{path} is not TOML: {error}") from error
    for name in values:
        if name not in _FIELDS:
            raise SettingsError(f"{path}: {name!r} is no setting of the issuer{near(name, _FIELDS)}")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in _FIELDS:
            meant = near(name, _FIELDS, lambda field: PREFIX + field.upper())
            raise SettingsError(f"{variable} is no setting of the issuer{meant}")
        values[name] = [part.strip() for part in text.split(",") if part.strip()] if name in LIST_FIELDS else text
    return values


def _checked(settings: Settings) -> Settings:
    if not _PUBLIC_URL.fullmatch(settings.public_url):
        raise SettingsError(
            f'public_url {settings.public_url!r} is not a scheme, host and port in lower case, such as "https://issuer.example"'
        )
    if not settings.development:
        _check_public(urlsplit(settings.public_url).scheme, urlsplit(settings.public_url).hostname or "")
    if settings.status_list_size % 8:
        raise SettingsError("status_list_size is not a multiple of 8")
    if settings.workers > 1 and settings.store_url.startswith("sqlite"):
        raise SettingsError("several workers need PostgreSQL: set database_url, or workers to 1")
    _check_coverage(settings)
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(f'cors_origins: {origin!r} is not an origin such as "https://app.example"')
    for proxy in settings.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise SettingsError(f"trusted_proxies: {proxy!r} is not an address or network") from error
    return settings


def _check_coverage(settings: Settings) -> None:
    try:
        policy = settings.completeness
    except FormatError as error:
        raise SettingsError(f"full_coverage, least_coverage: {error.detail}") from error
    if not 0 <= policy.least <= policy.full <= 1:
        raise SettingsError("full_coverage is a decimal from 0 to 1, and least_coverage one from 0 to full_coverage")


def _check_public(scheme: str, host: str) -> None:
    hint = "; set development = true to try things out on this machine"
    if scheme != "https":
        raise SettingsError("public_url is not https" + hint)
    if host == "localhost" or host.endswith(".localhost"):
        raise SettingsError("public_url is a loopback host" + hint)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    raise SettingsError("public_url is an IP address, which did:web does not allow: give it a host name")
