"""Enrolment's side of the TPM, from the EK's certificate to the activation's secret."""

import json
import secrets

import pytest
from cryptography import x509

from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.attestation import read_clock
from agent.tpm.constants import Handle, NvAttribute
from agent.tpm.errors import TpmChangedError, TpmError, TpmRefusedError, TpmUnsuitableError
from agent.tpm.identity import EndorsementKey, answer_activation, endorsement_key, lent_key, make_key, read_key_file
from agent.tpm.info import LOADED_SESSIONS, TRANSIENT_KEYS, handles
from agent.tpm.keys import lent_primary
from agent.tpm.nv import nv_read
from agent.tpm.opening import open_tpm
from agent.tpm.templates import EK_TEMPLATES
from agent.tpm.wire import EMPTY_PASSWORD
from schemas.tpm.public import parse_public
from schemas.tpm.wire import sized, uint16, uint32
from tests.fakes.make_credential import make_credential
from tests.fakes.swtpm import Swtpm, manufacture
from tests.fakes.tpm import LOCKOUT, MakersCommand, vendor_key

SECRET = b"a secret of 32 bytes, used once."
TEMPLATES = {template.name: template for template in EK_TEMPLATES}


@pytest.fixture
def ak_file(tpm, tmp_path):
    path = tmp_path / "home" / "ak.json"
    make_key(tpm, path, "ecdsa")
    return path


@pytest.fixture
def bare(manufactured, tmp_path):
    """A TPM without any EK certificate."""
    emulator = Swtpm(manufacture(tmp_path / "bare", ek_certificates=False))
    with open_tpm(parse(emulator.uri)) as opened:
        yield opened
    emulator.stop()


def write(tpm, index, content):
    """Put content into an index as a maker does."""
    attributes = NvAttribute.OWNER_READ | NvAttribute.AUTH_READ | NvAttribute.AUTH_WRITE | NvAttribute.NO_DA
    public = uint32(index) + uint16(0x000B) + uint32(attributes) + sized(b"") + uint16(len(content))
    tpm.run(MakersCommand.NV_DEFINE_SPACE, (Handle.OWNER,), (tpm.owner,), sized(b"") + sized(public))
    for start in range(0, len(content), 512):
        parameters = sized(content[start : start + 512]) + uint16(start)
        tpm.run(MakersCommand.NV_WRITE, (index, index), (tpm.owner,), parameters)


def challenge(ek, ak_name):
    return dict(zip(("credential_blob", "encrypted_secret"), make_credential(ek, ak_name, SECRET), strict=True))


def test_the_endorsement_key_is_the_one_that_its_certificate_names(tpm):
    ek = endorsement_key(tpm)
    assert x509.load_der_x509_certificate(ek.certificate).public_key() == vendor_key(ek.public)
    assert ek.template == TEMPLATES["H-3"].public
    assert ek.intermediates == ()
    assert handles(tpm, TRANSIENT_KEYS) == []


def test_a_certificate_from_a_file_finds_its_key(tpm):
    given = nv_read(tpm, TEMPLATES["L-1"].certificate_index)
    ek = endorsement_key(tpm, given + bytes(20))
    assert ek.template == TEMPLATES["L-1"].public
    assert ek.certificate == given


def test_a_certificate_of_another_tpm_is_refused(tpm, bare):
    with pytest.raises(TpmUnsuitableError, match="not for a key of this TPM"):
        endorsement_key(bare, endorsement_key(tpm).certificate)


def test_a_tpm_without_a_certificate_says_so(bare):
    with pytest.raises(TpmUnsuitableError, match="holds no EK certificate"):
        endorsement_key(bare)


def test_a_certificate_in_nv_for_another_key_is_named(tpm, bare):
    write(bare, TEMPLATES["L-1"].certificate_index, endorsement_key(tpm).certificate)
    write(bare, TEMPLATES["L-2"].certificate_index, b"no certificate")
    with pytest.raises(TpmUnsuitableError, match="0x1c0000a, 0x1c00002"):
        endorsement_key(bare)


def test_padding_a_nonce_a_template_and_intermediates_are_heeded(bare):
    # A maker whose EKs are none of the profile's, and who left the certificates above them.
    nonce = bytes(range(1, 33))
    area = TEMPLATES["L-1"].with_nonce(nonce)
    with lent_primary(bare, area) as key:
        certificate = b"\x30\x82" + uint16(len(key.public.encode())) + key.public.encode()
    write(bare, TEMPLATES["L-1"].certificate_index, certificate + b"\xff" * 60)
    write(bare, TEMPLATES["L-1"].nonce_index, nonce)
    write(bare, 0x1C00100, b"\x30\x04fi")
    write(bare, 0x1C00101, b"rs\x30\x03two\0\0")
    ek = endorsement_key(bare)
    assert (ek.template, ek.certificate) == (area, certificate)
    assert ek.intermediates == (b"\x30\x04firs", b"\x30\x03two")


def test_a_template_of_the_maker_goes_before_the_profiles(bare):
    area = TEMPLATES["L-2"].with_nonce(b"maker")
    write(bare, TEMPLATES["L-2"].template_index, area.encode())
    with lent_primary(bare, area) as key:
        point = key.public.key
    write(bare, TEMPLATES["L-2"].certificate_index, b"\x30\x41\x04" + point.x + point.y)
    assert endorsement_key(bare).template == area


def test_a_template_of_the_maker_that_cannot_be_read_is_told(bare):
    write(bare, TEMPLATES["L-2"].template_index, b"\0\x23")
    write(bare, TEMPLATES["L-2"].certificate_index, b"\x30\x01a")
    with pytest.raises(TpmUnsuitableError, match="template at NV index 0x1c0000c"):
        endorsement_key(bare)


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_the_attestation_key_is_the_same_after_a_power_cut(swtpm, tmp_path, scheme):
    path = tmp_path / "ak.json"
    with open_tpm(parse(swtpm.uri)) as tpm:
        public = make_key(tpm, path, scheme)
    swtpm.restart()
    with open_tpm(parse(swtpm.uri)) as tpm, lent_key(tpm, path) as ak:
        assert ak.public == public


def test_the_seed_is_kept_for_its_owner_alone(tpm, ak_file):
    assert ak_file.stat().st_mode & 0o777 == 0o600
    assert ak_file.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_attestation_key_replaces_the_old(tpm, ak_file):
    with lent_key(tpm, ak_file) as old:
        pass
    assert make_key(tpm, ak_file, "ecdsa").name != old.name


def test_another_tpm_makes_another_key_and_that_is_told(tpm, ak_file, bare):
    with pytest.raises(TpmChangedError, match="another TPM"), lent_key(bare, ak_file):
        pytest.fail("it was lent")
    assert handles(bare, TRANSIENT_KEYS) == []


def test_clearing_the_tpm_keeps_both_keys_and_ends_the_owners(tpm, ak_file, tmp_path):
    ek, signing = endorsement_key(tpm), tmp_path / "signing.json"
    make_key(tpm, signing, "ecdsa", purpose="signing")
    tpm.run(MakersCommand.CLEAR, (LOCKOUT,), (EMPTY_PASSWORD,))
    assert endorsement_key(tpm) == ek
    with lent_key(tpm, ak_file) as ak:
        assert answer_activation(tpm, ek, ak, **challenge(ek.public, ak.name)) == SECRET
    with pytest.raises(TpmChangedError), lent_key(tpm, signing, purpose="signing"):
        pytest.fail("it was lent")
    clock = read_clock(tpm)
    assert clock.reset_count == 0
    assert clock.clock_ms < 1000


def changed(**members):
    return lambda content: json.dumps(json.loads(content) | members).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:40],
        lambda content: content.replace(b"ecdsa", b"ecdaa"),
        changed(v=2),
        changed(extra=1),
        changed(seed="AAAA"),
        changed(seed="!"),
        changed(name=""),
        lambda content: content + b"x" * 5000,
    ],
)
def test_a_damaged_file_is_told_with_its_path(tpm, ak_file, damage):
    ak_file.write_bytes(damage(ak_file.read_bytes()))
    with pytest.raises(TpmError, match=r"ak\.json.*(damaged|cannot be read)"):
        read_key_file(ak_file)


def test_a_file_that_is_missing_or_for_another_purpose_is_refused(tpm, ak_file, tmp_path):
    with pytest.raises(TpmError, match="enrol again"):
        read_key_file(tmp_path / "none.json")
    with pytest.raises(TpmError, match="for attestation; one for signing"):
        read_key_file(ak_file, "signing")


@pytest.mark.parametrize("template", EK_TEMPLATES, ids=lambda template: template.name)
def test_the_secret_comes_out_with_every_kind_of_endorsement_key(tpm, ak_file, template):
    with lent_primary(tpm, template.public) as key:
        ek = EndorsementKey(template.public, key.public, b"", ())
    with lent_key(tpm, ak_file) as ak:
        assert answer_activation(tpm, ek, ak, **challenge(ek.public, ak.name)) == SECRET
    assert handles(tpm, TRANSIENT_KEYS) + handles(tpm, LOADED_SESSIONS) == []


@pytest.mark.parametrize("name", ["H-3", "L-1"])
def test_a_challenge_for_another_attestation_key_is_refused_and_everything_flushed(tpm, ak_file, name):
    template = TEMPLATES[name].public
    with lent_primary(tpm, template) as key:
        ek = EndorsementKey(template, key.public, b"", ())
    given = challenge(ek.public, b"\0\x0b" + secrets.token_bytes(32))
    with lent_key(tpm, ak_file) as ak:
        with pytest.raises(TpmRefusedError, match="TPM_RC_INTEGRITY"):
            answer_activation(tpm, ek, ak, **given)
        assert len(handles(tpm, TRANSIENT_KEYS)) == 1
        assert handles(tpm, LOADED_SESSIONS) == []


@pytest.mark.parametrize("part", ["credential_blob", "encrypted_secret"])
def test_a_changed_challenge_is_refused(tpm, ak_file, part):
    ek = endorsement_key(tpm)
    with lent_key(tpm, ak_file) as ak:
        given = challenge(ek.public, ak.name)
        for position in (-1, 10):
            changed_part = bytearray(given[part])
            changed_part[position] ^= 1
            with pytest.raises(TpmRefusedError):
                answer_activation(tpm, ek, ak, **(given | {part: bytes(changed_part)}))
        with pytest.raises(TpmRefusedError):
            answer_activation(tpm, ek, ak, **(given | {part: given[part] + b"\0"}))


def test_a_challenge_for_another_tpm_is_refused(tpm, bare, ak_file):
    ek = endorsement_key(tpm)
    with lent_primary(bare, ek.template) as other, lent_key(tpm, ak_file) as ak:
        given = challenge(other.public, ak.name)
        with pytest.raises(TpmRefusedError):
            answer_activation(tpm, ek, ak, **given)


def test_an_endorsement_key_that_changed_is_told(tpm, bare, ak_file):
    ek = endorsement_key(tpm)
    make_key(bare, ak_file, "ecdsa")
    with lent_key(bare, ak_file) as ak, pytest.raises(TpmChangedError, match="another endorsement key"):
        answer_activation(bare, ek, ak, **challenge(ek.public, ak.name))


def test_a_public_area_is_sent_as_the_tpm_wrote_it(tpm):
    ek = endorsement_key(tpm)
    assert parse_public(ek.public.encode()) == ek.public
    assert templates.EK_TEMPLATES[0].public.name_algorithm == ek.public.name_algorithm
