"""The agent's folder: ``$GREEN_AGENT_HOME``, or ``~/.local/share/green-agent``, and what stands where in it."""

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
    def devices(self) -> Path:
        """The folder of locks that tell which process measures which device."""
        return self.folder / "devices"


def home(environment: Mapping[str, str]) -> Home:
    """Return the agent's home: ``$GREEN_AGENT_HOME``, else ``~/.local/share/green-agent``."""
    named = environment.get(VARIABLE)
    folder = Path(named) if named else Path(environment.get("HOME", "/")) / ".local" / "share" / "green-agent"
    return Home(folder.absolute())
