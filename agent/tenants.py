"""Which tenants the records of this node may name, as the issuer last told: ids and subjects, kept in the home.

The issuer tells it when the node enrols, and with each new window and each answer to a request for nonces. Only what it
told since the daemon began refuses a name: an operator lets a node name others after it is enrolled, and before its
daemon starts. Until then every name passes, those that are not in the home with a warning, and the issuer flags what it
does not take.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from agent.errors import SettingsError
from agent.files import write_file
from agent.windows.work import check_names
from schemas import strict_json
from schemas.errors import FormatError
from schemas.plain_values import TENANT_ID

MAX_NAMES: Final = 1_000
"""An answer with more names is not believed."""

_SHOWN: Final = 5
_MAX_WARNED: Final = 64

_log = logging.getLogger(__name__)


class TenantNames:
    """The names in a file. Any thread may call it."""

    def __init__(self, path: Path, node_id: str) -> None:
        """Go on from what ``path`` holds for the node ``node_id``; a damaged file, or none, says nothing."""
        self._path = path
        self._node_id = node_id
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._heard = False
        self.known = _read(path)
        """The names; None where the issuer has not told them."""

    def learn(self, answer: bytes) -> None:
        """Keep the names in an issuer's answer. One without the member says nothing; null says that they are too many."""
        try:
            members = strict_json.parse_object(answer)
        except FormatError:
            return
        if "tenants" in members:
            told = members["tenants"]
            self._heard = True
            self.keep([name for name in told if isinstance(name, str)] if isinstance(told, list) else None)

    def keep(self, names: Iterable[str] | None) -> None:
        """Keep names that the issuer told, None for none that are known. A disk that is full costs a check alone."""
        given = None if names is None else _checked([*names])
        with self._lock:
            if given == self.known:
                return
            self.known = given
            try:
                if given is None:
                    self._path.unlink(missing_ok=True)
                else:
                    write_file(self._path, msgspec.json.encode(sorted(given)) + b"\n")
            except OSError:
                _log.warning("the names of the node's tenants could not be written", exc_info=True)

    def check(self, tenant_id: str | None) -> None:
        """Raise SettingsError for a tenant whom the node may not name; where that is not known, warn once for each."""
        known = self.known
        if tenant_id is None or self.has(tenant_id):
            return
        if known is not None and self._heard:
            raise SettingsError(f"tenant: {self._refusal(tenant_id, known)}")
        if tenant_id not in self._warned and len(self._warned) < _MAX_WARNED:
            self._warned.add(tenant_id)
            _log.warning("%s", self.unknown(tenant_id), extra={"tenant": tenant_id})

    def has(self, tenant_id: str) -> bool:
        """Return whether a tenant is among the names that are known."""
        return self.known is not None and tenant_id in self.known

    def check_names(self, model_id: str, inference_id: str, tenant_id: str | None = None) -> None:
        """Raise SettingsError for names that a record of this node cannot carry, or may not."""
        check_names(model_id, inference_id, tenant_id)
        self.check(tenant_id)

    def unknown(self, tenant_id: str) -> str:
        """Return what to say of a tenant while the issuer has not told which the node may name."""
        return (
            "the issuer has not told yet that this node may name this tenant; where it may not, the record "
            f"counts for the node's own tenant, until the issuer's operator runs: {self._command(tenant_id)}"
        )

    def _refusal(self, tenant_id: str, known: frozenset[str]) -> str:
        names = sorted(known)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return (
            f'this node may not name "{tenant_id}", only {", ".join(names[:_SHOWN])}{more}. The issuer\'s operator lets '
            f"it: {self._command(tenant_id)}; the node knows with the next window that the issuer takes"
        )

    def _command(self, tenant_id: str) -> str:
        # A subject is a DID or a URL, and the command takes the tenant's id.
        tenant = "TENANT" if ":" in tenant_id else tenant_id
        return f"green-issuer nodes tenants allow {self._node_id} {tenant}"


def _read(path: Path) -> frozenset[str] | None:
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=list[str]))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _checked(names: list[str]) -> frozenset[str] | None:
    """Return names that records can carry; None for what is no list of such."""
    return frozenset(names) if len(names) <= MAX_NAMES and all(map(TENANT_ID.fits, names)) else None
