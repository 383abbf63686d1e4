"""``trust tpm`` and ``nodes invite`` as an operator calls them, for nodes with a TPM."""

import asyncio
import base64
import json

import pytest

from issuer.command import main
from tests.fakes import tpm_maker as maker
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.soft_tpm_site import ATTEST, EK_KEY, Attestation, soft_node
from tests.fakes.tpm_site import token_for

ROOT = maker.authority("Emulator Root")
BELOW = maker.authority("Emulator CA", ROOT)
LEAF = maker.ek_certificate(BELOW, maker.private_key("p256", "ek").public_key(), uses=("key_agreement",))


@pytest.fixture
def command(monkeypatch, capsys):
    """Run green-issuer beside a running site; returns exit code, standard output and error."""
    monkeypatch.setenv("GREEN_ISSUER_PUBLIC_URL", PUBLIC_URL)

    async def call(site, *words):
        capsys.readouterr()
        code = await asyncio.to_thread(main, [*map(str, words), "--database-url", site.settings.database_url])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def pem(raw):
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(raw) + b"-----END CERTIFICATE-----\n"


def written(folder, name, raw):
    path = folder / name
    path.write_bytes(raw)
    return path


async def test_a_root_and_the_authorities_below_it_are_added_by_one_command(site, command, tmp_path):
    root, below = written(tmp_path, "root.der", ROOT.raw), written(tmp_path, "below.der", BELOW.raw)
    code, out, err = await command(site, "trust", "tpm", "add", root, below, "--emulated", "--json")
    assert code == 0, err
    assert json.loads(out[out.index("{") :])["below"] == [BELOW.fingerprint]
    store = site.store()
    kept = {one.fingerprint: one.root_class for one in await store.tpms.certificates()}
    await store.close()
    assert kept == {ROOT.fingerprint: "emulated", BELOW.fingerprint: None}


async def test_what_is_no_authority_is_not_added_below_a_root_and_nothing_is(site, command, tmp_path):
    root, leaf = written(tmp_path, "root.der", ROOT.raw), written(tmp_path, "leaf.der", LEAF)
    code, _, err = await command(site, "trust", "tpm", "add", root, leaf, "--emulated")
    assert code == 1
    assert "is no CA" in err
    store = site.store()
    assert await store.tpms.certificates() == ()
    await store.close()


async def test_an_intermediate_is_taken_for_no_root_and_the_message_says_what_to_do(site, command, tmp_path):
    below = written(tmp_path, "issuercert.pem", pem(BELOW.raw))
    code, out, err = await command(site, "trust", "tpm", "add", below, "--emulated")
    assert (code, "tpm-emulated" in out) == (1, False)
    assert "Emulator CA is no root: it is issued by" in err.replace("CN=", "")
    assert f"green-issuer trust tpm add ROOT {below}" in err
    store = site.store()
    assert await store.tpms.certificates() == ()
    await store.close()


async def test_the_refusal_of_an_emulators_tpm_names_the_command_for_a_private_ca(site):
    certificate = maker.ek_certificate(BELOW, EK_KEY, uses=("key_agreement",))
    below = Attestation(await token_for(site, "node-78"), ek_certificate=certificate)
    told = (await site.post(ATTEST, below.body())).json()["detail"]
    assert "green-issuer trust tpm add ROOT" in told
    assert "--emulated" in told


@pytest.mark.parametrize(
    ("raw", "reason"), [(ROOT.raw, "fingerprint is not trusted"), (LEAF, "it is no CA"), (b"0\x03abc", "certificate 1")]
)
async def test_an_import_that_took_nothing_fails_with_the_reason(site, command, tmp_path, raw, reason):
    code, out, err = await command(site, "trust", "tpm", "import", written(tmp_path, "bundle", raw))
    assert (code, "Taken" in out) == (1, False)
    assert "nothing was taken" in err
    assert reason in err


async def test_an_import_that_took_something_says_what_it_did_not_take(site, command, tmp_path):
    bundle = written(tmp_path, "bundle.pem", pem(BELOW.raw) + pem(ROOT.raw))
    code, out, _ = await command(site, "trust", "tpm", "import", bundle)
    assert code == 0
    assert "1 intermediates. Not taken: 1." in out


@pytest.mark.parametrize(("node_id", "line"), [("node-70", True), ("node-71", False)])
async def test_an_invitation_says_how_a_tpm_enrols(site, command, node_id, line):
    await soft_node(site)
    words = ("--tenant", "acme", "--region", "DEU", "--tdp-w", "700")
    code, out, _ = await command(site, "nodes", "invite", node_id, *words)
    assert code == 0
    (enrol,) = [one for one in out.splitlines() if "green-agent enroll" in one]
    assert enrol.endswith(" --key tpm:") is line
    assert "--key tpm:" in out
