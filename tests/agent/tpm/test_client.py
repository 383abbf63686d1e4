"""What a TPM's answer leads to, whatever it is."""

import pytest

from agent.tpm.attestation import read_clock
from agent.tpm.client import PATIENCE_S
from agent.tpm.constants import Command
from agent.tpm.errors import (
    TpmAnswerError,
    TpmBusyError,
    TpmError,
    TpmLockoutError,
    TpmRefusedError,
    TpmUnavailableError,
    TpmUnsuitableError,
)
from agent.tpm.pcrs import extend_pcr
from agent.tpm.wire import Authorization, encode_command
from tests.fakes.tpm import HandTime, answer, scripted, session_answer

CLOCK = answer(body=bytes(7) + b"\x05" + bytes(7) + b"\x09" + b"\0\0\0\x02" + b"\0\0\0\x01" + b"\x01")
RETRY, YIELDED, CANCELED, TESTING, NV_RATE, NV_UNAVAILABLE = 0x922, 0x908, 0x909, 0x90A, 0x920, 0x923
OBJECT_MEMORY, LOCKOUT = 0x902, 0x921


def test_an_answer_is_read_to_its_end():
    tpm, _ = scripted(CLOCK)
    clock = read_clock(tpm)
    assert (clock.clock_ms, clock.reset_count, clock.restart_count, clock.safe) == (9, 2, 1, True)


def test_a_command_is_framed_as_part_1_says():
    plain = encode_command(Command.FLUSH_CONTEXT, (), (), b"\x80\0\0\0")
    assert plain.hex() == "80010000000e00000165" + "80000000"
    secret = encode_command(Command.PCR_EXTEND, (15,), (Authorization(password=b"pw"),), b"")
    assert (
        secret.hex() == "80020000001d00000182" + "0000000f" + "0000000b" + "40000009" + "0000" + "00" + "0002" + "7077"
    )


def test_a_policy_session_outlives_its_command():
    framed = encode_command(Command.QUOTE, (), (Authorization(session=0x03000000),), b"")
    assert framed[14:].hex() == "03000000" + "0000" + "01" + "0000"


def test_a_command_that_no_tpm_takes_is_not_sent():
    with pytest.raises(ValueError, match="4096"):
        encode_command(Command.QUOTE, (), (), bytes(4087))


def test_a_password_never_shows():
    assert "hunter2" not in repr(Authorization(password=b"hunter2"))


@pytest.mark.parametrize("code", [RETRY, YIELDED, CANCELED, TESTING, NV_RATE, NV_UNAVAILABLE, OBJECT_MEMORY])
def test_a_command_that_is_put_off_is_sent_again_as_it_was(code):
    tpm, transport = scripted(answer(code), answer(code), CLOCK)
    assert read_clock(tpm).clock_ms == 9
    assert len(transport.commands) == 3
    assert len(set(transport.commands)) == 1


@pytest.mark.parametrize("code", [RETRY, TESTING, NV_RATE, OBJECT_MEMORY])
def test_a_tpm_that_always_puts_off_is_busy_in_bounded_time(code):
    time = HandTime()
    tpm, transport = scripted(answer(code), time=time)
    with pytest.raises(TpmBusyError, match="TPM2_ReadClock"):
        read_clock(tpm)
    assert PATIENCE_S / 2 < time.now_s <= PATIENCE_S
    assert len(transport.commands) < 60
    assert all(later <= 1.0 for later in time.pauses)


def test_a_full_tpm_says_who_fills_it():
    tpm, _ = scripted(answer(OBJECT_MEMORY))
    with pytest.raises(TpmBusyError, match="/dev/tpmrm0"):
        read_clock(tpm)


def test_a_lockout_is_told_at_once_and_apart():
    tpm, transport = scripted(answer(LOCKOUT))
    with pytest.raises(TpmLockoutError, match="dictionarylockout"):
        read_clock(tpm)
    assert len(transport.commands) == 1


@pytest.mark.parametrize(("code", "advice"), [(0x100, "startup-clear"), (0x101, "failure mode"), (0x130, "rebooted")])
def test_a_tpm_that_does_nothing_any_more_is_absent(code, advice):
    tpm, transport = scripted(answer(code))
    with pytest.raises(TpmUnavailableError, match=advice):
        read_clock(tpm)
    assert len(transport.commands) == 1


def test_a_tpm_1_2_is_told_as_one():
    tpm, _ = scripted(answer(0x1E, tag=0x00C4))
    with pytest.raises(TpmUnsuitableError, match=r"TPM 1\.2"):
        read_clock(tpm)


def test_a_refusal_names_command_code_and_remedy():
    tpm, transport = scripted(answer(0x9A2))
    with pytest.raises(TpmRefusedError, match=r"TPM2_PCR_Extend.*TPM_RC_BAD_AUTH.*owner-auth-file") as caught:
        extend_pcr(tpm, 15, bytes(32))
    assert (caught.value.code, caught.value.code_name) == (0x9A2, "TPM_RC_BAD_AUTH")
    assert len(transport.commands) == 1


@pytest.mark.parametrize("failure", [TpmBusyError("late"), TpmUnavailableError("gone")])
def test_after_a_silence_nothing_is_sent_again(failure):
    # Nobody knows whether the register was extended.
    tpm, transport = scripted(failure, session_answer())
    with pytest.raises(type(failure)):
        extend_pcr(tpm, 15, bytes(32))
    assert len(transport.commands) == 1


@pytest.mark.parametrize("length", range(len(CLOCK)))
def test_a_truncated_answer_is_refused_at_every_length(length):
    cut = CLOCK[:length]
    for spelled in (cut, cut[:2] + len(cut).to_bytes(4, "big") + cut[6:]):
        tpm, _ = scripted(spelled)
        with pytest.raises(TpmAnswerError):
            read_clock(tpm)


@pytest.mark.parametrize(
    "given",
    [
        CLOCK + b"\0",
        answer(body=CLOCK[10:] + b"\0"),
        answer(body=CLOCK[10:], size=9),
        answer(body=CLOCK[10:], size=0),
        answer(body=CLOCK[10:], size=0xFFFFFFFF),
        answer(body=CLOCK[10:], tag=0x8002),
        answer(body=CLOCK[10:], tag=0x00C4),
        answer(body=CLOCK[10:-1] + b"\x02"),
        answer(body=bytes(4087)),
        b"",
    ],
    ids=["byte", "parameter", "short", "none", "long", "session-tag", "tag-1.2", "boolean", "beyond", "empty"],
)
def test_an_answer_of_another_shape_is_refused(given):
    tpm, _ = scripted(given)
    with pytest.raises(TpmAnswerError):
        read_clock(tpm)


@pytest.mark.parametrize(
    "given",
    [
        answer(),
        session_answer()[:-1],
        session_answer() + b"\0",
        session_answer(authorizations=2),
        session_answer(authorizations=0),
        session_answer(b"\0"),
        answer(body=b"\xff\xff\xff\xff" + bytes(5), tag=0x8002),
        answer(body=bytes(4) + b"\xff\xff" + bytes(3), tag=0x8002),
    ],
)
def test_the_acknowledgement_of_a_password_is_read_exactly(given):
    tpm, _ = scripted(given)
    with pytest.raises(TpmAnswerError):
        extend_pcr(tpm, 15, bytes(32))


def test_closing_gives_the_transport_back():
    tpm, transport = scripted(CLOCK)
    with tpm:
        read_clock(tpm)
    assert transport.closed


def test_busy_absent_and_locked_are_told_apart_by_name():
    assert {error.name for error in (TpmBusyError, TpmUnavailableError, TpmLockoutError)} == {
        "TPM_BUSY",
        "TPM_UNAVAILABLE",
        "TPM_LOCKOUT",
    }
    assert all(issubclass(error, TpmError) for error in (TpmBusyError, TpmUnavailableError, TpmLockoutError))
