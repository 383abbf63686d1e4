"""A node whose TPM is busy, locked or gone: nothing is lost, and nothing else ever signs in its place."""

import gzip
import json

import pytest

from agent.config import Settings
from agent.errors import SettingsError
from agent.home import Home
from agent.tpm.address import parse
from agent.tpm.attestation import read_clock
from agent.tpm.errors import TpmBusyError, TpmUnavailableError
from agent.tpm.opening import open_tpm
from agent.windows.daemon import open_daemon
from agent.windows.inspect import inspect_windows
from agent.windows.sign import TpmWindowSigner
from did.signers.file import generate_file_key
from tests.attacks.catalogue import attack, of_response
from tests.fakes import soft_tpm
from tests.fakes.agent import HandClock
from tests.fakes.agent_windows import Bench, window_issuer
from tests.fakes.soft_tpm_signer import SoftTpmWindowSigner
from tests.fakes.soft_tpm_site import send, soft_node
from tests.fakes.tpm import answer, scripted
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer import conftest as running

furnished, site_url, site = running.furnished, running.site_url, running.site

_ROW = "window spooled, level downgraded explicitly, never silently"
_RETRY, _LOCKOUT, _FAILURE_MODE = 0x922, 0x921, 0x101


def says(code):
    """Return a TPM that answers everything with a response code."""
    return lambda: read_clock(scripted(answer(code))[0])


def silent(error):
    """Return a TPM whose connection ends in an error."""
    return lambda: read_clock(scripted(error)[0])


AWAY = {
    "busy": says(_RETRY),
    "lockout": says(_LOCKOUT),
    "failure mode": says(_FAILURE_MODE),
    "no answer in time": silent(TpmBusyError("it gave no answer in time")),
    "connection lost": silent(TpmUnavailableError("the connection is gone")),
    "no device": lambda: open_tpm(parse("tpm:/dev/no-such-tpm")),
}


def told(folder):
    settings = Settings(node_id="node-7", window_signer="tpm")
    return inspect_windows(settings, Home(folder), HandClock())


@attack("IQ012", _ROW, network="status asks at the home's own socket whether a daemon runs")
def test_while_its_tpm_is_away_a_node_keeps_its_windows_says_so_and_signs_with_nothing_else(expected, tmp_path):
    for number, (name, away) in enumerate(AWAY.items()):
        node = soft_tpm.Node()
        signer = SoftTpmWindowSigner(node)
        with window_issuer(key=node.tpm.key) as issuer:
            folder = tmp_path / str(number)
            bench = Bench(folder, signer, issuer.url)
            bench.take(0)
            bench.submitter.drain()
            signer.away = away
            bench.take(*range(1, 8))
            bench.submitter.drain()
            # Kept, unsigned, and said.
            assert bench.keeper.problem, name
            waiting = [bench.spool.load(one) for one in bench.spool.pending()]
            assert waiting, name
            assert all(window.evidence is None for window in waiting), name
            assert all(window.parsed.ak == node.tpm.ak for window in waiting), name
            assert (told(folder).signer, told(folder).unsigned) == ("tpm", len(waiting)), name
            assert [window.header.sequence for window in issuer.windows] == [0], name
            # Over a start of the agent too.
            bench.keeper.give_up()
            bench = bench.reopened()
            bench.keeper.work()
            assert bench.keeper.problem, name
            signer.away = None
            bench.keeper.work()
            sent = bench.submitter.drain()
            assert (sent.rejected, bench.keeper.problem, bench.spool.gap()) == ([], "", None), name
            assert sum(window.header.accelerators_mj for window in issuer.windows) == 8000, name
            assert all(window.quote is not None for window in issuer.windows), name
            for _, _, body in issuer.requests:
                assert "jws" not in json.loads(gzip.decompress(body).partition(b"\n")[0])["evidence"], name
            bench.submitter.close()
    expected.held()


@attack("IQ012", _ROW)
def test_a_node_that_is_to_sign_with_its_tpm_does_not_measure_with_the_software_key_beside_it(expected, tmp_path):
    generate_file_key(tmp_path / "node.pem", "ES256")
    settings = Settings(
        issuer="https://issuer.example",
        node_id="node-7",
        key=f"file:{tmp_path / 'node.pem'}",
        window_signer="tpm",
        tpm="tpm:/dev/no-such-tpm",
        meter="simulator",
    )
    with (
        pytest.raises(SettingsError, match="window_signer is tpm"),
        open_daemon(settings, Home(tmp_path), {}, clock=HandClock()),
    ):
        pass
    # With the attestation key's seed there, and no TPM: its windows are a TPM's, or none.
    (tmp_path / "ak.json").write_text("{}")
    with (
        pytest.raises(TpmUnavailableError),
        TpmWindowSigner(parse(settings.tpm), tmp_path / "ak.json", "node-7").open(),
    ):
        pass
    expected.held()


@attack("IQ012", _ROW)
async def test_the_issuer_takes_nothing_that_a_software_key_signed_for_a_node_with_a_tpm(expected, site):
    node = await soft_node(site)
    assert (await send(site, node)).status_code == 201
    fallback = WindowNode(70)
    fallback.chain.sequence, fallback.chain.previous = 1, node.previous
    fallback.chain.wall_us = node.wall_us
    honest = {"key": node.tpm.uri, "ak": node.tpm.ak, "boot": {"reset": 1, "restart": 0}}
    for lies in ({}, honest, {"key": node.tpm.uri}, {"simulated": True}):
        refused = await post_window(site, fallback.zipped(**lies))
        assert str(of_response(refused)) == "reject:401 WINDOW_SIGNER_MISMATCH", refused.text
        fallback.chain.sequence, fallback.chain.previous = 1, node.previous
    answer_ = await send(site, node)
    assert answer_.status_code == 201
    store = site.store()
    assert {(await store.windows.find("node-70", "1.0", number)).assurance for number in (0, 1)} == {"tpm-emulated"}
    await store.close()
    expected.held()
