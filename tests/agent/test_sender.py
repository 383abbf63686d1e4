import threading

from agent.sender import Sender
from agent.spool import Spool
from agent.submit import Submitter
from tests.agent.test_submit import Bench
from tests.fakes.agent import ScriptedTransport, issue, problem
from tests.fakes.eventually import eventually


def sender_of(bench, **options):
    def submitter(sleep):
        return Submitter(bench.spool, bench.transport, bench.clock, sleep=sleep, fraction=lambda: 1.0)

    return Sender(submitter, **options)


def test_it_sends_when_it_is_woken(tmp_path):
    bench = Bench(tmp_path, issue)
    sender = sender_of(bench)
    bench.enqueue("i-1", "i-2")
    sender.wake()

    assert sender.close(10)
    assert bench.posted() == ["i-1", "i-2"]
    assert bench.spool.pending() == []


def test_closing_without_work_returns_at_once(tmp_path):
    assert sender_of(Bench(tmp_path, issue)).close(10)


def test_closing_waits_no_longer_than_it_is_told(tmp_path):
    bench = Bench(tmp_path, problem(503))
    sender = sender_of(bench)
    bench.enqueue("i-1")
    sender.wake()

    assert not sender.close(0.05)
    assert len(bench.spool.pending()) == 1
    assert eventually(lambda: not sender._thread.is_alive())


def test_every_wake_is_served(tmp_path):
    bench = Bench(tmp_path, issue)
    sender = sender_of(bench)
    for number in range(10):
        bench.enqueue(f"i-{number}")
        sender.wake()

    assert sender.close(10)
    assert len(bench.posted()) == 10


def test_a_spool_that_another_process_sends_is_left_to_it(tmp_path):
    bench = Bench(tmp_path, issue)
    bench.enqueue("i-1")
    other = Spool(tmp_path / "spool", bench.clock)
    with other.sending():
        sender = sender_of(bench)
        sender.wake()
        assert not sender.close(0.05)
    assert bench.posted() == []


class BrokenTransport(ScriptedTransport):
    """Fails once with what nobody expects."""

    def __init__(self):
        super().__init__(issue)
        self.failed = threading.Event()

    def post(self, path, body, *, timeout_s):
        if not self.failed.is_set():
            self.failed.set()
            raise RuntimeError("a bug")
        return super().post(path, body, timeout_s=timeout_s)


def test_what_nobody_expected_does_not_end_the_sending(tmp_path):
    bench = Bench(tmp_path, transport=BrokenTransport())
    sender = sender_of(bench, busy_pause_s=0.01)
    bench.enqueue("i-1")
    sender.wake()

    assert sender.close(10)
    assert bench.spool.pending() == []
