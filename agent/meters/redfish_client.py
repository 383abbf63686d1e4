"""A BMC or PDU over Redfish (DMTF DSP0266, DSP0268): one connection, credentials from a file, TLS verified or pinned.

Blocking, and as slow as the BMC: only the thread of agent.meters.redfish calls it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import ssl
import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Struct

from agent.config import Settings, is_loopback
from agent.errors import ReadingFailedError, SettingsError

TIMEOUT_S: Final = 10.0
ROOT: Final = "/redfish/v1/"
_MAX_BYTES: Final = 1024 * 1024
_MAX_CHASSIS: Final = 16
_SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
_UNAUTHORIZED: Final = 401
_TOO_MANY_MJ: Final = 10**18


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    """Who reads the BMC. ``mode``: "basic" with every request, or "session": a token, fetched anew when it expires."""

    user: str
    password: str
    mode: str = "basic"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one resource says: energy counter (mJ), power (mW), and the coarse counter (mJ); None where it has none."""

    energy_mj: int | None = None
    power_mw: int | None = None
    coarse_mj: int | None = None

    @property
    def usable(self) -> bool:
        """Whether energy can be had from it."""
        return self.energy_mj is not None or self.power_mw is not None


def read_login(path: Path) -> Login:
    """Return what the TOML file says (``user``, ``password``, ``mode``). Raises SettingsError, also for an open file."""
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"redfish_login_file: others may read {path}: chmod 600 {path}")
        login = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Login)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or "not TOML with user and password"
        raise SettingsError(f"redfish_login_file: {path} cannot be used: {what}") from error
    if login.mode not in {"basic", "session"}:
        raise SettingsError(f'redfish_login_file: mode is "basic" or "session", not {login.mode[:40]!r}')
    return login


def figures(document: object) -> Figures:
    """Return what EnvironmentMetrics, an outlet, a sensor, or the older Power resource says, in integers.

    Of PowerControl the first member counts, which is the chassis; the others are parts of it.
    """
    if not isinstance(document, dict):
        return Figures()
    kind = document.get("ReadingType")
    sensed = {kind: document} if kind in {"EnergyJoules", "EnergykWh"} else {"PowerWatts": document}
    found = sensed if kind is not None else document
    controls = document.get("PowerControl")
    control = controls[0] if isinstance(controls, list) and controls and isinstance(controls[0], dict) else {}
    watts = [found.get("PowerWatts"), control.get("PowerConsumedWatts"), document.get("PowerConsumedWatts")]
    return Figures(
        energy_mj=_thousandths(found.get("EnergyJoules"), 1),
        power_mw=next((mw for one in watts if (mw := _thousandths(one, 1)) is not None), None),
        coarse_mj=_thousandths(found.get("EnergykWh"), 3_600_000),
    )


def _thousandths(value: object, times: int) -> int | None:
    """Return 1,000 times a number, or a sensor's reading, rounded down; None for what is no figure."""
    number = value.get("Reading") if isinstance(value, dict) else value
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return None
    try:
        scaled = int(Decimal(number) * times * 1000)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return scaled if 0 <= scaled < _TOO_MANY_MJ else None


class RedfishClient:
    """Reads one resource again and again. One thread calls it."""

    def __init__(self, settings: Settings, *, timeout_s: float = TIMEOUT_S) -> None:
        """Connect nowhere yet. Raises SettingsError for an address, a fingerprint or a login that cannot be used."""
        parts = _address(settings)
        self.host = parts.hostname or ""
        self._port = parts.port
        self.path = parts.path.rstrip("/")
        self._tls = _tls(settings) if parts.scheme == "https" else None
        self._pin = settings.redfish_fingerprint.replace(":", "").lower()
        self._login = read_login(Path(settings.redfish_login_file)) if settings.redfish_login_file else None
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._token = ""
        self._session = ""

    def read(self) -> Figures:
        """Return the resource's figures. Raises ReadingFailedError with what to do."""
        if self.path in {"", "/redfish", "/redfish/v1"}:
            self.path = self._find()
        return figures(self._get(self.path))

    def close(self) -> None:
        """Give the session back and close the connection; a BMC that does not answer is left."""
        if self._session and self._connection is not None:
            with contextlib.suppress(ReadingFailedError):
                self._exchange("DELETE", self._session, None)
        self._drop()

    def _find(self) -> str:
        """Return the one resource of all chassis that tells energy or power."""
        members = self._get("/redfish/v1/Chassis")
        listed = members.get("Members") if isinstance(members, dict) else None
        paths = [one.get("@odata.id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        usable = []
        for path in [path for path in paths if isinstance(path, str) and path.startswith("/")][:_MAX_CHASSIS]:
            for part in ("EnvironmentMetrics", "Power"):
                candidate = f"{path.rstrip('/')}/{part}"
                try:
                    found = figures(self._get(candidate))
                except ReadingFailedError:
                    continue
                if found.usable:
                    usable.append(candidate)
                    break
        if len(usable) != 1:
            raise ReadingFailedError(
                f"{self.host} has {len(usable)} chassis that tell energy or power: give redfish_url the path of the "
                f"node's own ({', '.join(usable)[:300] or 'see /redfish/v1/Chassis'})"
            )
        return usable[0]

    def _get(self, path: str) -> object:
        if self._login is not None and self._login.mode == "session" and not self._token:
            self._open_session(self._login)
        status, body = self._exchange("GET", path, None)
        if status == _UNAUTHORIZED and self._token:
            self._token = ""
            return self._get_again(path)
        return _document(status, body, f"{self.host}{path}")

    def _get_again(self, path: str) -> object:
        if self._login is not None:
            self._open_session(self._login)
        return _document(*self._exchange("GET", path, None), f"{self.host}{path}")

    def _open_session(self, login: Login) -> None:
        body = json.dumps({"UserName": login.user, "Password": login.password}).encode()
        status, _ = self._exchange("POST", _SESSIONS, body)
        if not self._token:
            raise ReadingFailedError(f"{self.host} gives no session (HTTP {status}): see redfish_login_file")

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        try:
            connection = self._connected()
            connection.request(method, path, body, self._headers(body))
            response = connection.getresponse()
            content = response.read(_MAX_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._drop()
            raise ReadingFailedError(f"{self.host} gives no answer: {_why(error)}") from error
        if len(content) > _MAX_BYTES or response.will_close:
            self._drop()
        if method == "POST" and (token := response.headers.get("X-Auth-Token")):
            self._token, self._session = token, urlsplit(response.headers.get("Location") or "").path
        return response.status, content[:_MAX_BYTES]

    def _headers(self, body: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "OData-Version": "4.0"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["X-Auth-Token"] = self._token
        elif self._login is not None and self._login.mode == "basic":
            both = f"{self._login.user}:{self._login.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(both).decode()
        return headers

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            connection: http.client.HTTPConnection
            if self._tls is None:
                connection = http.client.HTTPConnection(self.host, self._port, timeout=self._timeout_s)
            else:
                connection = http.client.HTTPSConnection(
                    self.host, self._port, timeout=self._timeout_s, context=self._tls
                )
            connection.connect()
            try:
                # Before anything is sent: the login goes to no stranger.
                self._check_pin(connection)
            except ReadingFailedError:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check_pin(self, connection: http.client.HTTPConnection) -> None:
        if self._tls is None or not self._pin:
            return
        socket = connection.sock
        certificate = socket.getpeercert(binary_form=True) if isinstance(socket, ssl.SSLSocket) else None
        found = hashlib.sha256(certificate or b"").hexdigest()
        if not hmac.compare_digest(found, self._pin):
            raise ReadingFailedError(
                f"{self.host} shows a certificate of SHA-256 {found}, not redfish_fingerprint; if the BMC got a new "
                "one, look at it there, and set it"
            )

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _address(settings: Settings) -> SplitResult:
    parts = urlsplit(settings.redfish_url)
    try:
        _ = parts.port
    except ValueError as error:
        raise SettingsError(f"redfish_url: {settings.redfish_url[:80]!r} has no usable port") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise SettingsError(f"redfish_url: {settings.redfish_url[:80]!r} is no URL such as https://bmc.example")
    if parts.scheme == "http" and not (settings.development and is_loopback(parts.hostname)):
        raise SettingsError("redfish_url: http shows the login to everybody on the way; use https")
    return parts


def _tls(settings: Settings) -> ssl.SSLContext:
    pin = settings.redfish_fingerprint.replace(":", "").lower()
    if not pin:
        return ssl.create_default_context(cafile=settings.redfish_ca_file or None)
    if len(pin) != 64 or set(pin) - set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256 in hex
        raise SettingsError(
            "redfish_fingerprint: SHA-256 of the BMC's certificate in hex: openssl x509 -noout -fingerprint -sha256"
        )
    # BMCs mostly show a certificate of their own making; the pin says more than any authority.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _document(status: int, body: bytes, where: str) -> object:
    if status in {401, 403}:
        raise ReadingFailedError(f"{where} wants a login that may read it (HTTP {status}): see redfish_login_file")
    if status != 200:  # noqa: PLR2004 - OK
        raise ReadingFailedError(f"{where} answers HTTP {status}")
    try:
        document: object = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ReadingFailedError(f"{where} answers no JSON") from error
    return document


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}): set redfish_ca_file, or redfish_fingerprint "
            "to the SHA-256 of its certificate"
        )
    return str(error) or type(error).__name__
