"""The errors of the contexts.

    UnknownContextError          not one of the pinned URLs
    └── ChangedContextError      pinned, but the file no longer has the pinned digest

This package imports nothing of ours, so they are LookupErrors; the verifier answers both with UNTRUSTED_CONTEXT.
"""

from __future__ import annotations

from typing import ClassVar


class UnknownContextError(LookupError):
    """The URL is not that of a pinned context. Nothing is fetched, so this is final."""

    name: ClassVar[str] = "UNTRUSTED_CONTEXT"

    def __init__(self, url: str, reason: str = "is not a pinned context") -> None:
        """Keep the context's ``url`` and say what is wrong with it."""
        super().__init__(f"{url[:200]!r} {reason}")
        self.url = url


class ChangedContextError(UnknownContextError):
    """The file of a pinned context has another content than the pinned one: refuse to work with it."""
