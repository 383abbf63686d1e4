"""Windows in a real TPM: the chain, the quote, and what a crash leaves."""

import hashlib

import pytest

from agent.errors import SettingsError
from agent.tpm.address import parse
from agent.tpm.client import Tpm
from agent.tpm.constants import Command
from agent.tpm.errors import (
    TpmAnswerError,
    TpmBusyError,
    TpmChangedError,
    TpmRefusedError,
    TpmUnavailableError,
)
from agent.tpm.identity import lent_key, make_key
from agent.tpm.info import TRANSIENT_KEYS, handles
from agent.tpm.opening import open_tpm
from agent.tpm.pcrs import extend_pcr, read_pcrs
from agent.tpm.quoting import ATTEMPTS, Next, Position, Quoter, open_quoter, reconcile
from agent.tpm.transport import open_transport
from agent.tpm.wire import EMPTY_PASSWORD, encode_command
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import parse_attest
from schemas.tpm.pcr import composite_digest, extend, window_selection
from schemas.tpm.wire import uint16, uint32
from tests.fakes.tpm import MakersCommand, Meddling, signature_holds

WINDOWS = [hashlib.sha256(bytes([number])).digest() for number in range(4)]
EXTRA = hashlib.sha256(b"extra").digest()
ZERO = bytes(32)
QUOTED = (0, 1, 2, 3, 4, 5, 6, 7, 10, 15)


@pytest.fixture
def ak_file(swtpm, tmp_path):
    path = tmp_path / "ak.json"
    with open_tpm(parse(swtpm.uri)) as tpm:
        make_key(tpm, path, "ecdsa")
    return path


@pytest.fixture
def quoter(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file) as opened:
        yield opened


@pytest.fixture
def meddled(swtpm, ak_file):
    """Open a quoter with a hand between it and the TPM."""
    opened = []

    def start(**hands):
        tpm = Tpm(Meddling(open_transport(parse(swtpm.uri).place), **hands))
        lent = lent_key(tpm, ak_file)
        opened.append((tpm, lent))
        return Quoter(tpm, lent.__enter__())

    yield start
    for tpm, _ in opened:
        tpm.close()


def extend_command(index, digest):
    return encode_command(Command.PCR_EXTEND, (index,), (EMPTY_PASSWORD,), uint32(1) + uint16(0x000B) + digest)


def holds(quoter, made):
    attest = parse_attest(made.attest)
    digest = composite_digest(window_selection(), {TpmAlg.SHA256: made.pcr_values}, TpmAlg.SHA256)
    return signature_holds(quoter.ak.public, made.attest, made.signature) and attest.attested.pcr_digest == digest


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_a_window_is_extended_and_quoted(swtpm, ak_file, scheme):
    with open_tpm(parse(swtpm.uri)) as tpm:
        make_key(tpm, ak_file, scheme)
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        made = quoter.sign(ZERO, WINDOWS[0], EXTRA)
        assert holds(quoter, made)
    attest = parse_attest(made.attest)
    assert attest.extra_data == EXTRA
    assert attest.clock_info == made.clock
    assert tuple(made.pcr_values) == QUOTED
    assert made.pcr_values[15] == hashlib.sha256(ZERO + WINDOWS[0]).digest()


def test_windows_follow_one_another_in_the_register(quoter):
    chain = quoter.position().value
    for window in WINDOWS:
        made = quoter.sign(chain, window, EXTRA)
        chain = extend(chain, window)
        assert made.pcr_values[15] == chain
    assert quoter.position().value == chain


def test_the_chain_begins_with_what_the_register_holds_at_start(swtpm, ak_file):
    # systemd extends PCR 15 while the machine boots.
    with open_tpm(parse(swtpm.uri)) as tpm:
        extend_pcr(tpm, 15, WINDOWS[3])
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        start = quoter.position()
        assert start.value == extend(ZERO, WINDOWS[3])
        assert holds(quoter, quoter.sign(start.value, WINDOWS[0], EXTRA))


def test_the_chain_can_stand_in_another_register(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file, chain_pcr=14) as quoter:
        made = quoter.sign(ZERO, WINDOWS[0], EXTRA)
        assert tuple(made.pcr_values) == (*range(8), 10, 14)


@pytest.mark.parametrize("register", [0, 7, 10, 16, 17, 23, 24, -1])
def test_a_register_that_means_something_else_or_can_be_reset_cannot_hold_the_chain(swtpm, ak_file, register):
    with pytest.raises(SettingsError, match="cannot hold the chain"):
        open_quoter(parse(swtpm.uri), ak_file, chain_pcr=register).__enter__()


def test_any_program_can_reset_register_16_or_23_and_none_that_may_hold_the_chain(swtpm):
    with open_tpm(parse(swtpm.uri)) as tpm:
        for register in (16, 23):
            extend_pcr(tpm, register, WINDOWS[0])
            tpm.run(MakersCommand.PCR_RESET, (register,), (EMPTY_PASSWORD,))
            assert read_pcrs(tpm, [register])[register] == ZERO
        for register in (8, 9, 11, 12, 13, 14, 15):
            with pytest.raises(TpmRefusedError, match="TPM_RC_LOCALITY"):
                tpm.run(MakersCommand.PCR_RESET, (register,), (EMPTY_PASSWORD,))


def test_a_hidden_window_shows_in_the_next_quote(quoter):
    # Two windows after the same chain: the second is not what the register says.
    quoter.sign(ZERO, WINDOWS[0], EXTRA)
    with pytest.raises(TpmChangedError, match="does not hold the chain"):
        quoter.sign(ZERO, WINDOWS[1], EXTRA)


def test_a_register_that_another_program_extends_is_told(quoter, swtpm):
    with pytest.raises(TpmChangedError, match=r"PCR 15.*another program"):
        quoter.sign(WINDOWS[2], WINDOWS[0], EXTRA)


def test_a_register_that_moves_between_reading_and_quoting_is_read_again(meddled):
    quotes = []

    def ima(code, transport):
        if code == Command.QUOTE:
            quotes.append(code)
            transport.exchange(extend_command(10, WINDOWS[3]), 5)

    quoter = meddled(before=ima)
    made = quoter.sign(ZERO, WINDOWS[0], EXTRA)
    assert holds(quoter, made)
    assert len(quotes) == 1
    assert made.pcr_values[10] == extend(ZERO, WINDOWS[3])


def test_a_register_that_moves_again_after_the_quote_is_quoted_again(meddled):
    # Read, move, quote, move, read: neither reading fits.
    quotes, moves = [], []

    def ima(code, transport):
        if code == Command.QUOTE:
            quotes.append(code)
        if len(quotes) == 1 and code in {Command.QUOTE, Command.PCR_READ} and len(moves) < 2:
            moves.append(code)
            transport.exchange(extend_command(10, WINDOWS[len(moves)]), 5)

    quoter = meddled(before=ima)
    made = quoter.sign(ZERO, WINDOWS[0], EXTRA)
    assert holds(quoter, made)
    assert (len(quotes), len(moves)) == (2, 2)


def test_registers_that_never_rest_are_busy_in_bounded_time(meddled):
    seen = []

    def ima(code, transport):
        seen.append(code)
        if code in {Command.QUOTE, Command.PCR_READ}:
            transport.exchange(extend_command(10, WINDOWS[3]), 5)

    quoter = meddled(before=ima)
    with pytest.raises(TpmBusyError, match="change faster"):
        quoter.sign(ZERO, WINDOWS[0], EXTRA)
    assert seen.count(Command.QUOTE) == ATTEMPTS


# Type, length and content of the extra data, count of selections, bank, and registers.
@pytest.mark.parametrize("position", [4, 43, 60, 104, 106, 110])
def test_a_quote_of_something_else_is_refused(meddled, position):
    def change(code, given):
        if code != Command.QUOTE:
            return given
        changed = bytearray(given)
        changed[16 + position] ^= 1
        return bytes(changed)

    quoter = meddled(after=change)
    with pytest.raises(TpmAnswerError):
        quoter.sign(ZERO, WINDOWS[0], EXTRA)


def test_a_kill_after_the_extend_is_answered_by_quoting_again(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        left = quoter.position()
    with open_tpm(parse(swtpm.uri)) as tpm:
        extend_pcr(tpm, 15, WINDOWS[0])
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        assert reconcile(left, WINDOWS[0], quoter.position()) is Next.QUOTE
        assert holds(quoter, quoter.sign_again(left.value, WINDOWS[0], EXTRA))
        after = extend(left.value, WINDOWS[0])
        assert quoter.position().value == after
        assert quoter.sign(after, WINDOWS[1], EXTRA).pcr_values[15] == extend(after, WINDOWS[1])


def test_a_kill_before_the_extend_is_answered_by_extending(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        left = quoter.position()
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        assert reconcile(left, WINDOWS[0], quoter.position()) is Next.EXTEND
        assert holds(quoter, quoter.sign(left.value, WINDOWS[0], EXTRA))


def test_a_boot_begins_a_new_chain(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        left = quoter.position()
        quoter.sign(left.value, WINDOWS[0], EXTRA)
    swtpm.restart()
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        found = quoter.position()
        assert reconcile(left, WINDOWS[0], found) is Next.NEW_EPOCH
        assert found == Position((left.epoch[0] + 1, 0), ZERO)


def at(value, epoch=(3, 0)):
    return Position(epoch, value)


A, B = extend(ZERO, WINDOWS[0]), extend(ZERO, WINDOWS[1])


@pytest.mark.parametrize(
    ("pending", "found", "step"),
    [
        (None, at(ZERO), Next.GO_ON),
        (None, at(A), Next.BROKEN),
        (WINDOWS[0], at(ZERO), Next.EXTEND),
        (WINDOWS[0], at(A), Next.QUOTE),
        (WINDOWS[0], at(B), Next.BROKEN),
        (WINDOWS[0], at(extend(A, WINDOWS[0])), Next.BROKEN),
        (WINDOWS[0], at(A, (4, 0)), Next.NEW_EPOCH),
        (WINDOWS[0], at(A, (3, 1)), Next.NEW_EPOCH),
        (None, at(ZERO, (2, 0)), Next.NEW_EPOCH),
    ],
)
def test_what_is_found_says_what_is_next(pending, found, step):
    assert reconcile(at(ZERO), pending, found) is step


def test_a_silence_in_the_extend_leaves_a_register_that_tells(swtpm, ak_file):
    # The worst moment: the TPM did it, and nobody heard.
    def lose(code, given):
        if code == Command.PCR_EXTEND:
            raise TpmUnavailableError("lost")
        return given

    tpm = Tpm(Meddling(open_transport(parse(swtpm.uri).place), after=lose))
    with tpm, lent_key(tpm, ak_file) as ak:
        left = Quoter(tpm, ak).position()
        with pytest.raises(TpmUnavailableError):
            Quoter(tpm, ak).sign(left.value, WINDOWS[0], EXTRA)
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        assert reconcile(left, WINDOWS[0], quoter.position()) is Next.QUOTE


def test_a_tpm_that_goes_while_windows_are_signed_is_absent_and_comes_back(swtpm, ak_file):
    def run_until_cut():
        with open_quoter(parse(swtpm.uri), ak_file) as quoter:
            quoter.sign(ZERO, WINDOWS[0], EXTRA)
            swtpm.kill()
            quoter.sign(extend(ZERO, WINDOWS[0]), WINDOWS[1], EXTRA)

    with pytest.raises(TpmUnavailableError):
        run_until_cut()
    swtpm.start()
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        assert holds(quoter, quoter.sign(ZERO, WINDOWS[1], EXTRA))


def test_everything_is_given_back(swtpm, ak_file):
    with open_quoter(parse(swtpm.uri), ak_file) as quoter:
        quoter.sign(ZERO, WINDOWS[0], EXTRA)
    with Tpm(open_transport(parse(swtpm.uri).place)) as tpm:
        assert handles(tpm, TRANSIENT_KEYS) == []


def test_threads_do_not_mix_their_windows(quoter):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        positions = list(pool.map(lambda _: quoter.position(), range(40)))
    assert {position.value for position in positions} == {ZERO}
