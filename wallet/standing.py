"""Which of the held credentials others of their issuer have come in place of, by what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from wallet.archive import HeldCredential

SUPERSEDED: Final = "superseded"


class Standings:
    """What is known of each held credential's standing without asking anybody."""

    def __init__(self, held: Iterable[HeldCredential]) -> None:
        """Look at all that is held."""
        # The issuer's own alone: anybody can name a stranger's.
        self._superseded = {(one.issuer, one.claim("supersedes")) for one in held if one.claim("supersedes") != one.id}

    def of(self, one: HeldCredential) -> str:
        """Return ``superseded`` (its issuer revokes it for that), ``provisional``, ``final``, or nothing."""
        return SUPERSEDED if (one.issuer, one.id) in self._superseded else one.claim("claimStatus")
