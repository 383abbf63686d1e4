"""Signing keys in files: ``file:PATH[?password-file=PATH]``, PKCS #8 in PEM (RFC 7468, RFC 5958)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from did.algorithms import Algorithm, VendorPrivateKey
from did.errors import SignerError, SignerUriError
from did.signers.software import SoftwareSigner, generate_private_key

_SCHEME: Final = "file:"
_MAX_FILE_BYTES: Final = 64 * 1024
_OWNER_ONLY: Final = 0o600


def open_file(uri: str, password: bytes | None = None) -> SoftwareSigner:
    """Return the signer of a ``file:`` URI.

    The password is taken from ``password-file``, else from ``password``. Raises SignerUriError, and
    SignerError where the file is missing, readable by others, not PKCS #8 PEM, or the password is wrong.
    """
    path, password_file = _read_uri(uri)
    if password_file is not None:
        password = read_secret(password_file)
    return SoftwareSigner(_load(path, _read_private(path), password))


def generate_file_key(path: str | Path, algorithm: Algorithm, password: bytes | None = None) -> SoftwareSigner:
    """Return the signer of a new key, written to ``path`` for its owner alone (0600) and synced to disk.

    Encrypted if a password is given. Raises SignerError where the file exists: a key is never overwritten.
    """
    path = Path(path)
    key = generate_private_key(algorithm)
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        _write_new(path, pem)
    except FileExistsError as error:
        raise SignerError(f"{path} exists; a signing key is never overwritten, choose another path") from error
    except OSError as error:
        raise SignerError(f"the signing key cannot be written to {path}: {error.strerror}") from error
    return SoftwareSigner(key)


def file_uri(path: str | Path, password_file: str | Path | None = None) -> str:
    """Return the ``file:`` URI of a key's absolute path."""
    uri = _SCHEME + _quote(path)
    return uri if password_file is None else f"{uri}?password-file={_quote(password_file)}"


def absolute_uri(uri: str) -> str:
    """Return a ``file:`` URI with absolute paths, so that it means the same in every folder; any other as it is.

    Raises SignerUriError.
    """
    return file_uri(*_read_uri(uri)) if uri[: len(_SCHEME)].lower() == _SCHEME else uri


def read_secret(path: Path) -> bytes:
    """Return a password or PIN from a file that only its owner can read, one newline at its end left out."""
    return _read_private(path).removesuffix(b"\n").removesuffix(b"\r")


def _quote(path: str | Path) -> str:
    return str(Path(path).absolute()).replace("%", "%25").replace("?", "%3F").replace("#", "%23").replace("&", "%26")


def _read_uri(uri: str) -> tuple[Path, Path | None]:
    target, _, query = uri[len(_SCHEME) :].partition("?")
    target = target.removeprefix("//") if target.startswith("///") else target
    if not target or target.startswith("//"):
        raise SignerUriError("a key file is named by file:PATH, without a host")
    password_file: Path | None = None
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name != "password-file" or not value or password_file is not None:
            # The value is not shown: somebody may have written a password there.
            raise SignerUriError(f"{name[:40]!r} is not understood in a file: URI; only one password-file=PATH is")
        password_file = Path(unquote(value))
    return Path(unquote(target)), password_file


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # The mode of the open file: a name could be swapped between the two calls.
            _check_mode(path, os.fstat(file.fileno()).st_mode)
            raw = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SignerError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > _MAX_FILE_BYTES:
        raise SignerError(f"{path} is larger than a key; at most {_MAX_FILE_BYTES} bytes are read")
    return raw


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise SignerError(f"{path} is not a regular file")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SignerError(f"{path} can be read by others; run: chmod 600 {path}")


def _load(path: Path, pem: bytes, password: bytes | None) -> VendorPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password)
    except TypeError as error:
        # cryptography tells the two cases apart only by its message; we need not.
        raise SignerError(
            f"{path}: its key is encrypted and no password was given, or the other way round; see password-file"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignerError(f"{path} is not a PKCS #8 key in PEM, or the password is wrong") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise SignerError(f"{path} holds a kind of key that does not sign here; use P-256, P-384, Ed25519 or RSA")
    return key


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # Half a key would only stand in the way of the next try.
        path.unlink(missing_ok=True)
        raise
    # The directory entry has to survive a power cut too: a credential may be signed right after.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
