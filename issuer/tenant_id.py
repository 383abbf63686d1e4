"""The id of a tenant: it stands in URLs and in other identifiers, so its alphabet is small."""

from __future__ import annotations

from typing import Final

from schemas.lexical import Lexical

TENANT_ID: Final = Lexical(
    "a tenant id (1 to 63 of a-z 0-9 and hyphens, no hyphen at either end)", "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
