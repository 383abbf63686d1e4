"""What a route asks of its caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from issuer.store.records import Scope

SCOPES: Final[tuple[Scope, ...]] = ("read", "status", "issue", "admin")


class Access(StrEnum):
    """Nothing, a proof in the body, an API key with a scope, or such a key unless the URL itself opens the thing."""

    PUBLIC = "public"
    NODE_SIGNATURE = "node-signature"
    INVITE_TOKEN = "invite-token"  # noqa: S105 - the name of a rule, no secret
    CAPABILITY = "capability"
    """A key with the scope ``read``, but for what its own URL opens: who knows that has what names it already."""
    READ = "read"
    STATUS = "status"
    ISSUE = "issue"
    ADMIN = "admin"

    @property
    def needs_key(self) -> bool:
        """Whether an API key is required."""
        return self.value in SCOPES
