"""The other side of ``worker``: a process that canonicalizes documents of strangers and can do nothing else.

It reads a length (4 bytes, big-endian) and JSON, answers a length and a payload (the CPU time that it took in
seconds, 8 bytes; then ``+`` and canonical N-Quads, or ``-`` and an error as JSON), and ends with its input. After it has loaded what it needs it may
open no file or socket, write no file, and take no more memory and CPU than it was given: a document that
found a hole in the JSON-LD engine finds itself in an empty room.
"""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
import time
from typing import BinaryIO, Final

from contexts import green_compute
from contexts.pinned import CREDENTIALS_V1, CREDENTIALS_V2, JWS_2020, STATUS_LIST_2021
from schemas.errors import GreenError
from schemas.strict_json import JsonObject
from verifier.errors import ResourceLimitError
from verifier.rdf.canonicalize import Canonicalizer, InProcess, Limits

LENGTH: Final = struct.Struct(">I")
COST: Final = struct.Struct(">d")
READY: Final = b"ready"

_STANDARD_STREAMS: Final = 3


def main() -> None:
    """Serve one document after the other until the input ends. The memory limit in bytes is the last argument."""
    _leave_signals_to_the_parent()
    canonicalizer = InProcess()
    _warm_up(canonicalizer)
    _confine(int(sys.argv[-1]))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _send(sink, READY)
    while header := source.read(LENGTH.size):
        begun_s = time.process_time()
        request = json.loads(source.read(LENGTH.unpack(header)[0]))
        _allow_cpu(request["cpu_s"])
        limits = Limits(request["max_quads"], request["max_steps"], request["max_bytes"])
        answer = _answer(canonicalizer, request["document"], limits)
        _send(sink, COST.pack(time.process_time() - begun_s) + answer)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(canonicalizer: InProcess, document: JsonObject, limits: Limits) -> bytes:
    try:
        return b"+" + canonicalizer.canonicalize(document, limits=limits)
    except MemoryError:
        error: GreenError = ResourceLimitError("the document needs more memory than it is given")
    except GreenError as refusal:
        error = refusal
    return b"-" + json.dumps({"error": type(error).__name__, "detail": error.detail}).encode()


def _send(sink: BinaryIO, payload: bytes) -> None:
    sink.write(LENGTH.pack(len(payload)) + payload)
    sink.flush()


def _leave_signals_to_the_parent() -> None:
    # Ctrl-C reaches the whole process group; the parent decides what it means. The limits' own signals
    # must kill, whatever mask this process was born with.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deadly = (signal.SIGPROF, signal.SIGXCPU)
    for number in deadly:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, deadly)


def _warm_up(canonicalizer: Canonicalizer) -> None:
    # Loads and processes the usual contexts while files can still be read.
    for contexts in (
        [CREDENTIALS_V1, JWS_2020, STATUS_LIST_2021, green_compute.URL],
        [CREDENTIALS_V2, green_compute.URL],
    ):
        canonicalizer.canonicalize({"@context": list(contexts), "type": "VerifiableCredential", "issuer": {}})


def _confine(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_STANDARD_STREAMS, _STANDARD_STREAMS))


def _allow_cpu(cpu_s: float) -> None:
    # The timer kills after the exact share, even where Python is stuck in C; the limit is there if a timer
    # were ever switched off.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = usage.ru_utime + usage.ru_stime
    resource.setrlimit(resource.RLIMIT_CPU, (int(used_s + cpu_s) + 2, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
