"""Tokens of providers: read from a file when they are needed, so that one can be changed without a restart; never shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from issuer.carbon.providers.errors import ProviderSettingsError

MAX_BYTES: Final = 4096
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


class TokenFile:
    """A file with one secret on its first line. Its repr names the file alone."""

    def __init__(self, path: str, *, holds: str = "the token") -> None:
        self._path = path
        self._holds = holds

    def __repr__(self) -> str:
        return f"TokenFile({self._path!r})"

    def line(self) -> str:
        """Return the secret, perhaps with spaces within. Raises ProviderSettingsError where the file has none."""
        hint = f"token_file has to be a file with {self._holds} on one line"
        if not self._path:
            raise ProviderSettingsError(f"token_file is not set: {hint}")
        try:
            with Path(self._path).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
            text = raw.decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = type(error).__name__ if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ProviderSettingsError(f"token_file {self._path!r} cannot be read ({reason}): {hint}") from error
        if not text or len(raw) > MAX_BYTES or not text.isprintable():
            raise ProviderSettingsError(f"token_file {self._path!r} is empty, too long or has several lines: {hint}")
        return text

    def token(self) -> str:
        """Return the secret as it can stand in a header. Raises ProviderSettingsError for one with spaces or the like."""
        return checked_token(self.line(), f"token_file {self._path!r}")


def checked_token(text: str, where: str) -> str:
    """Return a token that can stand in a header, and in nothing but its value. Raises ProviderSettingsError."""
    if not _TOKEN.fullmatch(text):
        raise ProviderSettingsError(f"{where} holds characters that no token has (spaces, letters beyond ASCII)")
    return text
