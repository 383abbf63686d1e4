"""Files at the edge: read up to a limit, and replaced at once, without following a link that somebody put there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from verifier.errors import ResourceLimitError

NEW: Final = ".new-"
"""How the names of files begin that are still being written; a crash may leave one."""


def read_whole(path: Path, *, max_bytes: int) -> bytes:
    """Return the bytes of a file. Raises ResourceLimitError above ``max_bytes``, and OSError."""
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ResourceLimitError(f"the file has more than {max_bytes} bytes, which is all that is read")
    return content


def replace_whole(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Write a file so that a reader sees the old one or the new one. Raises OSError.

    A link in its place is replaced, not followed. The umask is taken from ``mode``. ``durable``: a crash of the
    machine leaves the old one or the new one as well.
    """
    temporary = path.with_name(NEW + secrets.token_hex(12))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            if durable:
                opened.flush()
                os.fsync(opened.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
