import threading

import pytest

from agent.errors import SpoolFullError
from agent.record import Labels
from agent.recorder import Recorder
from agent.spool import BLOCK_BYTES, Spool
from schemas.errors import FormatError
from schemas.telemetry import decode_telemetry
from tests.fakes.agent import HandClock, measurement, new_signer

SIGNER = new_signer()
LABELS = Labels("node-7", "model", "i-1")


class GatedSigner:
    """Signs when it is let."""

    public_key = SIGNER.public_key

    def __init__(self, error=None):
        self.gate = threading.Event()
        self.error = error

    def sign(self, message, algorithm):
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return SIGNER.sign(message, algorithm)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path, HandClock())


def test_a_measurement_becomes_a_record_on_disk(spool):
    recorder = Recorder(SIGNER, spool)
    name = recorder.put(measurement(3_600_000), LABELS).result(10)

    assert spool.pending() == [name]
    assert decode_telemetry(spool.load(name)).energy_mj == 3_600_000
    assert recorder.close(10)


def test_handing_over_waits_for_neither_key_nor_disk(spool):
    signer = GatedSigner()
    recorder = Recorder(signer, spool)
    future = recorder.put(measurement(), LABELS)

    assert not future.done()
    signer.gate.set()
    assert future.result(10) in spool.pending()
    recorder.close(10)


def test_closing_writes_what_waits(spool):
    signer = GatedSigner()
    recorder = Recorder(signer, spool)
    for number in range(20):
        recorder.put(measurement(), Labels("node-7", "model", f"i-{number}"))
    signer.gate.set()

    assert recorder.close(10)
    assert len(spool.pending()) == 20


def test_a_key_that_hangs_does_not_hang_the_end_of_the_program(spool):
    recorder = Recorder(GatedSigner(), spool)
    recorder.put(measurement(), LABELS)

    assert not recorder.close(0.05)


def test_the_outbox_is_told_after_each_record(spool):
    told = []
    recorder = Recorder(SIGNER, spool, stored=lambda: told.append(len(spool.pending())))
    recorder.put(measurement(), LABELS)
    recorder.put(measurement(), LABELS)
    recorder.close(10)

    assert told == [1, 2]


@pytest.mark.parametrize("error", [RuntimeError("token removed"), OSError("broken")])
def test_a_key_that_fails_loses_one_record_loudly_and_not_the_next(spool, caplog, error):
    signer = GatedSigner(error)
    signer.gate.set()
    recorder = Recorder(signer, spool)
    first = recorder.put(measurement(), LABELS)
    with pytest.raises(type(error)):
        first.result(10)
    signer.error = None

    assert recorder.put(measurement(), LABELS).result(10)
    assert "a measurement was lost" in caplog.text
    recorder.close(10)


def test_a_record_that_the_format_refuses_fails_with_the_reason(spool):
    recorder = Recorder(SIGNER, spool)
    with pytest.raises(FormatError, match="model_id"):
        recorder.put(measurement(), Labels("node-7", "<model>", "i-1")).result(10)
    recorder.close(10)


def test_a_full_spool_fails_with_the_reason(tmp_path):
    spool = Spool(tmp_path, HandClock(), max_bytes=BLOCK_BYTES)
    recorder = Recorder(SIGNER, spool)
    recorder.put(measurement(), LABELS).result(10)
    with pytest.raises(SpoolFullError):
        recorder.put(measurement(), LABELS).result(10)
    assert spool.losses().count == 1
    recorder.close(10)


def test_more_than_memory_shall_hold_is_lost_loudly_and_counted(spool):
    signer = GatedSigner()
    recorder = Recorder(signer, spool, max_waiting=3)
    futures = [recorder.put(measurement(), LABELS) for _ in range(3 + 2)]

    # One is at the key, unless the thread has not come to it yet; three wait; the rest found no room.
    lost = sum(future.done() and isinstance(future.exception(), SpoolFullError) for future in futures)
    assert lost in {1, 2}
    assert spool.losses().count == lost
    signer.gate.set()
    recorder.close(10)
    assert len(spool.pending()) == 5 - lost
