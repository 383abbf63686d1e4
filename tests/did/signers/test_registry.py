import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from did.errors import SignerError, SignerUriError
from did.signers import generate_file_key, open_signer, register_backend, schemes
from tests.fakes.did import signer
from tests.vectors import ROOT


@pytest.mark.parametrize(
    "uri", ["", "issuer.pem", "/etc/issuer.pem", "http://issuer.example/key", "tpm2:0x81", ":", "file"]
)
def test_a_uri_of_an_unknown_scheme_is_refused(uri) -> None:
    with pytest.raises(SignerUriError, match="file:, pkcs11:"):
        open_signer(uri)


def test_the_built_in_schemes_are_listed() -> None:
    assert {"file:", "pkcs11:"} <= set(schemes())


def test_a_registered_backend_opens_its_scheme() -> None:
    seen = []

    def backend(uri, password):
        seen.append((uri, password))
        return signer("ES256")

    register_backend("x-opened", backend)
    assert open_signer("x-opened:0x81000001", password=b"pin") is signer("ES256")
    assert seen == [("x-opened:0x81000001", b"pin")]


def test_a_scheme_is_registered_once() -> None:
    with pytest.raises(ValueError, match="file:"):
        register_backend("file", lambda uri, password: signer("ES256"))


def test_registering_the_same_backend_again_changes_nothing() -> None:
    def backend(uri, password):
        return signer("ES256")

    register_backend("x-twice", backend)
    register_backend("x-twice", backend)
    assert "x-twice:" in schemes()


def test_a_scheme_may_be_written_in_capitals(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    assert open_signer(f"FILE:{tmp_path}/key.pem").public_key.algorithms == ("ES256",)


def test_a_weak_key_is_an_error_of_the_signer(tmp_path) -> None:
    pem = rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    with pytest.raises(SignerError, match="2048"):
        open_signer(f"file:{path}")


def test_a_token_without_its_library_is_refused_with_the_remedy() -> None:
    # In a process of its own, where importing pkcs11 fails as if it were not installed.
    script = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from did.signers import open_signer\n"
        "open_signer('pkcs11:token=t;object=k?module-path=/usr/lib/x.so&pin-value=924613')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, cwd=ROOT)
    assert "SignerError: pkcs11: keys need the extra 'pkcs11': pip install" in done.stderr
    assert "924613" not in done.stderr.rpartition("SignerError")[2]
