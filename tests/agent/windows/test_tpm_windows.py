"""Windows signed by a real (emulated) TPM, as the verifier takes them."""

from contextlib import contextmanager

import msgspec
import pytest

from agent.tpm.address import parse
from agent.tpm.errors import TpmUnavailableError
from agent.tpm.identity import make_key
from agent.tpm.opening import open_tpm
from agent.tpm.pcrs import extend_pcr
from agent.windows.sign import TpmWindowSigner
from agent.windows.spooled import clock_in
from tests.agent.tpm.conftest import manufactured, swtpm  # noqa: F401
from tests.fakes.agent import WALL
from tests.fakes.agent_windows import Bench, window_issuer
from tests.fakes.eventually import eventually
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.chain_state import AcceptedGap


class LeavingSigner:
    """A TPM's signer; while ``is_away`` the connection goes when a window is to be signed, before it is in the register."""

    kind = "tpm"

    def __init__(self, signer, key):
        self.inner = signer
        self.key = key
        self.is_away = False

    @contextmanager
    def open(self):
        with self.inner.open() as signing:
            yield LeavingSigning(signing) if self.is_away else signing


class LeavingSigning:
    """What a LeavingSigner lends while it is away."""

    def __init__(self, signing):
        self._signing = signing
        self.identity, self.boot = signing.identity, signing.boot
        self.position, self.opening = signing.position, signing.opening

    def sign(self, window, *, again=False):
        raise TpmUnavailableError("the connection is gone")


@pytest.fixture
def signer(swtpm, tmp_path):  # noqa: F811
    address, seed = parse(swtpm.uri), tmp_path / "ak.json"
    with open_tpm(address) as tpm:
        public = make_key(tpm, seed, "ecdsa")
    return LeavingSigner(TpmWindowSigner(address, seed, "node-7"), check_attestation_key(public.encode()))


@pytest.fixture
def issuer(signer):
    with window_issuer(key=signer.key) as serving:
        yield serving


@pytest.fixture
def bench(tmp_path, signer, issuer):
    return Bench(tmp_path, signer, issuer.url)


def short():
    """Windows so short that the TPM's clock, which runs in real time here, agrees with theirs."""
    return {"length_us": 1000}


def settle(bench):
    """Let the keeper work until nothing waits."""

    def settled():
        bench.keeper.work()
        return not bench.keeper.behind

    assert eventually(settled)


def test_windows_quoted_by_the_tpm_follow_from_its_register(bench, issuer):
    bench.take(0, 1, 2, **short())
    sent = bench.submitter.drain()

    assert (len(sent.acknowledged), sent.rejected) == (3, [])
    assert all(window.quote is not None for window in issuer.windows)
    assert issuer.windows[0].header.ak == bench.signer.key.digest


def test_after_a_restart_of_the_agent_the_chain_goes_on_without_an_opening(bench, issuer):
    bench.take(0, **short())
    again = bench.reopened()
    again.take(1, **short())
    assert again.spool.load(again.spool.pending()[1]).place.boot_event == ""
    again.submitter.drain()

    assert len(issuer.windows) == 2


def test_after_a_boot_an_opening_names_the_last_window(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    swtpm.restart()
    bench.take(1, 2, **short())
    settle(bench)
    sent = bench.submitter.drain()

    assert sent.rejected == []
    assert sum(window.header.accelerators_mj for window in issuer.windows) == 3000
    assert issuer.windows[1].header.boot.reset == issuer.windows[0].header.boot.reset + 1


@pytest.mark.parametrize("extended", [False, True])
def test_killed_between_the_steps_the_register_tells_how_far_it_came(bench, issuer, signer, extended):
    bench.take(0, **short())
    bench.take(1, **short())
    name = bench.spool.pending()[1]
    path = bench.spool.folder / "pending" / name
    whole = path.read_bytes()
    # Made again as it was before the evidence: in the register, or not.
    if extended:
        path.write_bytes(whole[: whole.rindex(b"\nevidence ") + 1])
        again = bench.reopened()
        again.keeper.work()
    else:
        again = bench.reopened()
    again.take(2, **short())
    sent = again.submitter.drain()

    assert (len(issuer.windows), sent.rejected) == (3, [])


def test_killed_before_the_register_was_extended_it_is_extended_then(bench, issuer, signer):
    bench.take(0, **short())
    signer.is_away = True
    bench.take(1, **short())
    signer.is_away = False
    again = bench.reopened()
    again.take(2, **short())
    sent = again.submitter.drain()

    assert (len(issuer.windows), sent.rejected) == (3, [])


def test_a_tpm_that_is_gone_makes_no_other_key_sign(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    swtpm.kill()
    bench.take(1, 2, **short())
    assert str(swtpm.socket) in bench.keeper.problem
    assert len(bench.spool.pending()) == 1
    swtpm.start()
    settle(bench)
    sent = bench.submitter.drain()

    assert sent.rejected == []
    # What waited was joined to one window, and the boot in between was opened.
    assert [window.header.accelerators_mj for window in issuer.windows] == [1000, 2000]


def test_unsigned_windows_of_a_boot_that_is_over_are_set_aside_and_told(bench, issuer, signer, swtpm, caplog):  # noqa: F811
    bench.take(0, **short())
    signer.is_away = True
    bench.take(1, **short())
    signer.is_away = False
    swtpm.restart()
    again = bench.reopened()
    again.take(2, **short())
    settle(again)
    sent = again.submitter.drain()

    assert "set aside" in caplog.text
    assert len(again.spool.rejected()) == 1
    assert (len(issuer.windows), sent.rejected) == (2, [])
    assert issuer.windows[1].header.sequence == 1


def test_somebody_else_in_the_register_is_told_and_a_new_chain_begins(bench, issuer, swtpm, caplog):  # noqa: F811
    bench.take(0, **short())
    with open_tpm(parse(swtpm.uri)) as tpm:
        extend_pcr(tpm, 15, bytes(32))
    bench.take(1, **short())

    assert "somebody else extended the register" in caplog.text
    window = bench.spool.load(bench.spool.pending()[1])
    assert window.evidence is not None
    assert window.place.boot_event
    # Within a boot the issuer takes no second chain: it says so, and the window is kept aside.
    sent = bench.submitter.drain()
    assert "409" in sent.rejected[0][1]


@pytest.mark.parametrize("end", ["killed", "terminated"])
def test_after_a_restart_of_the_tpm_that_set_its_clock_back_windows_do_not_wait(bench, issuer, swtpm, end):  # noqa: F811
    bench.take(0, **short())
    before_ms = bench.keeper.head.clock_ms
    (swtpm.kill if end == "killed" else swtpm.terminate)()
    swtpm.start()
    # The next start finds the clock where it was last saved, as after an hour's work.
    bench.keeper.head = msgspec.structs.replace(bench.keeper.head, clock_ms=before_ms + 3_600_000)
    bench.take(1, **short())
    assert (bench.keeper.problem, bench.keeper.behind) == ("", False)
    assert bench.keeper.head.clock_ms < before_ms + 3_600_000

    # The issuer has seen that clock too.
    bench.submitter.drain()
    assert len(issuer.windows) == 2


def test_a_clock_that_went_back_without_a_loss_of_power_is_waited_out_and_told_how_long(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    head = bench.keeper.head
    # As after a resume: the same resets, another restart.
    earlier = (head.epoch[0], head.epoch[1] - 1) if head.epoch[1] else (head.epoch[0] - 1, 9)
    bench.keeper.head = msgspec.structs.replace(head, epoch=earlier, clock_ms=head.clock_ms + 90_000)
    bench.take(1, **short())
    assert "without a loss of power" in bench.keeper.problem
    assert "2 min at most" in bench.keeper.problem
    assert len(bench.spool.pending()) == 1

    bench.keeper.head = msgspec.structs.replace(bench.keeper.head, clock_ms=head.clock_ms)
    settle(bench)
    assert bench.keeper.problem == ""


def test_a_tpm_whose_counters_went_back_is_not_waited_for(bench, swtpm):  # noqa: F811
    bench.take(0, **short())
    head = bench.keeper.head
    bench.keeper.head = msgspec.structs.replace(head, epoch=(head.epoch[0] + 1, 0))
    bench.take(1, **short())
    assert "enrol again" in bench.keeper.problem
    assert len(bench.spool.pending()) == 1


def test_two_late_windows_after_a_boot_and_a_short_last_one_are_all_taken(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    swtpm.restart()
    # Two windows of ten seconds waited for the TPM, and are quoted together; the daemon is then stopped at once.
    bench.take(1, 2)
    bench.take(3, start_us=WALL // 1000 + 30_000_000, length_us=4_411_191)
    issuer.now_us = WALL // 1000 + 60_000_000
    sent = bench.submitter.drain()

    assert (sent.rejected, len(issuer.windows)) == ([], 4)
    assert issuer.flags.count("quoted-late") == 2


def test_windows_quoted_within_a_millisecond_rise_all_the_same(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    bench.keeper.head = msgspec.structs.replace(bench.keeper.head, clock_ms=bench.keeper.head.clock_ms + 5)
    bench.take(1, **short())
    assert bench.keeper.problem == ""
    clocks = [clock_in(bench.spool.load(name).evidence) for name in bench.spool.pending()]
    assert clocks[1] > clocks[0] + 5


def test_after_sleep_the_chain_goes_on_in_a_new_epoch_with_the_register_as_it_was(bench, issuer, swtpm):  # noqa: F811
    bench.take(0, **short())
    swtpm.sleep()
    bench.take(1, **short())
    sent = bench.submitter.drain()
    assert (bench.keeper.problem, sent.rejected) == ("", [])
    first, second = (window.header.boot for window in issuer.windows)
    assert (second.reset, second.restart) == (first.reset, first.restart + 1)


class SleepySigner:
    """The signer of a machine that sleeps just before each window is signed."""

    kind = "tpm"

    def __init__(self, signer, swtpm):  # noqa: F811
        self._signer, self._swtpm = signer, swtpm

    @contextmanager
    def open(self):
        with self._signer.open() as signing:
            self.identity, self.boot, found = signing.identity, signing.boot, signing.position()
        self.position = lambda: found
        yield self

    def sign(self, window, *, again=False):
        self._swtpm.sleep()
        with self._signer.open() as awake:
            return awake.sign(window, again=again)


def test_a_machine_that_slept_while_a_window_was_signed_sets_that_window_aside(bench, issuer, signer, swtpm):  # noqa: F811
    bench.take(0, **short())
    signer.inner, awake = SleepySigner(signer.inner, swtpm), signer.inner
    bench.take(1, **short())
    assert "slept or was booted" in bench.keeper.problem
    signer.inner = awake
    bench.take(2, **short())
    settle(bench)
    sent = bench.submitter.drain()
    assert (len(bench.spool.rejected()), sent.rejected, len(issuer.windows)) == (1, [], 2)


def test_the_tpms_clock_at_the_last_quote_is_remembered_over_a_start(bench):
    bench.take(0, **short())
    clock_ms = bench.keeper.head.clock_ms
    again = bench.reopened()
    assert again.keeper.head.clock_ms == clock_ms > 0
    again.submitter.drain()
    assert again.reopened().keeper.head.clock_ms == clock_ms


@pytest.mark.parametrize("booted", [False, True])
def test_behind_a_window_that_is_refused_for_good_the_chain_goes_on_once_the_gap_is_accepted(
    bench,
    issuer,
    swtpm,  # noqa: F811
    booted,
):
    bench.take(0, **short())
    bench.submitter.drain()
    issuer.script += ["422"]
    bench.take(1, **short())
    bench.submitter.drain()
    if booted:
        swtpm.restart()
    bench.take(2, **short())
    settle(bench)
    sent = bench.submitter.drain()
    assert (sent.rejected, sent.remaining) == ([], 1)
    assert "window 1 never came" in sent.failure

    issuer.state = msgspec.structs.replace(issuer.state, accepted_gap=AcceptedGap(at_us=1, last=1_000))
    bench.pauses.clear()
    bench.take(3, **short())
    sent = bench.submitter.drain()
    assert (sent.rejected, sent.remaining) == ([], 0)
    assert [window.header.sequence for window in issuer.windows] == [0, 2, 3]


def test_behind_a_register_that_something_else_extended_the_chain_goes_on_once_the_gap_is_accepted(
    bench,
    issuer,
    swtpm,  # noqa: F811
):
    bench.take(0, **short())
    bench.submitter.drain()
    with open_tpm(parse(swtpm.uri)) as tpm:
        extend_pcr(tpm, 15, bytes(32))
    bench.take(1, 2, **short())
    sent = bench.submitter.drain()
    assert ("409" in sent.rejected[0][1], sent.remaining) == (True, 1)

    issuer.state = msgspec.structs.replace(issuer.state, accepted_gap=AcceptedGap(at_us=1, last=1_000))
    bench.pauses.clear()
    bench.take(3, **short())
    sent = bench.submitter.drain()
    assert (sent.rejected, sent.remaining) == ([], 0)
    assert [window.header.sequence for window in issuer.windows] == [0, 2, 3]
