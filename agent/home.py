"""The agent's folder: ``$GREEN_AGENT_HOME``, or ``~/.local/share/green-agent``, and what stands where in it.

What an enrolment leaves for the daemon:

- ``agent.toml``: ``issuer``, ``node_id``, ``key``; with a TPM ``window_signer = "tpm"``, ``tpm`` (its address), and
  ``chain_pcr`` where it is not 15;
- ``ak.json``: the attestation key (agent.tpm.identity.make_key);
- ``tenants.json``: whom its records may name (agent.tenants);
- ``nonces.json``: the issuer's first nonces (agent.windows.nonces.NonceStore.add);
- ``windows/head``: where the issuer's chain stands (agent.windows.spool.WindowSpool.write_head with
  agent.windows.close.Head). With ``epoch``, ``chain`` and ``clock_ms`` of the opening quote that was sent, the first
  window needs no other opening; without the file the chain begins at number 0 with an opening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VARIABLE: Final = "GREEN_AGENT_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """The agent's folder and what stands where in it."""

    folder: Path

    @property
    def settings_file(self) -> Path:
        """The settings, ``agent.toml``."""
        return self.folder / "agent.toml"

    @property
    def key_file(self) -> Path:
        """The default key, ``node.pem``."""
        return self.folder / "node.pem"

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self.folder / "spool"

    @property
    def credentials(self) -> Path:
        """The folder of credentials that came back."""
        return self.folder / "credentials"

    @property
    def contact_file(self) -> Path:
        """When the issuer was last heard, and what it said."""
        return self.folder / "contact.json"

    @property
    def unmeasured_file(self) -> Path:
        """How much work ran here and was not measured, and why (agent.unmeasured)."""
        return self.folder / "unmeasured"

    @property
    def devices(self) -> Path:
        """The folder of locks that tell which process measures which device."""
        return self.folder / "devices"

    @property
    def windows(self) -> Path:
        """The folder of the window spool."""
        return self.folder / "windows"

    @property
    def nonces_file(self) -> Path:
        """The issuer's nonces that no window has carried yet."""
        return self.folder / "nonces.json"

    @property
    def tenants_file(self) -> Path:
        """The tenants whom the node may name, as the issuer last told (agent.tenants)."""
        return self.folder / "tenants.json"

    @property
    def window_contact_file(self) -> Path:
        """When the issuer last answered for a window, and what it said."""
        return self.folder / "window-contact.json"

    @property
    def ak_file(self) -> Path:
        """From what the TPM makes the attestation key (agent.tpm.identity.make_key writes it)."""
        return self.folder / "ak.json"

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.folder / "daemon.sock"


def home(environment: Mapping[str, str]) -> Home:
    """Return the agent's home: ``$GREEN_AGENT_HOME``, else ``~/.local/share/green-agent``."""
    named = environment.get(VARIABLE)
    folder = Path(named) if named else Path(environment.get("HOME", "/")) / ".local" / "share" / "green-agent"
    return Home(folder.absolute())
