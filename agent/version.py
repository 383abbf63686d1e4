"""Which agent this is, as it names itself to the issuer."""

from typing import Final

AGENT: Final = "green-agent/0.1.0"
"""Name and version of the program."""
