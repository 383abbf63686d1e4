"""Keys in the TPM that sign like any other signer's."""

import subprocess
import sys

import pytest

import agent.tpm.backend  # noqa: F401 - lets open_signer open tpm: keys
from agent.enrol import open_or_make_key
from agent.home import Home
from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.client import Tpm
from agent.tpm.constants import Command, Handle
from agent.tpm.errors import TpmBusyError
from agent.tpm.identity import make_key
from agent.tpm.info import TRANSIENT_KEYS, handles
from agent.tpm.keys import lent_primary
from agent.tpm.opening import open_tpm
from agent.tpm.signer import TpmSigner, generate_tpm_key
from agent.tpm.templates import EK_TEMPLATES
from agent.tpm.transport import open_transport
from did.errors import AlgorithmRefusedError, SignerError, SignerUriError
from did.signers import Signer, open_signer, schemes
from tests.fakes.tpm import Meddling, evict_control
from tests.vectors import ROOT

HANDLE = 0x81000010
ALGORITHMS = {"ecdsa": "ES256", "rsapss": "PS256", "rsassa": "RS256"}


@pytest.fixture
def uri(swtpm, tmp_path):
    return f"{swtpm.uri}?seed={tmp_path}/signing.json"


def keep(tpm, public, hierarchy=Handle.OWNER):
    with lent_primary(tpm, public, hierarchy=hierarchy) as key:
        evict_control(tpm, key.handle, HANDLE)


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_a_key_of_the_tpm_signs_in_jose_form(uri, scheme):
    made = generate_tpm_key(f"{uri}&scheme={scheme}")
    signer = open_signer(uri)
    assert isinstance(signer, Signer)
    assert signer.public_key == made.public_key
    assert signer.public_key.algorithms == (ALGORITHMS[scheme],)
    for number in range(20):
        message = bytes([number])
        signer.public_key.verify(message, signer.sign(message, ALGORITHMS[scheme]), ALGORITHMS[scheme])


def test_the_scheme_is_listed():
    assert "tpm:" in schemes()


def test_the_key_is_the_same_after_a_power_cut(swtpm, uri):
    before = generate_tpm_key(uri)
    swtpm.restart()
    assert open_signer(uri).public_key == before.public_key
    before.sign(b"after", "ES256")


def test_a_key_under_a_persistent_handle_signs(swtpm):
    with open_tpm(parse(swtpm.uri)) as tpm:
        keep(tpm, templates.signing_key("ecdsa", bytes(32)))
    signer = open_signer(f"{swtpm.uri}?handle=0x{HANDLE:x}")
    signer.public_key.verify(b"x", signer.sign(b"x", "ES256"), "ES256")


def test_an_emulator_is_given_back_after_each_signature(swtpm, uri):
    signer = generate_tpm_key(uri)
    with open_tpm(parse(swtpm.uri)) as tpm:
        assert handles(tpm, TRANSIENT_KEYS) == []
    signer.sign(b"x", "ES256")


def test_through_the_resource_manager_the_key_stays_loaded(swtpm, uri):
    generate_tpm_key(uri).close()
    opened = []

    def shared(address):
        # The emulator stands in for /dev/tpmrm0.
        transport = Meddling(open_transport(address.place))
        transport.exclusive = False
        opened.append(transport)
        return Tpm(transport)

    signer = TpmSigner(parse(uri), shared)
    signer.sign(b"x", "ES256")
    signer.sign(b"y", "ES256")
    assert len(opened) == 1
    signer.close()
    signer.sign(b"z", "ES256")
    assert len(opened) == 2
    signer.close()


def test_a_tpm_that_was_lost_is_opened_again(swtpm, uri):
    signer = generate_tpm_key(uri)
    swtpm.kill()
    with pytest.raises(SignerError, match="start swtpm"):
        signer.sign(b"x", "ES256")
    swtpm.start()
    signer.sign(b"x", "ES256")


def test_a_key_is_never_overwritten(uri):
    generate_tpm_key(uri)
    with pytest.raises(SignerError, match="never overwritten"):
        generate_tpm_key(uri)


def test_another_algorithm_is_refused_before_the_tpm_is_asked(uri, swtpm):
    signer = generate_tpm_key(uri)
    swtpm.kill()
    for algorithm in ("RS256", "ES384", "EdDSA"):
        with pytest.raises(AlgorithmRefusedError):
            signer.sign(b"x", algorithm)


@pytest.mark.parametrize("public", [templates.attestation_key("ecdsa", bytes(32)), EK_TEMPLATES[0].public])
def test_a_key_for_attestation_or_decryption_is_refused(swtpm, public):
    with open_tpm(parse(swtpm.uri)) as tpm:
        keep(tpm, public)
    with pytest.raises(SignerError, match="attestation or decryption"):
        open_signer(f"{swtpm.uri}?handle=0x{HANDLE:x}")


def test_an_attestation_keys_file_is_refused(swtpm, tmp_path):
    with open_tpm(parse(swtpm.uri)) as tpm:
        make_key(tpm, tmp_path / "ak.json", "ecdsa")
    with pytest.raises(SignerError, match="one for signing is needed"):
        open_signer(f"{swtpm.uri}?seed={tmp_path}/ak.json")


def test_a_handle_where_nothing_lies_is_refused(swtpm):
    with pytest.raises(SignerError, match="TPM_RC_HANDLE"):
        open_signer(f"{swtpm.uri}?handle=0x{HANDLE:x}")


def test_a_uri_that_names_no_key_is_refused():
    for uri in ("tpm:", "tpm:nowhere", "tpm:?handle=1"):
        with pytest.raises(SignerUriError):
            open_signer(uri)
    with pytest.raises(SignerUriError, match="seed=/PATH"):
        generate_tpm_key(f"tpm:?handle=0x{HANDLE:x}")


def test_a_password_is_refused_rather_than_ignored(uri):
    with pytest.raises(SignerError, match="no password") as caught:
        open_signer(uri, password=b"hunter2")
    assert "hunter2" not in caught.value.detail


def test_a_signature_that_does_not_hold_is_never_given_out(swtpm, uri):
    generate_tpm_key(uri)

    def flip(code, given):
        return given[:-10] + bytes([given[-10] ^ 1]) + given[-9:] if code == Command.SIGN else given

    def garbled(address):
        return Tpm(Meddling(open_transport(address.place), after=flip))

    with pytest.raises(SignerError, match="does not hold"):
        TpmSigner(parse(uri), garbled).sign(b"x", "ES256")


def test_a_busy_tpm_is_an_error_of_the_signer(uri):
    generate_tpm_key(uri)

    def busy(address):
        raise TpmBusyError("held by another program")

    with pytest.raises(SignerError, match="held by another"):
        TpmSigner(parse(uri), busy)


def test_its_repr_shows_the_public_key_alone(uri):
    assert repr(generate_tpm_key(uri)).startswith("<TpmSigner urn:ietf:params:oauth:jwk-thumbprint")


def test_enrolling_makes_the_key_that_is_not_there_and_opens_it_afterwards(uri, tmp_path):
    for _ in range(2):
        named, signer = open_or_make_key(uri, Home(tmp_path))
        assert named == uri
        assert signer.public_key == open_signer(uri).public_key


def test_a_session_knows_the_scheme_without_loading_the_tpms_code():
    code = "import sys, agent.session; print('agent.tpm' in sys.modules, 'agent.tpm.signer' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "True False\n"
