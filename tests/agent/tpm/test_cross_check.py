"""The same TPM seen by tpm2-tools, which share no code with us. Skipped where they are not installed."""

import os
import shutil
import subprocess

import pytest

from agent.tpm import templates
from agent.tpm.address import parse
from agent.tpm.constants import Handle
from agent.tpm.identity import answer_activation, endorsement_key, lent_key, make_key
from agent.tpm.keys import lent_primary
from agent.tpm.nv import nv_read
from agent.tpm.opening import open_tpm
from agent.tpm.pcrs import read_pcrs
from agent.tpm.quoting import open_quoter
from agent.tpm.templates import EK_TEMPLATES
from schemas.tpm.attest import parse_attest
from schemas.tpm.pcr import window_selection
from schemas.tpm.wire import sized
from tests.fakes.tpm import evict_control, signature_holds

pytestmark = pytest.mark.skipif(shutil.which("tpm2_quote") is None, reason="apt install tpm2-tools")
EXTRA = bytes(range(32))
REGISTERS = "sha256:0,1,2,3,4,5,6,7,10,15"
HANDLE = 0x81000010


@pytest.fixture
def tools(swtpm, tmp_path):
    """Run one of tpm2-tools in the test's folder."""

    def run(*command):
        environment = os.environ | {"TPM2TOOLS_TCTI": swtpm.tcti}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def made_by_us(swtpm, folder, scheme):
    with open_tpm(parse(swtpm.uri)) as tpm:
        public = make_key(tpm, folder / "ak.json", scheme)
    with open_quoter(parse(swtpm.uri), folder / "ak.json") as quoter:
        made = quoter.sign(bytes(32), bytes(32), EXTRA)
    (folder / "ak.pub").write_bytes(sized(public.encode()))
    (folder / "attest").write_bytes(made.attest)
    (folder / "signature").write_bytes(made.signature)


# Their checkquote takes an RSAPSS signature for RSASSA (5.4), so that one is left to the next test.
@pytest.mark.parametrize("scheme", ["ecdsa", "rsassa"])
def test_their_checkquote_accepts_our_quote(swtpm, tools, tmp_path, scheme):
    made_by_us(swtpm, tmp_path, scheme)
    check = ("tpm2_checkquote", "-u", "ak.pub", "-m", "attest", "-s", "signature", "-g", "sha256", "-q")
    tools(*check, EXTRA.hex())
    with pytest.raises(AssertionError):
        tools(*check, bytes(32).hex())


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_a_tpm_verifies_our_quote(swtpm, tools, tmp_path, scheme):
    made_by_us(swtpm, tmp_path, scheme)
    tools("tpm2_loadexternal", "-C", "n", "-u", "ak.pub", "-c", "ak.ctx")
    verify = ("tpm2_verifysignature", "-c", "ak.ctx", "-g", "sha256", "-m", "attest", "-s", "signature")
    tools(*verify)
    (tmp_path / "attest").write_bytes((tmp_path / "attest").read_bytes() + b"\0")
    with pytest.raises(AssertionError):
        tools(*verify)


def test_their_quote_by_our_key_is_what_ours_is(swtpm, tools, tmp_path):
    with (
        open_tpm(parse(swtpm.uri)) as tpm,
        lent_primary(tpm, templates.attestation_key("ecdsa", bytes(32)), hierarchy=Handle.OWNER) as key,
    ):
        evict_control(tpm, key.handle, HANDLE)
    tools("tpm2_readpublic", "-c", hex(HANDLE), "-n", "name")
    assert (tmp_path / "name").read_bytes() == key.name
    tools("tpm2_quote", "-c", hex(HANDLE), "-l", REGISTERS, "-q", EXTRA.hex(), "-m", "attest", "-s", "signature")
    attest, signature = ((tmp_path / name).read_bytes() for name in ("attest", "signature"))
    assert signature_holds(key.public, attest, signature)
    assert parse_attest(attest).attested.selections == window_selection()


@pytest.mark.parametrize(("name", "kind"), [("L-1", "rsa"), ("L-2", "ecc")])
def test_their_endorsement_key_is_ours(swtpm, tools, tmp_path, name, kind):
    template = next(template for template in EK_TEMPLATES if template.name == name)
    tools("tpm2_createek", "-G", kind, "-c", "ek.ctx", "-u", "ek.pub")
    tools("tpm2_flushcontext", "-t")
    with open_tpm(parse(swtpm.uri)) as tpm, lent_primary(tpm, template.public) as key:
        assert (tmp_path / "ek.pub").read_bytes() == sized(key.public.encode())


@pytest.mark.parametrize("index", [0x1C00002, 0x1C00016])
def test_we_answer_the_challenge_that_their_makecredential_makes(swtpm, tools, tmp_path, index):
    with open_tpm(parse(swtpm.uri)) as tpm:
        make_key(tpm, tmp_path / "ak.json", "ecdsa")
        ek = endorsement_key(tpm, nv_read(tpm, index))
        with lent_key(tpm, tmp_path / "ak.json") as ak:
            name = ak.name
    (tmp_path / "ek.pub").write_bytes(sized(ek.public.encode()))
    (tmp_path / "secret").write_bytes(b"from the issuer")
    tools("tpm2_makecredential", "-T", "none", "-u", "ek.pub", "-s", "secret", "-n", name.hex(), "-o", "made")
    made = (tmp_path / "made").read_bytes()
    assert made[:8].hex() == "badcc0de00000001"
    end = 10 + int.from_bytes(made[8:10], "big")
    with open_tpm(parse(swtpm.uri)) as tpm, lent_key(tpm, tmp_path / "ak.json") as ak:
        secret = answer_activation(tpm, ek, ak, credential_blob=made[8:end], encrypted_secret=made[end:])
    assert secret == b"from the issuer"


def test_they_read_the_registers_and_the_indices_that_we_do(swtpm, tools, tmp_path):
    with open_tpm(parse(swtpm.uri)) as tpm:
        values = read_pcrs(tpm, range(24))
        certificate = nv_read(tpm, 0x1C00002)
    tools("tpm2_pcrread", "sha256:all", "-o", "pcrs")
    assert (tmp_path / "pcrs").read_bytes() == b"".join(values.values())
    tools("tpm2_nvread", "0x1C00002", "-o", "certificate")
    assert (tmp_path / "certificate").read_bytes() == certificate
