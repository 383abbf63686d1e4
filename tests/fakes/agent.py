"""Stand-ins for what the agent meets: clocks that are set by hand, NVML, meters, and an issuer on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent.errors import NoAnswerError, ReadingFailedError
from agent.measurement import Measurement
from agent.meters.protocol import Method, Reading
from agent.retry import Answer
from did.signers import SoftwareSigner
from did.signers.software import generate_private_key

S = 1_000_000_000
WALL = 1_795_204_804 * S
"""2026-11-20T20:00:04Z in nanoseconds."""


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self, boottime_ns: int = 1000 * S, wall_ns: int = WALL) -> None:
        self._boottime_ns = boottime_ns
        self._wall_ns = wall_ns

    def boottime_ns(self) -> int:
        return self._boottime_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def advance(self, seconds: float) -> None:
        self._boottime_ns += round(seconds * S)
        self._wall_ns += round(seconds * S)

    def set_wall(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns


class FakeNvmlError(Exception):
    """As pynvml's: a code in ``value``."""

    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


@dataclass
class FakeGpu:
    """A GPU: figures, or the code of the error that asking for them gives."""

    uuid: str = "GPU-5fd4f087-86f3-7a43-b711-4771313afc50"
    name: str = "NVIDIA H100 80GB HBM3"
    energy_mj: int = 1_000_000
    power_mw: int = 300_000
    utilization: int = 87
    energy_error: int | None = None
    power_error: int | None = None
    utilization_error: int | None = None
    processes: int = 1
    processes_error: int | None = None
    scoped_mj: dict[int, int] = field(default_factory=dict)
    """Field 191 by scope: 0 the GPU, 1 the module of a superchip."""


@dataclass
class _Rates:
    gpu: int


@dataclass
class _Union:
    ullVal: int  # noqa: N815 - the vendor's name


@dataclass
class _Field:
    nvmlReturn: int  # noqa: N815 - the vendor's name
    value: _Union


class FakeNvml:
    """NVML at the level of its functions, with handles that end with the opening that gave them."""

    NVMLError: type[Exception] = FakeNvmlError

    def __init__(self, *gpus: FakeGpu, init_error: int | None = None) -> None:
        self.gpus = list(gpus)
        self.init_error = init_error
        self.openings = 0
        self.opened = 0

    def unload(self) -> None:
        """As when the driver goes away: every handle is dead and every counter starts anew."""
        self.opened = 0
        self.openings += 1
        for gpu in self.gpus:
            gpu.energy_mj = 0

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init_error is not None:
            raise FakeNvmlError(self.init_error)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        if not self.opened:
            raise FakeNvmlError(1)
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> tuple[int, FakeGpu]:  # noqa: N802
        return self.openings, self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> tuple[int, FakeGpu]:  # noqa: N802
        return self.openings, next(gpu for gpu in self.gpus if gpu.uuid == uuid)

    def nvmlDeviceGetUUID(self, handle: tuple[int, FakeGpu]) -> str:  # noqa: N802
        return self._gpu(handle).uuid

    def nvmlDeviceGetName(self, handle: tuple[int, FakeGpu]) -> str:  # noqa: N802
        return self._gpu(handle).name

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: tuple[int, FakeGpu]) -> int:  # noqa: N802
        gpu = self._gpu(handle)
        return _value(gpu.energy_mj, gpu.energy_error)

    def nvmlDeviceGetPowerUsage(self, handle: tuple[int, FakeGpu]) -> int:  # noqa: N802
        gpu = self._gpu(handle)
        return _value(gpu.power_mw, gpu.power_error)

    def nvmlDeviceGetUtilizationRates(self, handle: tuple[int, FakeGpu]) -> _Rates:  # noqa: N802
        gpu = self._gpu(handle)
        return _Rates(_value(gpu.utilization, gpu.utilization_error))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: tuple[int, FakeGpu]) -> list[int]:  # noqa: N802
        gpu = self._gpu(handle)
        return list(range(_value(gpu.processes, gpu.processes_error)))

    def nvmlDeviceGetFieldValues(self, handle: tuple[int, FakeGpu], fieldIds: list[tuple[int, int]]) -> list[_Field]:  # noqa: N802, N803
        scoped_mj = self._gpu(handle).scoped_mj
        return [_Field(0 if scope in scoped_mj else 3, _Union(scoped_mj.get(scope, 0))) for _, scope in fieldIds]

    def _gpu(self, handle: tuple[int, FakeGpu]) -> FakeGpu:
        opening, gpu = handle
        if not self.opened or opening != self.openings:
            raise FakeNvmlError(1)
        return gpu


def _value(value: int, error: int | None) -> int:
    if error is not None:
        raise FakeNvmlError(error)
    return value


class FakeMeter:
    """A counter (or power meter) that holds what the test puts into it."""

    scope = "gpu"
    model = "Fake GPU"

    def __init__(
        self,
        clock: HandClock,
        *,
        device: str = "GPU-a",
        energy_mj: int | None = 1000,
        power_mw: int | None = None,
        method: Method = "counter",
        period_s: float = 1.0,
        simulated: bool = False,
    ) -> None:
        self.name = "fake"
        self.device = device
        self.unit = "mW" if energy_mj is None else "mJ"
        self.method = method
        self.period_s = period_s
        self.simulated = simulated
        self.energy_mj = energy_mj
        self.power_mw = power_mw
        self.utilization: int | None = None
        self.held: bool | None = None
        self.epoch = 0
        self.broken = False
        self.bug: Exception | None = None
        self.closed = False
        self.reads = 0
        self._clock = clock

    def read(self) -> Reading:
        self.reads += 1
        if self.bug is not None:
            raise self.bug
        if self.broken:
            raise ReadingFailedError("the fake meter is broken")
        return Reading(
            device=self.device,
            boottime_ns=self._clock.boottime_ns(),
            wall_ns=self._clock.wall_ns(),
            energy_mj=self.energy_mj,
            power_mw=self.power_mw,
            utilization_percent=self.utilization,
            held=self.held,
            epoch=self.epoch,
        )

    def close(self) -> None:
        self.closed = True


class FakeOccupancy:
    """Other processes that measure the same devices, or not."""

    def __init__(self, *, alone: bool = True) -> None:
        self.taken = 0
        self._alone = alone

    def take(self) -> None:
        self.taken += 1

    def release(self) -> None:
        self.taken -= 1

    def alone(self) -> bool:
        return self._alone


def measurement(energy_mj: int = 2_624_401, duration_us: int = 2_750_000, **changes: object) -> Measurement:
    """Return a measurement that ends at WALL."""
    members: dict[str, object] = {
        "measured_mj": energy_mj,
        "estimated_mj": 0,
        "start_wall_ns": WALL - duration_us * 1000,
        "end_wall_ns": WALL,
        "duration_us": duration_us,
        "method": "counter",
    }
    return Measurement(**{**members, **changes})  # type: ignore[arg-type]


def new_signer(algorithm: str = "ES256") -> SoftwareSigner:
    """Return a signer with a new key."""
    return SoftwareSigner(generate_private_key(algorithm))  # type: ignore[arg-type]


def credential_for(inference_id: str) -> bytes:
    """Return the least that the agent takes for a credential."""
    document = {
        "type": ["VerifiableCredential", "GreenComputeCredential"],
        "credentialSubject": {"inferenceId": inference_id},
    }
    return json.dumps(document).encode()


def problem(status: int, title: str = "refused", detail: str = "because") -> Answer:
    """Return a problem document as an answer."""
    body = json.dumps({"type": "https://problems.example/x", "title": title, "detail": detail, "status": status})
    return Answer(status, {"content-type": "application/problem+json"}, body.encode())


Script = Callable[[str], Answer]
"""Says what to answer to the record of an inference id."""


def issue(inference_id: str) -> Answer:
    """Answer as an issuer that is well."""
    return Answer(201, {"content-type": "application/ld+json"}, credential_for(inference_id))


class ScriptedTransport:
    """Answers without a network: each post takes the next of its answers, the last one for ever."""

    def __init__(self, *answers: Answer | Script | NoAnswerError) -> None:
        self._answers: list[Answer | Script | NoAnswerError] = list(answers)
        self.posts: list[tuple[str, bytes, float]] = []
        self.closed = False

    def post(self, path: str, body: bytes, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> Answer:
        self.posts.append((path, body, timeout_s))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, NoAnswerError):
            raise answer
        return answer if isinstance(answer, Answer) else answer(json.loads(body).get("inference_id", ""))

    def close(self) -> None:
        self.closed = True


@dataclass
class LoopbackIssuer:
    """A real HTTP server that answers as it is scripted. ``accepted`` holds what it has acknowledged."""

    url: str = ""
    script: list[str] = field(default_factory=list)
    answers: dict[str, dict[str, object]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    broken_off: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_step(self) -> str:
        with self.lock:
            return self.script.pop(0) if self.script else "issue"


_RAW = {
    "cut": b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{",
    "noise": b"\x00\xffthis is no HTTP\r\n\r\n",
}
_WHOLE: dict[str, tuple[int, dict[str, str], bytes]] = {
    "portal": (200, {}, b"<html>please sign in</html>"),
    "huge": (201, {}, b" " * (2 * 1024 * 1024)),
    "packed": (201, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
    "moved": (307, {"Location": "/elsewhere"}, b""),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuer: LoopbackIssuer

    def setup(self) -> None:
        self.issuer.connections += 1
        super().setup()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.issuer.requests.append((self.path, headers, body))
        if self.path in self.issuer.answers and not self.issuer.script:
            self._answer(201, {}, json.dumps(self.issuer.answers[self.path]).encode())
            return
        step = self.issuer.next_step()
        if step in {"hang", "drip", "trickle"} or step in _RAW:
            self._misbehave(step)
        elif step in _WHOLE:
            self._answer(*_WHOLE[step])
        elif step == "issue":
            inference_id = json.loads(body).get("inference_id", "")
            self.issuer.accepted.append(inference_id)
            self._answer(201, {}, credential_for(inference_id))
        else:
            status, _, after = step.partition(" ")
            refusal = problem(int(status))
            self._answer(refusal.status, {**refusal.headers} | ({"Retry-After": after} if after else {}), refusal.body)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _misbehave(self, step: str) -> None:
        self.close_connection = True
        if step == "hang":
            self.issuer.released.wait(30)
        elif step == "drip":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n")
            with suppress(OSError):
                while not self.issuer.released.wait(0.05):
                    self.wfile.write(b" ")
        elif step == "trickle":
            self.wfile.write(b"HTTP/1.1 201 Created\r\nX-Long: ")
            try:
                while not self.issuer.released.wait(0.05):
                    self.wfile.write(b"a")
            except OSError:
                self.issuer.broken_off.set()
        else:
            self.wfile.write(_RAW[step])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def loopback_issuer(*script: str, answers: dict[str, dict[str, object]] | None = None) -> Iterator[LoopbackIssuer]:
    """Serve on loopback; each request takes the next step of ``script``, then all are issued.

    ``answers`` are what other paths answer with.

    Steps: issue, portal, huge, packed, moved, hang, cut, noise, drip, trickle, or a status ("503", "429 2" with Retry-After).
    """
    issuer = LoopbackIssuer(script=list(script), answers=answers or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"issuer": issuer}))
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.released.set()
        server.shutdown()
        server.server_close()


def inference_ids(records: Sequence[bytes]) -> list[str]:
    """Return the inference ids of records."""
    return [json.loads(record)["inference_id"] for record in records]
