"""Challenges that this verifier gives out: each counts once, in whichever of its processes it comes back.

The outstanding ones stand in a SQLite file that the processes share, as digests: who reads the file can use none.
A challenge that the file does not have is unknown, and refused; so a file that is lost costs nobody but those who
were about to present.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from schemas import base64url
from verifier.errors import OverloadedError, UsageError
from verifier.presentation import Expectation, Standing

PREFIX: Final = "gcv_"
"""What every challenge of ours begins with; any other is its caller's own to keep account of."""
RANDOM_BYTES: Final = 24
LIFE_S: Final = 300
MAX_OUTSTANDING: Final = 100_000
MAX_DOMAIN: Final = 256
IN_MEMORY: Final = ":memory:"

_BUSY_TIMEOUT_S: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS challenge (
    digest BLOB PRIMARY KEY, domain TEXT, expires INTEGER NOT NULL, spent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS challenge_expires ON challenge (expires)"


class Issued(NamedTuple):
    """A challenge as it is given out: until ``expires`` (UTC, whole seconds), for ``domain`` if one was named."""

    challenge: str
    domain: str | None
    expires: datetime


class Challenges:
    """The challenges of one verifier, in a file that all of its processes open (or in this process's memory).

    When ``redeem`` returns, it is on disk that the challenge is spent. The journal is a rollback journal, not a
    write-ahead log: it is safe with several processes in every version of SQLite, and there is next to nothing
    to read beside the writers. Both methods may be called from any thread.
    """

    def __init__(
        self,
        file: Path | str = IN_MEMORY,
        *,
        life_s: int = LIFE_S,
        max_outstanding: int = MAX_OUTSTANDING,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Open or make ``file``, for its owner alone (0600). Raises UsageError where that cannot be done."""
        self._life = timedelta(seconds=life_s)
        self._max_outstanding = max_outstanding
        self._randomness = randomness
        self._lock = threading.Lock()
        try:
            if str(file) != IN_MEMORY:
                Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(
                file, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode = TRUNCATE").close()
            self._database.execute("PRAGMA synchronous = FULL").close()
            with self._transaction() as database:
                database.execute(_SCHEMA)
                database.execute(_INDEX)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"the file of outstanding challenges, {file}, cannot be used: {error}") from error

    def issue(self, domain: str | None, now: datetime) -> Issued:
        """Return a new challenge of 192 random bits. Raises OverloadedError where too many are outstanding."""
        challenge = PREFIX + base64url.encode(self._randomness(RANDOM_BYTES))
        expires = (now + self._life).astimezone(UTC).replace(microsecond=0)
        with self._writing() as database:
            database.execute("DELETE FROM challenge WHERE expires <= ?", (int(now.timestamp()),))
            (count,) = database.execute("SELECT count(*) FROM challenge").fetchone()
            if count >= self._max_outstanding:
                raise OverloadedError("too many challenges are outstanding; come back when the older ones have expired")
            row = (_digest(challenge), domain, int(expires.timestamp()))
            database.execute("INSERT INTO challenge (digest, domain, expires) VALUES (?, ?, ?)", row)
        return Issued(challenge, domain, expires)

    def redeem(self, expected: Expectation, now: datetime) -> Expectation:
        """Return what a presentation must meet, and spend the challenge, if it is one of ours.

        Of all who redeem one challenge, in whichever process, one gets it as good; to the others it is spent.
        A challenge of another make is returned as it is. Raises OverloadedError where the file cannot be used:
        whether the challenge was used before is then not known.
        """
        if expected.challenge is None or not expected.challenge.startswith(PREFIX):
            return expected
        key = {"digest": _digest(expected.challenge), "now": int(now.timestamp())}
        with self._writing() as database:
            found = database.execute(
                "SELECT domain, spent FROM challenge WHERE digest = :digest AND expires > :now", key
            )
            row = found.fetchone()
            database.execute("UPDATE challenge SET spent = 1 WHERE digest = :digest", key)
        if row is None:
            return expected._replace(standing=Standing.UNKNOWN)
        domain, spent = row
        if spent:
            return expected._replace(standing=Standing.SPENT)
        if domain is not None and expected.domain not in {None, domain}:
            return expected._replace(standing=Standing.FOR_ANOTHER_DOMAIN)
        return expected._replace(domain=expected.domain if domain is None else domain)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._transaction() as database:
                yield database
        except sqlite3.Error as error:
            raise OverloadedError("challenges cannot be looked up at the moment; come back later") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            # The write lock from the start: two who have both read cannot both wait for the other to finish.
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def _digest(challenge: str) -> bytes:
    return hashlib.sha256(challenge.encode()).digest()
