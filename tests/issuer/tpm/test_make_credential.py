"""A secret that only one TPM opens: against another implementation of ours, a real TPM, and tpm2-tools."""

import os
import shutil
import subprocess
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from agent.tpm.errors import TpmRefusedError
from agent.tpm.identity import EndorsementKey, answer_activation, lent_key, make_key
from agent.tpm.keys import lent_primary
from agent.tpm.templates import EK_TEMPLATES
from issuer.tpm.make_credential import _cfb, kdfa, kdfe, make_credential
from schemas.tpm.wire import Reader, sized
from tests.fakes import make_credential as reference
from tests.fakes import tpm_maker as maker
from verifier.endorsement.ek_public import check_ek_public

KINDS = {"L-1": "rsa2048", "L-2": "p256", "H-1": "rsa2048", "H-2": "p256", "H-3": "p384", "H-6": "rsa3072"}
NAME = b"\0\x0b" + bytes(range(32))
SECRET = bytes(range(100, 132))
tools_are_here = pytest.mark.skipif(shutil.which("tpm2_activatecredential") is None, reason="apt install tpm2-tools")


def endorsement(template):
    return check_ek_public(maker.area(template, maker.private_key(KINDS[template], "ek").public_key()).encode())


def counting():
    """Return randomness that anybody can guess."""
    numbers = count(1)
    return lambda length: bytes((next(numbers) & 0xFF) for _ in range(length))


def opened(template, challenge):
    """Do what the TPM does, with its private key; return the decrypted TPM2B, after the integrity was compared."""
    private = maker.private_key(KINDS[template], "ek")
    high = template in ("H-3", "H-6")
    name, algorithm = ("sha384", SHA384()) if high else ("sha256", SHA256())
    secret = Reader(challenge.encrypted_secret, "secret")
    outer = secret.sized("secret", 600)
    secret.end()
    if isinstance(private, rsa.RSAPrivateKey):
        seed = private.decrypt(outer, padding.OAEP(padding.MGF1(algorithm), algorithm, b"IDENTITY\0"))
    else:
        point = Reader(outer, "point")
        x, y = point.sized("x", 66), point.sized("y", 66)
        point.end()
        passing = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, b"\x04" + x + y)
        own = private.public_key().public_numbers().x.to_bytes(len(x), "big")
        seed = reference._kdfe(name, private.exchange(ec.ECDH(), passing), x, own)
    blob = Reader(challenge.credential_blob, "blob")
    inner = Reader(blob.sized("blob", 200), "id object")
    blob.end()
    integrity = inner.sized("integrity", 64)
    rest = challenge.credential_blob[4 + len(integrity) :]
    key = reference._kdfa(name, seed, b"INTEGRITY", b"", algorithm.digest_size * 8)
    assert integrity == reference.hmac.digest(key, rest + NAME, name)
    # Decrypting is encrypting again, block by block, with the cipher's blocks as feedback.
    cipher = reference._kdfa(name, seed, b"STORAGE", NAME, 256 if high else 128)
    plain = b""
    for start in range(0, len(rest), 16):
        feedback = bytes(16) if not start else rest[start - 16 : start]
        mask = _cfb(cipher, bytes(16)) if not start else _block(cipher, feedback)
        plain += bytes(a ^ b for a, b in zip(rest[start : start + 16], mask, strict=False))
    return plain


def _block(key, block):
    # CFB of two blocks: the first turns the zero vector into ``block``, the second's mask is what is wanted.
    first = _cfb(key, bytes(16))
    chosen = bytes(a ^ b for a, b in zip(block, first, strict=True))
    return _cfb(key, chosen + bytes(16))[16:]


@pytest.mark.parametrize("template", KINDS)
def test_the_endorsement_keys_owner_gets_the_secret(template):
    challenge = make_credential(endorsement(template), NAME, SECRET, randomness=counting())
    assert opened(template, challenge) == sized(SECRET)


@pytest.mark.parametrize("template", KINDS)
def test_what_another_implementation_makes_opens_alike(template):
    ek = endorsement(template)

    class Theirs:
        credential_blob, encrypted_secret = reference.make_credential(ek.area, NAME, SECRET)

    assert opened(template, Theirs) == sized(SECRET)


def test_the_same_randomness_gives_the_same_challenge_to_an_ecc_key():
    first, second = (make_credential(endorsement("L-2"), NAME, SECRET, randomness=counting()) for _ in range(2))
    assert first == second
    again = counting()
    again(1)
    assert make_credential(endorsement("L-2"), NAME, SECRET, randomness=again) != first


@pytest.mark.parametrize(("template", "curve"), [("L-2", ec.SECP256R1()), ("H-3", ec.SECP384R1())])
def test_the_passing_key_is_one_more_than_the_randomness(template, curve):
    # So it is never zero, nor the order: with randomness of zeros the point is the curve's generator.
    challenge = make_credential(endorsement(template), NAME, SECRET, randomness=bytes)
    generator = ec.derive_private_key(1, curve).public_key().public_numbers()
    length = curve.key_size // 8
    x, y = (number.to_bytes(length, "big") for number in (generator.x, generator.y))
    assert challenge.encrypted_secret == sized(sized(x) + sized(y))


def test_to_an_rsa_key_the_seed_is_the_callers_and_the_padding_openssls():
    first, second = (make_credential(endorsement("L-1"), NAME, SECRET, randomness=counting()) for _ in range(2))
    assert first.credential_blob == second.credential_blob
    assert first.encrypted_secret != second.encrypted_secret


@pytest.mark.parametrize("secret", [b"", bytes(33)])
def test_a_secret_that_the_tpm_would_not_take_is_a_programming_error(secret):
    with pytest.raises(ValueError, match="1 to 32 bytes"):
        make_credential(endorsement("L-2"), NAME, secret, randomness=os.urandom)


@pytest.mark.parametrize("bits", [128, 256, 384, 512])
@pytest.mark.parametrize("name", ["sha256", "sha384"])
def test_the_key_derivations_are_the_other_implementations(name, bits):
    assert kdfa(name, b"k" * 32, b"STORAGE", NAME, bits) == reference._kdfa(name, b"k" * 32, b"STORAGE", NAME, bits)
    assert kdfe(name, b"z" * 32, b"IDENTITY\0", b"u", b"v") == reference._kdfe(name, b"z" * 32, b"u", b"v")


@pytest.mark.parametrize("length", [1, 15, 16, 17, 34, 50])
@pytest.mark.parametrize("key", [bytes(16), bytes(range(32))])
def test_the_cipher_is_the_other_implementations(length, key):
    assert _cfb(key, bytes(range(length))) == reference._cfb(key, bytes(range(length)))


@pytest.mark.parametrize("template", EK_TEMPLATES, ids=lambda template: template.name)
def test_a_real_tpm_opens_it_only_for_the_key_that_it_names(tpm, tmp_path, template):
    with lent_primary(tpm, template.public) as key:
        public = key.public
    ek = EndorsementKey(template.public, public, b"", ())
    path = tmp_path / "ak.json"
    make_key(tpm, path, "ecdsa")
    with lent_key(tpm, path) as ak:

        def answer(name):
            checked = check_ek_public(public.encode())
            made = make_credential(checked, name, SECRET, randomness=os.urandom)
            return answer_activation(
                tpm, ek, ak, credential_blob=made.credential_blob, encrypted_secret=made.encrypted_secret
            )

        assert answer(ak.name) == SECRET
        with pytest.raises(TpmRefusedError):
            answer(ak.name[:-1] + bytes([ak.name[-1] ^ 1]))


@pytest.fixture
def tools(swtpm, tmp_path):
    """Run one of tpm2-tools in the test's folder."""

    def run(*command):
        environment = os.environ | {"TPM2TOOLS_TCTI": swtpm.tcti}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        subprocess.run(["tpm2_flushcontext", "-t"], cwd=tmp_path, env=environment, capture_output=True, check=False)

    return run


@tools_are_here
@pytest.mark.parametrize(("kind", "ak_kind"), [("rsa", "ecc"), ("ecc", "ecc"), ("rsa", "rsa")])
def test_their_activatecredential_opens_ours(tools, tmp_path, kind, ak_kind):
    tools("tpm2_createek", "-c", "ek.ctx", "-G", kind, "-u", "ek.pub")
    tools("tpm2_createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", ak_kind, "-u", "ak.pub", "-n", "ak.name")
    ek = check_ek_public((tmp_path / "ek.pub").read_bytes()[2:])
    made = make_credential(ek, (tmp_path / "ak.name").read_bytes(), SECRET, randomness=os.urandom)
    # tools' file: a magic number, a version, and the two structures.
    (tmp_path / "blob").write_bytes(bytes.fromhex("badcc0de00000001") + made.credential_blob + made.encrypted_secret)
    tools("tpm2_startauthsession", "--policy-session", "-S", "session.ctx")
    tools("tpm2_policysecret", "-S", "session.ctx", "-c", "e")
    activate = ("tpm2_activatecredential", "-c", "ak.ctx", "-C", "ek.ctx", "-i", "blob", "-o", "secret")
    tools(*activate, "-P", "session:session.ctx")
    assert (tmp_path / "secret").read_bytes() == SECRET
