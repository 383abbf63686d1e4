"""The daemon's socket in a thread of the test, with a ledger that can be held up."""

import json
import socket
import threading
from contextlib import contextmanager

from agent.windows.ledger_window import WindowLedger
from agent.windows.protocol import WorkerStatus
from agent.windows.server import WorkServer
from tests.fakes.agent import FakeMeter, HandClock

SOCKET = "s"


class Workload:
    """A connection that asks, also many questions at once."""

    def __init__(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(10)
        self.peer.connect(str(path))
        self.answers = self.peer.makefile("rb")

    def send(self, *requests):
        self.peer.sendall(b"".join(json.dumps({"v": 1, **one}).encode() + b"\n" for one in requests))

    def answer(self):
        return json.loads(self.answers.readline())

    def ask(self, **request):
        self.send(request)
        return self.answer()

    def start(self, name):
        return self.ask(op="start", model_id="m", inference_id=name)

    def close(self):
        self.answers.close()
        self.peer.close()


class Turns(WindowLedger):
    """The ledger, which also says in which order it was asked; it waits while ``open`` is not set."""

    def __init__(self, *given):
        super().__init__(*given)
        self.clock = given[1]
        self.order = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def start(self, model_id, inference_id, tenant_id=None, parent=None):
        self.entered.set()
        assert self.open.wait(10)
        self.order.append(inference_id)
        return super().start(model_id, inference_id, tenant_id, parent)


@contextmanager
def serving(folder, **limits):
    clock = HandClock()
    ledger = Turns([FakeMeter(clock)], clock, lambda _: None)
    assert ledger.begin()

    def status():
        return WorkerStatus(pid=1, key_kind="none", measuring=True, running=ledger.running, simulated=True)

    path = folder / SOCKET
    server = WorkServer(path, ledger, clock, new_id=lambda: "made", status=status, **limits)
    thread = threading.Thread(target=server.run)
    thread.start()
    workloads = []

    def connect():
        workloads.append(Workload(path))
        return workloads[-1]

    try:
        yield connect, ledger
    finally:
        ledger.open.set()
        for one in workloads:
            one.close()
        server.stop()
        thread.join(10)
    assert not thread.is_alive()
