import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from did.errors import SignerError, SignerUriError
from did.signers import generate_file_key, open_signer
from did.signers.file import absolute_uri, file_uri, read_secret

PASSWORD = b"correct horse battery staple"


def write(path, content: bytes, mode: int = 0o600):
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def password_file(tmp_path):
    return write(tmp_path / "password", PASSWORD + b"\n")


def test_a_uri_made_absolute_means_the_same_in_another_folder(tmp_path, password_file, monkeypatch) -> None:
    made = generate_file_key(tmp_path / "a?key.pem", "ES256", PASSWORD)
    monkeypatch.chdir(tmp_path)
    uri = absolute_uri("file:a%3Fkey.pem?password-file=password")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert open_signer(uri).public_key == made.public_key


def test_a_uri_of_another_scheme_is_left_as_it_is() -> None:
    uri = "pkcs11:token=green;object=a?module-path=b.so"
    assert absolute_uri(uri) == uri


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "PS256"])
def test_a_generated_key_is_opened_again(tmp_path, algorithm) -> None:
    path = tmp_path / "key.pem"
    generated = generate_file_key(path, algorithm)
    opened = open_signer(f"file:{path}")
    assert opened.public_key == generated.public_key
    generated.public_key.verify(b"message", opened.sign(b"message", algorithm), algorithm)


def test_a_generated_key_is_for_its_owner_alone(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_generated_key_is_pkcs_8_in_pem(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    assert (tmp_path / "key.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_key_is_never_overwritten(tmp_path) -> None:
    path = write(tmp_path / "key.pem", b"precious")
    with pytest.raises(SignerError, match="never overwritten"):
        generate_file_key(path, "ES256")
    assert path.read_bytes() == b"precious"


def test_a_key_is_not_written_through_a_dangling_link(tmp_path) -> None:
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SignerError):
        generate_file_key(tmp_path / "key.pem", "ES256")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_does_not_exist_is_named(tmp_path) -> None:
    with pytest.raises(SignerError, match="cannot be written"):
        generate_file_key(tmp_path / "missing" / "key.pem", "ES256")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o777])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path, mode) -> None:
    path = tmp_path / "key.pem"
    generate_file_key(path, "ES256")
    path.chmod(mode)
    with pytest.raises(SignerError, match=f"chmod 600 {path}"):
        open_signer(f"file:{path}")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_of_its_owner_is_opened(tmp_path, mode) -> None:
    path = tmp_path / "key.pem"
    generate_file_key(path, "ES256")
    path.chmod(mode)
    assert open_signer(f"file:{path}").public_key.algorithms == ("ES256",)


def test_an_encrypted_key_is_opened_with_the_password_from_a_file(tmp_path, password_file) -> None:
    path = tmp_path / "key.pem"
    generated = generate_file_key(path, "ES256", PASSWORD)
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert open_signer(f"file:{path}?password-file={password_file}").public_key == generated.public_key


def test_an_encrypted_key_is_opened_with_the_password_of_the_caller(tmp_path) -> None:
    generated = generate_file_key(tmp_path / "key.pem", "EdDSA", PASSWORD)
    assert open_signer(f"file:{tmp_path}/key.pem", password=PASSWORD).public_key == generated.public_key


def test_a_wrong_password_is_refused_and_not_repeated(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256", PASSWORD)
    with pytest.raises(SignerError, match="password is wrong") as caught:
        open_signer(f"file:{tmp_path}/key.pem", password=b"hunter2hunter2")
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_missing_password_is_asked_for(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256", PASSWORD)
    with pytest.raises(SignerError, match="password-file"):
        open_signer(f"file:{tmp_path}/key.pem")


def test_a_password_for_a_key_that_is_not_encrypted_is_refused(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    with pytest.raises(SignerError, match="the other way round"):
        open_signer(f"file:{tmp_path}/key.pem", password=PASSWORD)


def test_a_password_file_that_others_can_read_is_refused(tmp_path, password_file) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256", PASSWORD)
    password_file.chmod(0o644)
    with pytest.raises(SignerError, match=f"chmod 600 {password_file}"):
        open_signer(f"file:{tmp_path}/key.pem?password-file={password_file}")


@pytest.mark.parametrize(
    ("content", "secret"), [(b"pin\n", b"pin"), (b"pin\r\n", b"pin"), (b"pin", b"pin"), (b"pin \n\n", b"pin \n")]
)
def test_one_newline_at_the_end_of_a_secret_is_left_out(tmp_path, content, secret) -> None:
    assert read_secret(write(tmp_path / "secret", content)) == secret


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(SignerError, match=r"missing\.pem cannot be read"):
        open_signer(f"file:{tmp_path}/missing.pem")


def test_a_folder_is_no_key(tmp_path) -> None:
    with pytest.raises(SignerError):
        open_signer(f"file:{tmp_path}")


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_without_a_key_is_refused(tmp_path, content) -> None:
    path = write(tmp_path / "key.pem", content)
    with pytest.raises(SignerError, match="PKCS #8"):
        open_signer(f"file:{path}")


def test_a_file_larger_than_any_key_is_refused(tmp_path) -> None:
    path = write(tmp_path / "key.pem", b"x" * 100_000)
    with pytest.raises(SignerError, match="larger"):
        open_signer(f"file:{path}")


@pytest.mark.parametrize(
    "key", [x25519.X25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())], ids=["X25519", "P-521"]
)
def test_a_key_of_a_kind_that_does_not_sign_here_is_refused(tmp_path, key) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = write(tmp_path / "key.pem", pem)
    with pytest.raises(SignerError):
        open_signer(f"file:{path}")


@pytest.mark.parametrize(
    "uri",
    [
        "file:",
        "file://host/key.pem",
        "file:?password-file=/p",
        "file:/key.pem?password=hunter2",
        "file:/key.pem?password-file=",
        "file:/key.pem?password-file=/a&password-file=/b",
        "file:/key.pem?password-file=/a&x=hunter2",
    ],
)
def test_a_file_uri_that_is_not_understood_is_refused_without_its_secrets(uri) -> None:
    with pytest.raises(SignerUriError) as caught:
        open_signer(uri)
    assert "hunter2" not in str(caught.value)


def test_a_uri_may_have_an_empty_host(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    assert open_signer(f"file://{tmp_path}/key.pem").public_key.algorithms == ("ES256",)


@pytest.mark.parametrize("name", ["key 1.pem", "50%.pem", "a?b.pem", "a#b&c=d.pem", "ключ.pem"])
def test_a_path_with_any_character_survives_its_uri(tmp_path, name) -> None:
    generated = generate_file_key(tmp_path / name, "ES256", PASSWORD)
    secret = write(tmp_path / f"password of {name}", PASSWORD)
    assert open_signer(file_uri(tmp_path / name, secret)).public_key == generated.public_key


def test_a_signer_serves_many_threads(tmp_path) -> None:
    generate_file_key(tmp_path / "key.pem", "ES256")
    opened = open_signer(f"file:{tmp_path}/key.pem")
    messages = [str(number).encode() for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(lambda message: opened.sign(message, "ES256"), messages))
    for message, signature in zip(messages, signatures, strict=True):
        opened.public_key.verify(message, signature, "ES256")
