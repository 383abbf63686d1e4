"""Windows that were set aside, and the ways back to their place: none holds up the chain, and none is kept quiet."""

import json
import re
from contextlib import contextmanager

import pytest

from agent.clock import SystemClock
from agent.config import Settings
from agent.contact import ContactBook
from agent.home import Home
from agent.tpm.address import parse
from agent.tpm.identity import make_key
from agent.tpm.opening import open_tpm
from agent.windows.inspect import inspect_windows
from agent.windows.resend import NO_DAEMON, follow, put_back
from agent.windows.sign import SoftwareWindowSigner
from agent.windows.submit import NEVER_SIGNED
from tests.agent.tpm.conftest import manufactured, swtpm  # noqa: F401
from tests.agent.windows.test_daemon import Node
from tests.fakes.agent import HandClock, new_signer
from tests.fakes.agent_windows import Bench, window_issuer
from tests.fakes.eventually import eventually
from verifier.attestation.attestation_key import check_attestation_key

pytestmark = pytest.mark.timeout(120)


class ToldBench(Bench):
    """A node whose spool tells of each window's fate."""

    def __init__(self, folder, key, url):
        super().__init__(folder, SoftwareWindowSigner(key, "node-7", 3), url)
        self.submitter._contacts = ContactBook(Home(folder).window_contact_file, self.clock)

    def unsign(self, name):
        """Let a window that waits be as before it was signed."""
        path = self.spool.folder / "pending" / name
        whole = path.read_bytes()
        path.write_bytes(whole[: whole.rindex(b"\nevidence ") + 1])

    def put_back(self, node_id="node-7", *, is_replaced=False):
        return put_back(self.spool, node_id, lambda _: is_replaced)

    def status(self, clock=None):
        return inspect_windows(Settings(node_id="node-7"), Home(self.folder), clock or HandClock())


@pytest.fixture
def key():
    return new_signer()


@pytest.fixture
def issuer(key):
    with window_issuer(key=key.public_key) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path, key, issuer):
    return ToldBench(tmp_path, key, issuer.url)


@contextmanager
def node_of_a_tpm_that_was_booted(folder, swtpm):  # noqa: F811
    """A daemon, and its issuer, that have set a window aside because the TPM below them was started again."""
    with window_issuer() as issuer:
        signed_by = {"GREEN_AGENT_WINDOW_SIGNER": "tpm", "GREEN_AGENT_TPM": swtpm.uri}
        node = Node(folder, issuer, **signed_by, GREEN_AGENT_WINDOW_S="0.2")
        with open_tpm(parse(swtpm.uri)) as tpm:
            issuer.key = check_attestation_key(make_key(tpm, folder / "ak.json", "ecdsa").encode())
        node.start().measuring()
        try:
            assert eventually(lambda: len(issuer.windows) > 2)
            swtpm.kill()
            # So many windows wait that some are on disk, unsigned.
            assert eventually(lambda: sum(one is not None and one.evidence is None for one in node.spooled()[0]) > 1)
            swtpm.start()
            assert eventually(lambda: node.spooled()[1], 30)
            taken = len(issuer.windows)
            assert eventually(lambda: len(issuer.windows) > taken + 1)
            yield node, issuer
        finally:
            if node.process.poll() is None:
                node.end()


def test_after_a_boot_of_the_tpm_what_was_set_aside_is_refused_again_and_the_chain_goes_on(tmp_path, swtpm):  # noqa: F811
    with node_of_a_tpm_that_was_booted(tmp_path / "home", swtpm) as (node, issuer):
        aside = node.spooled()[1]
        ran = node.home.run("submit", "--retry-rejected")
        taken = len(issuer.windows)

        assert eventually(lambda: len(issuer.windows) > taken + 5), node.home.run("status").stdout
        assert ran.returncode == 1
        assert "put back 0" in ran.stdout
        assert all(f"refused      {name}: it was never signed" in ran.stdout for name in aside)
        assert node.spooled()[1] == aside

        status = node.home.run("status")
        assert status.returncode == 1
        assert re.search(rf"{len(aside)} refused or set aside, 0\.0*[1-9]\d* kWh", status.stdout)
        assert "--retry-rejected" not in status.stdout
        assert "it can never be sent" in status.stdout
        assert "nonce, " not in status.stdout
        gone = node.home.run("submit", "--discard-rejected", "--json")
        assert json.loads(gone.stdout)["discarded"] == len(aside)
        assert node.home.run("status").returncode == 0


def test_one_that_was_put_back_by_hand_is_set_aside_again_and_holds_up_nothing(tmp_path, swtpm):  # noqa: F811
    with node_of_a_tpm_that_was_booted(tmp_path / "home", swtpm) as (node, issuer):
        windows = node.home.folder / "windows"
        name = node.spooled()[1][0]
        (windows / "rejected" / name).rename(windows / "pending" / name)
        taken = len(issuer.windows)

        assert eventually(lambda: len(issuer.windows) > taken + 5), node.home.run("status").stdout
        assert name in node.spooled()[1]


def test_an_unsigned_window_before_signed_ones_is_set_aside_and_told(bench, issuer, caplog):
    bench.take(0, 1, 2)
    stray = bench.spool.pending()[0]
    bench.unsign(stray)
    issuer.script += ["409 WINDOW_SEQUENCE_GAP"]
    bench.submitter._sleep = lambda _: True
    sent = bench.submitter.drain()

    assert sent.rejected == [(stray, NEVER_SIGNED)]
    assert bench.spool.rejected() == [stray]
    assert "cannot be sent and was set aside" in caplog.text


def test_the_newest_unsigned_ones_wait_for_their_signature(bench, issuer):
    bench.take(0, 1)
    bench.unsign(bench.spool.pending()[1])
    sent = bench.submitter.drain()

    assert (len(sent.acknowledged), sent.rejected, len(bench.spool.pending())) == (1, [], 1)


def test_what_the_issuer_refused_goes_back_to_its_place(bench, issuer):
    issuer.script += ["422"]
    bench.take(0, 1)
    bench.submitter.drain()
    assert bench.put_back() == (1, [])
    bench.pauses.clear()
    bench.submitter.drain()

    assert [window.header.sequence for window in issuer.windows] == [0, 1]
    assert bench.spool.rejected() == []


def refused(bench, issuer):
    issuer.script += ["422"]
    bench.take(0)
    bench.submitter.drain()
    return bench.spool.rejected()[0]


def test_what_can_never_be_sent_stays_where_it_is_with_the_reason(bench, issuer):
    name = refused(bench, issuer)
    for kept, reason in (
        (bench.put_back("node-8"), "it is of node node-7, and this node is node-8 now"),
        (bench.put_back(is_replaced=True), "its key was replaced by enrolment since"),
    ):
        assert kept[0] == 0
        assert kept[1][0][0] == name
        assert reason in kept[1][0][1]
    path = bench.spool.folder / "rejected" / name
    path.write_bytes(path.read_bytes()[:-40].replace(b"header ", b"heeder "))
    assert "is damaged" in bench.put_back()[1][0][1]
    assert (bench.spool.rejected(), bench.spool.pending()) == ([name], [])


def test_a_window_whose_number_another_has_stays_where_it_is(bench, issuer):
    name = refused(bench, issuer)
    bench.take(1)
    other = bench.spool.pending()[0]
    pending = bench.spool.folder / "pending"
    (pending / other).rename(pending / f"{name.partition('-')[0]}-0000000000000000.window.json")

    assert bench.put_back() == (0, [(name, "another window that waits has its number")])


def test_where_no_daemon_answers_windows_wait_for_it_and_not_for_the_command(bench):
    bench.take(0)
    home = Home(bench.folder)
    sent = follow(bench.spool, Settings(node_id="node-7"), home, SystemClock(), sleep=pytest.fail, within_s=60)

    assert (sent.acknowledged, sent.rejected, sent.remaining, sent.failure) == (0, [], 1, NO_DAEMON)


def test_submit_counts_what_the_daemon_sends(tmp_path):
    with window_issuer() as issuer:
        node = Node(tmp_path / "home", issuer).start().measuring()
        try:
            issuer.script += ["422"]
            assert eventually(lambda: node.spooled()[1])
            ran = node.home.run("submit", "--retry-rejected", "--wait", "20")
        finally:
            node.end()
    assert ran.returncode == 0, ran.stdout
    assert "records acknowledged 0" in ran.stdout
    assert "put back 1" in ran.stdout
    assert "windows acknowledged" in ran.stdout


def later(seconds):
    clock = HandClock()
    clock.advance(seconds)
    return clock


def test_windows_that_wait_while_none_is_acknowledged_need_attention_and_have_a_reason(bench, issuer):
    issuer.script += ["503"] * 3
    bench.take(0)
    bench.submitter._sleep = lambda _: True
    bench.submitter.drain()

    assert bench.status(later(30)).stalled == ""
    assert bench.status(later(90)).stalled.startswith("none was acknowledged for 80 s: the daemon, which signs and")
    bench.submitter.drain()


def test_a_backlog_that_moves_is_not_stalled(bench, issuer):
    issuer.script += ["take", "503"]
    bench.take(0, 1, 2)
    bench.clock.advance(1000)
    bench.submitter._sleep = lambda _: True
    bench.submitter.drain()

    assert bench.status(later(1030)).stalled == ""
    assert bench.status(later(1070)).stalled.startswith("none was acknowledged for 70 s")
