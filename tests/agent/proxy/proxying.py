"""A proxy in the test's loop, over a fake backend and a measurer that gives what the test says."""

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from agent.measurement import UNCOUNTED
from agent.proxy.forward import Forwarder
from agent.proxy.metering import Metering
from agent.proxy.options import Options, read_backend
from agent.proxy.server import Server
from agent.session import Running
from tests.fakes.agent import measurement
from tests.fakes.eventually import eventually
from tests.fakes.openai_backend import openai_backend

CHAT = "/v1/chat/completions"
BODY = {"model": "llama", "messages": []}


class FakeMeasurer:
    """Measures by what it is told, and notes each piece of work: model, tenant, how it ended, its counts."""

    has_room_for_counts = True

    def __init__(self, energy_mj=1234, **changes):
        self.simulated = changes.get("simulated", False)
        self.result = measurement(energy_mj, **changes)
        self.refusal = None
        self.no_figure = None
        self.running = {}
        self.ended = []
        self.closed = False
        self._number = 0
        self._lock = threading.Lock()

    def start(self, model_id, inference_id=None, parent=None, tenant_id=None):
        with self._lock:
            if self.refusal:
                raise self.refusal
            self._number += 1
            running = Running(model_id, f"work-{self._number}", None)
            self.running[running.inference_id] = (model_id, tenant_id)
            return running

    def stop(self, running, counts=UNCOUNTED):
        with self._lock:
            self.ended.append((running.inference_id, *self.running.pop(running.inference_id), "stop", counts))
            running.names = [running.inference_id]
            if self.no_figure:
                raise self.no_figure
            return self.result

    def discard(self, running):
        with self._lock:
            self.ended.append((running.inference_id, *self.running.pop(running.inference_id), "discard", UNCOUNTED))

    def new_id(self):
        return "unused"

    def close(self, *, send_within_s=0.0):
        self.closed = True
        return True


class Proxied:
    def __init__(self, backend, measurer, port):
        self.backend, self.measurer, self.port = backend, measurer, port
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.AsyncClient(base_url=self.url, timeout=10)

    async def post(self, path=CHAT, json=BODY, **more):
        return await self.client.post(path, json=json, **more)

    async def send(self, request, *, half=False):
        """Send bytes on a connection of their own, and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def settled(self):
        """Wait until no work runs."""
        return await asyncio.to_thread(eventually, lambda: not self.measurer.running)


@asynccontextmanager
async def proxied(*steps, measurer=None, open_session=None, **options):
    measurer = measurer or FakeMeasurer()
    async with openai_backend(*steps) as backend:
        given = Options(backend=read_backend(backend.url))
        metering = Metering(open_session or (lambda: measurer))
        forwarder = Forwarder(replace(given, **options), metering)
        server = Server(forwarder, replace(given, **options))
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        made = Proxied(backend, measurer, listening.sockets[0].getsockname()[1])
        try:
            yield made
        finally:
            await made.client.aclose()
            listening.close()
            await server.close(0.2)
            await forwarder.close()
            metering.close(0)


def http(method="POST", target=CHAT, *headers, body=b'{"model":"llama"}', version="1.1", close=True):
    """Return a request's bytes."""
    lines = [f"{method} {target} HTTP/{version}", "Host: here", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")
