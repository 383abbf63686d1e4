"""Devices and sockets: what is there, what is late, what lies about its size."""

import os
import pty
import socket
import threading
import tty
from pathlib import Path

import pytest

from agent.tpm.address import Device, TcpSocket, UnixSocket, parse
from agent.tpm.attestation import read_clock
from agent.tpm.errors import TpmAnswerError, TpmBusyError, TpmUnavailableError
from agent.tpm.opening import open_tpm
from agent.tpm.transport import DeviceTransport, SocketTransport, open_transport
from tests.fakes.ports import free_port
from tests.fakes.tpm import answer

COMMAND = answer(0x181)


class Server:
    """Accepts one connection and does with it what it is told."""

    def __init__(self, serve):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = TcpSocket(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._run, args=(serve,))
        self._thread.start()

    def _run(self, serve):
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(4096)
            serve(connection)

    def close(self):
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def serving():
    servers = []

    def start(serve):
        servers.append(Server(serve))
        return SocketTransport(servers[-1].place)

    yield start
    for server in servers:
        server.close()


def test_an_answer_in_pieces_is_put_together(serving):
    whole = answer(body=bytes(range(200)))

    def serve(connection):
        for position in range(0, len(whole), 7):
            connection.sendall(whole[position : position + 7])

    transport = serving(serve)
    assert transport.exchange(COMMAND, 5) == whole
    transport.close()


@pytest.mark.parametrize("size", [0, 9, 4097, 0xFFFFFFFF])
def test_an_announced_size_that_no_answer_has_is_refused_unread(serving, size):
    transport = serving(lambda connection: connection.sendall(answer(size=size)))
    with pytest.raises(TpmAnswerError, match=str(size)):
        transport.exchange(COMMAND, 5)


@pytest.mark.parametrize("part", [b"", answer()[:5], answer(size=100)])
def test_a_connection_that_ends_within_an_answer_is_lost(serving, part):
    transport = serving(lambda connection: connection.sendall(part))
    with pytest.raises(TpmUnavailableError, match="closed"):
        transport.exchange(COMMAND, 5)


def test_no_answer_in_time_is_busy_and_a_late_one_is_never_taken_for_the_next(serving):
    asked = threading.Event()

    def serve(connection):
        asked.wait(10)
        connection.sendall(answer(body=b"late"))

    transport = serving(serve)
    with pytest.raises(TpmBusyError, match="no answer in"):
        transport.exchange(COMMAND, 0.05)
    asked.set()
    with pytest.raises(TpmUnavailableError, match="open it again"):
        transport.exchange(COMMAND, 5)


def test_an_answer_that_drips_is_late_too(serving):
    stop = threading.Event()

    def serve(connection):
        connection.sendall(answer(size=4096))
        while not stop.wait(0.01):
            connection.sendall(b"\0")

    transport = serving(serve)
    with pytest.raises(TpmBusyError):
        transport.exchange(COMMAND, 0.1)
    stop.set()


def test_a_socket_where_nobody_listens_says_what_to_start(tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    address = TcpSocket(*listener.getsockname())
    listener.close()
    for place in (address, UnixSocket(tmp_path / "none")):
        with pytest.raises(TpmUnavailableError, match="start swtpm"):
            open_transport(place)


def test_a_socket_without_permission_says_so(monkeypatch, tmp_path):
    class Denied:
        def __init__(self, *_):
            pass

        settimeout = close = __init__

        def connect(self, path):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Denied)
    with pytest.raises(TpmUnavailableError, match="let this user"):
        SocketTransport(UnixSocket(tmp_path / "sock"))


def test_a_device_that_is_not_there_says_what_to_switch_on():
    with pytest.raises(TpmUnavailableError, match=r"firmware.*--device /dev/tpm-none"):
        DeviceTransport(Path("/dev/tpm-none"))


def test_a_machine_without_a_tpm_says_so():
    with pytest.raises(TpmUnavailableError, match="shows no TPM"):
        open_transport(Device(), devices=(Path("/dev/tpm-none"),))


def test_the_first_device_that_is_there_is_taken(terminal):
    transport = open_transport(Device(), devices=(Path("/dev/tpm-none"), terminal[1], Path("/dev/tpm-neither")))
    assert transport.place == str(terminal[1])
    transport.close()


@pytest.mark.parametrize(
    ("number", "kind", "says"), [(13, TpmUnavailableError, "group tss"), (16, TpmBusyError, "tpmrm0")]
)
def test_a_device_that_may_not_be_opened_says_what_to_do(monkeypatch, number, kind, says):
    def refuse(path, flags):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(kind, match=says):
        DeviceTransport(Path("/dev/tpm0"))


def test_a_file_is_no_device(tmp_path):
    path = tmp_path / "tpm"
    path.write_bytes(b"")
    with pytest.raises(TpmUnavailableError, match="no device"):
        DeviceTransport(path)


@pytest.fixture
def terminal():
    """A character device that is ours at both ends."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, Path(os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


def test_a_device_gives_the_answer_of_one_read(terminal):
    ours, path = terminal
    transport = DeviceTransport(path)

    def serve():
        assert os.read(ours, 4096) == COMMAND
        os.write(ours, answer(body=b"four"))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert transport.exchange(COMMAND, 5) == answer(body=b"four")
    finally:
        thread.join(10)
        transport.close()
    transport.close()


def test_a_device_that_is_readable_too_early_is_read_again(terminal, monkeypatch):
    ours, path = terminal
    transport = DeviceTransport(path)
    os.write(ours, answer(body=b"four"))
    read, early = os.read, [b"", b""]
    monkeypatch.setattr(os, "read", lambda descriptor, count: early.pop() if early else read(descriptor, count))
    assert transport.exchange(COMMAND, 5) == answer(body=b"four")
    transport.close()


def test_a_device_that_gives_nothing_for_ever_is_busy(terminal, monkeypatch):
    ours, path = terminal
    transport = DeviceTransport(path)
    os.write(ours, answer())
    monkeypatch.setattr(os, "read", lambda descriptor, count: b"")
    with pytest.raises(TpmBusyError):
        transport.exchange(COMMAND, 0.02)


def test_a_device_that_answers_beyond_measure_is_refused(terminal, monkeypatch):
    ours, path = terminal
    transport = DeviceTransport(path)
    os.write(ours, b"x")
    monkeypatch.setattr(os, "read", lambda descriptor, count: bytes(count))
    with pytest.raises(TpmAnswerError, match="4096"):
        transport.exchange(COMMAND, 5)
    with pytest.raises(TpmUnavailableError, match="open it again"):
        transport.exchange(COMMAND, 5)


@pytest.mark.parametrize(("number", "kind"), [(16, TpmBusyError), (62, TpmBusyError), (5, TpmUnavailableError)])
def test_an_error_of_the_device_is_busy_or_lost(terminal, monkeypatch, number, kind):
    transport = DeviceTransport(terminal[1])

    def fail(descriptor, command):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(kind):
        transport.exchange(COMMAND, 5)
    with pytest.raises(TpmUnavailableError, match="open it again"):
        transport.exchange(COMMAND, 5)


def test_a_device_that_is_silent_is_busy_and_then_closed(terminal):
    transport = DeviceTransport(terminal[1])
    with pytest.raises(TpmBusyError, match=r"no answer in 0\.02 s"):
        transport.exchange(COMMAND, 0.02)
    with pytest.raises(TpmUnavailableError, match="open it again"):
        transport.exchange(COMMAND, 0.02)


def test_only_the_bare_device_is_ours_alone(terminal):
    transport = DeviceTransport(terminal[1])
    assert transport.exclusive
    transport.close()


def test_an_emulator_answers_on_tcp_too(swtpm):
    swtpm.kill()
    port = free_port()
    swtpm.start(port=port)
    with open_tpm(parse(f"tpm:tcp:127.0.0.1:{port}")) as tpm:
        assert read_clock(tpm).reset_count > 0


def test_an_emulator_that_is_killed_is_absent(swtpm, tpm):
    read_clock(tpm)
    swtpm.kill()
    with pytest.raises(TpmUnavailableError):
        read_clock(tpm)
    with pytest.raises(TpmUnavailableError, match="start swtpm"):
        open_tpm(parse(swtpm.uri))


def test_an_emulator_that_hangs_is_busy(swtpm):
    transport = open_transport(parse(swtpm.uri).place)
    swtpm.freeze()
    with pytest.raises(TpmBusyError, match="no answer"):
        transport.exchange(COMMAND[:10], 0.05)
    swtpm.thaw()


def test_an_emulator_that_another_program_holds_is_busy(swtpm, tpm):
    other = open_transport(parse(swtpm.uri).place)
    with pytest.raises(TpmBusyError, match="another program may be holding it"):
        other.exchange(COMMAND[:10], 0.05)
    other.close()
