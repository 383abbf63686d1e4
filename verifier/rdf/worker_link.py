"""This side of one worker process: starting it, one question at a time, and its end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Final

from verifier.errors import OverloadedError, ResourceLimitError
from verifier.rdf.worker_process import LENGTH, READY

_BOOT: Final = (
    "import json,sys; sys.path[:]=json.loads(sys.argv[1]); from verifier.rdf.worker_process import main; main()"
)
_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_CHUNK_BYTES: Final = 64 * 1024


class WorkerProcess:
    """One process and its two pipes, spoken to by one thread at a time.

    It is started from nothing, sees this process's import path and next to none of its environment, and
    ends when its input does: when this process ends, however it ends.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Start the process, without waiting for it to be ready."""
        path = [os.path.abspath(entry or ".") for entry in sys.path]  # noqa: PTH100  # entries may be archives
        try:
            process = subprocess.Popen(  # noqa: S603  # our own code in our own interpreter
                [sys.executable, "-I", "-c", _BOOT, json.dumps(path), str(memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                bufsize=0,
            )
        except OSError as error:
            raise OverloadedError("a process to canonicalize in could not be started") from error
        if process.stdin is None or process.stdout is None:
            raise OverloadedError("a process to canonicalize in has no pipes")
        self._process = process
        self._sink, self._source = process.stdin, process.stdout
        os.set_blocking(self._sink.fileno(), False)
        self._ready = False
        self.documents = 0

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, request: bytes, *, wall_s: float, start_s: float, max_bytes: int) -> bytearray:
        """Return the answer to a request, waiting at most ``wall_s``, and ``start_s`` for a process that starts.

        Raises ResourceLimitError where the worker did not live to answer, or would answer more than ``max_bytes``;
        OverloadedError where it did not start. After either it is of no more use.
        """
        if not self._ready:
            if bytes(self._exchange(b"", start_s, len(READY)) or b"") != READY:
                raise OverloadedError("a process to canonicalize in could not be started")
            self._ready = True
        self.documents += 1
        answer = self._exchange(LENGTH.pack(len(request)) + request, wall_s, max_bytes)
        if answer is None:
            raise ResourceLimitError("the document takes more time or memory to process than it is given")
        return answer

    def stop(self) -> None:
        """Kill the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._sink.close()
        self._source.close()

    def _exchange(self, request: bytes, timeout_s: float, max_bytes: int) -> bytearray | None:
        """Return the next answer, None where it does not come in time, is too long or the process ends.

        A document that has taken over the worker must not have this process read what it likes.
        """
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        if request:
            poll.register(self._sink, select.POLLOUT)
        unsent, answer, deadline = memoryview(request), bytearray(), time.monotonic() + timeout_s
        while not _complete(answer):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return None
            for ready, _ in poll.poll(remaining_s * 1000):
                if ready == self._sink.fileno():
                    unsent = _sent(ready, unsent)
                    if not unsent:
                        poll.unregister(ready)
                    continue
                received = os.read(ready, _CHUNK_BYTES)
                if not received:
                    return None
                answer += received
            if len(answer) >= LENGTH.size and LENGTH.unpack_from(answer)[0] > max_bytes:
                return None
        del answer[: LENGTH.size]
        return answer


def _sent(sink: int, unsent: memoryview) -> memoryview:
    """Return what is left to send after sending what the pipe takes now."""
    try:
        return unsent[os.write(sink, unsent[:_CHUNK_BYTES]) :]
    except BlockingIOError:
        return unsent
    except BrokenPipeError:
        return unsent[:0]  # the process is gone, which the end of its output will say


def _complete(answer: bytearray) -> bool:
    return len(answer) >= LENGTH.size and len(answer) >= LENGTH.size + LENGTH.unpack_from(answer)[0]
