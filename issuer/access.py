"""What a route asks of its caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from issuer.store.records import Scope

SCOPES: Final[tuple[Scope, ...]] = ("read", "status", "issue", "admin")


class Access(StrEnum):
    """Nothing, a proof in the body, or an API key with a scope."""

    PUBLIC = "public"
    NODE_SIGNATURE = "node-signature"
    INVITE_TOKEN = "invite-token"  # noqa: S105 - the name of a rule, no secret
    READ = "read"
    STATUS = "status"
    ISSUE = "issue"
    ADMIN = "admin"

    @property
    def needs_key(self) -> bool:
        """Whether an API key is required."""
        return self.value in SCOPES
