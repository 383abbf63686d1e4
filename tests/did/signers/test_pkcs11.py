"""Against a real PKCS#11 module: SoftHSM with a token of this test run's own."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from did.errors import AlgorithmRefusedError, SignerError, SignerUriError
from did.signers import open_signer
from did.signing import Signer

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 (the extra pkcs11) is not installed")

MODULES = [
    Path(path)
    for path in (
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib64/softhsm/libsofthsm2.so",
        "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    )
    if Path(path).exists()
]
TOKEN = "Green test"
PIN = "924613"

if not MODULES or shutil.which("softhsm2-util") is None:
    pytest.skip("SoftHSM (softhsm2-util, libsofthsm2.so) is not installed", allow_module_level=True)


def generate_keys(session) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism
    from pkcs11.util.ec import encode_named_curve_parameters

    for label, curve in (("es256", "secp256r1"), ("es384", "secp384r1"), ("es512", "secp521r1")):
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        domain = session.create_domain_parameters(KeyType.EC, parameters, local=True)
        domain.generate_keypair(label=label, id=label.encode(), store=True)
    if Mechanism.EC_EDWARDS_KEY_PAIR_GEN in session.token.slot.get_mechanisms():
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.101.112")}
        domain = session.create_domain_parameters(KeyType.EC_EDWARDS, parameters, local=True)
        domain.generate_keypair(label="eddsa", store=True, mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
    session.generate_keypair(KeyType.RSA, 2048, label="rsa", store=True)
    session.generate_keypair(KeyType.RSA, 1024, label="weak", store=True)
    for number in (b"1", b"2"):
        domain = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
        )
        domain.generate_keypair(label="twice", id=number, store=True)


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token with keys, in a folder of its own; SoftHSM reads SOFTHSM2_CONF when it is first loaded."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "739158"],
        check=True,
        capture_output=True,
    )
    with pkcs11.lib(str(MODULES[0])).get_token(token_label=TOKEN).open(rw=True, user_pin=PIN) as session:
        generate_keys(session)
    yield folder
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def uri(where: str, how: str = f"pin-value={PIN}") -> str:
    return f"pkcs11:token={TOKEN.replace(' ', '%20')};{where}?module-path={MODULES[0]}&{how}"


@pytest.mark.parametrize(
    ("label", "algorithms"),
    [("es256", ("ES256",)), ("es384", ("ES384",)), ("eddsa", ("EdDSA",)), ("rsa", ("PS256", "RS256"))],
)
@pytest.mark.usefixtures("token")
def test_a_key_in_a_token_signs_with_each_of_its_algorithms(label, algorithms) -> None:
    if (
        label == "eddsa"
        and pkcs11.Mechanism.EDDSA not in pkcs11.lib(str(MODULES[0])).get_token(token_label=TOKEN).slot.get_mechanisms()
    ):
        pytest.skip("this build of SoftHSM has no Ed25519")
    signer = open_signer(uri(f"object={label}"))
    assert signer.public_key.algorithms == algorithms
    for algorithm in algorithms:
        signer.public_key.verify(b"message", signer.sign(b"message", algorithm), algorithm)


@pytest.mark.usefixtures("token")
def test_it_keeps_the_protocol() -> None:
    assert isinstance(open_signer(uri("object=es256")), Signer)


@pytest.mark.usefixtures("token")
def test_a_key_is_found_by_its_id() -> None:
    assert open_signer(uri("id=es256")).public_key == open_signer(uri("object=es256")).public_key


@pytest.mark.usefixtures("token")
def test_two_keys_of_one_token_are_open_at_once() -> None:
    old, new = open_signer(uri("object=es256")), open_signer(uri("object=es384"))
    old.public_key.verify(b"message", old.sign(b"message", "ES256"), "ES256")
    new.public_key.verify(b"message", new.sign(b"message", "ES384"), "ES384")


def test_the_pin_may_stand_in_a_file(token) -> None:
    pin_file = token / "pin"
    pin_file.write_text(PIN + "\n")
    pin_file.chmod(0o600)
    assert open_signer(uri("object=es256", f"pin-source=file:{pin_file}")).public_key.kty == "EC"


def test_a_pin_file_that_others_can_read_is_refused(token) -> None:
    pin_file = token / "open-pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o644)
    with pytest.raises(SignerError, match="chmod 600") as caught:
        open_signer(uri("object=es256", f"pin-source=file:{pin_file}"))
    assert PIN not in str(caught.value)


@pytest.mark.usefixtures("token")
def test_another_keys_algorithm_is_refused() -> None:
    with pytest.raises(AlgorithmRefusedError):
        open_signer(uri("object=es256")).sign(b"message", "ES384")


@pytest.mark.usefixtures("token")
def test_many_threads_share_one_session() -> None:
    signer = open_signer(uri("object=es256"))
    messages = [str(number).encode() for number in range(48)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(lambda message: signer.sign(message, "ES256"), messages))
    for message, signature in zip(messages, signatures, strict=True):
        signer.public_key.verify(message, signature, "ES256")


@pytest.mark.usefixtures("token")
def test_a_lost_session_is_an_error_once_and_opened_again_after() -> None:
    signer = open_signer(uri("object=es256"))
    signer._token.session.close()
    with pytest.raises(SignerError):
        signer.sign(b"message", "ES256")
    signer.public_key.verify(b"message", signer.sign(b"message", "ES256"), "ES256")


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(("label", "message"), [("missing", "0 private keys"), ("twice", "2 private keys")])
def test_exactly_one_key_must_match(label, message) -> None:
    with pytest.raises(SignerError, match=message):
        open_signer(uri(f"object={label}"))


@pytest.mark.usefixtures("token")
def test_a_weak_key_in_a_token_does_not_sign() -> None:
    with pytest.raises(SignerError, match="2048"):
        open_signer(uri("object=weak"))


@pytest.mark.usefixtures("token")
def test_a_key_on_another_curve_does_not_sign() -> None:
    with pytest.raises(SignerError, match="P-256"):
        open_signer(uri("object=es512"))


@pytest.mark.usefixtures("token")
def test_a_token_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SignerError, match="NoSuchToken"):
        open_signer(uri("object=es256").replace("Green", "Grey"))


def test_a_library_that_does_not_exist_is_named() -> None:
    with pytest.raises(SignerError, match=r"nothing\.so"):
        open_signer(uri("object=es256").replace(str(MODULES[0]), "/usr/lib/nothing.so"))


def test_a_library_that_is_none_is_refused(tmp_path) -> None:
    (tmp_path / "fake.so").write_bytes(b"not a library")
    with pytest.raises(SignerError):
        open_signer(uri("object=es256").replace(str(MODULES[0]), f"{tmp_path}/fake.so"))


def test_a_malformed_uri_is_refused_without_its_pin() -> None:
    with pytest.raises(SignerUriError) as caught:
        open_signer(uri("object=es256;slot-id=1"))
    assert PIN not in str(caught.value)


@pytest.mark.usefixtures("token")
def test_a_wrong_pin_is_refused_and_not_repeated(tmp_path) -> None:
    # In a process of its own: a login holds for the whole process, so here the PIN is not asked for again.
    script = tmp_path / "open.py"
    script.write_text(
        f"from did.signers import open_signer\nopen_signer({uri('object=es256', 'pin-value=000000')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert "SignerError: the PIN of the PKCS#11 token is wrong" in done.stderr
    assert "PinIncorrect" not in done.stderr
