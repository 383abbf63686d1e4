"""A node with a TPM in a world of random mishaps, honest throughout; and the issuer to which its windows come.

Its TPM loses power and goes on from the clock that it saved last, sleeps, is away for minutes; its daemon is killed; its
clock is wrong and slewed; its windows come late, or days later. Nothing is signed here: a window is what is left of one
once its signature was found to hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas import digests
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import ClockInfo
from schemas.window_header import MAX_DURATION_US, decode_header
from tests.fakes.soft_tpm import QUOTED, START_US, Node, canonical, domain
from verifier.attestation import chain, chain_gap
from verifier.attestation.errors import FutureWindowError
from verifier.attestation.quote import Quote
from verifier.attestation.window import CheckedWindow, Opening

SAVED_EVERY_MS = 1 << 22
"""How often a TPM saves its clock: every 70 minutes."""

AHEAD_US = 50_000_000
"""How far the node's clock is ahead of the issuer's at most; behind it may be by any time."""


@dataclass
class Tpm:
    """Clock, counters and register of a TPM; ``step`` lets time go by."""

    rate: float
    clock_ms: float = 5_000_000.0
    reset: int = 1
    restart: int = 0
    safe: bool = True
    register: bytes = bytes(32)
    last_ms: int = 0

    def step(self, elapsed_us: int) -> None:
        before = int(self.clock_ms) // SAVED_EVERY_MS
        self.clock_ms += elapsed_us / 1000 * self.rate
        self.safe = self.safe or int(self.clock_ms) // SAVED_EVERY_MS > before

    def boot(self, *, orderly: bool) -> None:
        self.reset, self.restart, self.register = self.reset + 1, 0, hashlib.sha256(bytes([self.reset % 3])).digest()
        if not orderly:
            self.clock_ms, self.safe = float(int(self.clock_ms) // SAVED_EVERY_MS * SAVED_EVERY_MS), False
        # Whatever it repeats, it repeats in another epoch.
        self.last_ms = 0

    def sleep(self) -> None:
        self.restart += 1

    @property
    def epoch(self) -> tuple[int, int]:
        return self.reset, self.restart

    def quote(self) -> Quote:
        """Return a quote; the agent quotes again until its clock is past the last one's."""
        self.clock_ms = max(self.clock_ms, float(self.last_ms + 1))
        self.last_ms = int(self.clock_ms)
        registers = {index: bytes(32) for index in QUOTED} | {15: self.register}
        info = ClockInfo(self.last_ms, self.reset, self.restart, self.safe)
        return Quote(info, 1, {TpmAlg.SHA256: registers})


@dataclass
class Closed:
    """A window that waits to be quoted: when it was by the node's clock, and the epoch that it was written in, if it was."""

    start_us: int
    end_us: int
    epoch: tuple[int, int] | None


@dataclass
class World:
    """The node and its issuer; ``sent`` are the requests on their way, ``taken`` those that arrived."""

    random: Random
    now_us: int = START_US + 400 * 24 * 3_600_000_000
    sent: list[tuple[CheckedWindow, Opening | None]] = field(default_factory=list)
    taken: list[tuple[CheckedWindow, Opening | None]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.maker = Node()
        self.key = self.maker.tpm.key
        self.tpm = Tpm(self.random.uniform(0.95, 1.05))
        self.offset_us = self.random.choice([0, self.random.randint(-(10**10), AHEAD_US)])
        self.opened_us = self.wall_us
        self.waiting: list[Closed] = []
        self.next_sequence, self.previous = 0, None
        self.at: tuple[tuple[int, int], bytes] = (self.tpm.epoch, self.tpm.register)
        self.state = chain.begin("node-7", self._opening()).state

    @property
    def wall_us(self) -> int:
        return self.now_us + self.offset_us

    def go_on(self, us: int, *, powered: bool = True) -> None:
        """Let time go by; the node's clock is slewed by at most 5 % of it, towards anything within its bounds."""
        self.now_us += us
        self.offset_us = min(self.offset_us + int(us * self.random.uniform(-0.05, 0.05)), AHEAD_US)
        if powered:
            self.tpm.step(us)

    def close(self, *, on_disk: bool = False) -> None:
        """Close the open window, if anything of it has been measured."""
        if self.wall_us > self.opened_us:
            known = on_disk and self.at == (self.tpm.epoch, self.tpm.register)
            # A window of more than an hour is a gap and a window.
            start_us = max(self.opened_us, self.wall_us - MAX_DURATION_US)
            self.waiting.append(Closed(start_us, self.wall_us, self.tpm.epoch if known else None))
            self.opened_us = self.wall_us

    def kill(self) -> None:
        """Kill the daemon: what is in memory is lost, and its last window begins when it is started again."""
        self.waiting = [one for one in self.waiting if one.epoch is not None]
        self.go_on(self.random.randint(10_000, 60_000_000))
        self.opened_us = max(self.opened_us, self.wall_us)

    def quote(self) -> None:
        """Quote what waits, in its order."""
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            # What was written for an epoch that is over can never be quoted.
            if one.epoch in (None, self.tpm.epoch):
                self.sent.append(self._signed(one))
                self.go_on(self.random.randint(300, 200_000))

    def send(self, count: int) -> None:
        """Let the oldest requests arrive. What lies ahead of the issuer's clock is sent again when it does not."""
        for _ in range(min(count, len(self.sent))):
            self.go_on(self.random.randint(1_000, 2_000_000))
            try:
                self.arrive(*self.sent[0])
            except FutureWindowError:
                return
            self.taken.append(self.sent.pop(0))

    def arrive(self, window: CheckedWindow, opening: Opening | None) -> None:
        """Take a request as the issuer does. Raises AttestationError."""
        before = chain_gap.before(self.state, window, opening)
        step = chain.advance(before.state, window, now_us=self.now_us, received_us=self.now_us)
        self.state = step.state
        self.flags |= {flag.kind.value for one in (before, step) for flag in one.flags}

    def _opening(self) -> Opening:
        return Opening(self.key, self.tpm.quote(), self.previous, self.tpm.register)

    def _signed(self, closed: Closed, **lies: Any) -> tuple[CheckedWindow, Opening | None]:
        opening = None
        if self.at != (self.tpm.epoch, self.tpm.register):
            opening = self._opening()
            self.go_on(self.random.randint(0, 5_000))
        length_us = closed.end_us - closed.start_us
        members = self.maker.header(
            [],
            boot={"reset": self.tpm.reset, "restart": self.tpm.restart},
            sequence=self.next_sequence,
            previous=... if self.previous is None else self.previous,
            freshness="chained",
            nonce=...,
            start_us=closed.start_us,
            end_us=closed.end_us,
            duration_us=length_us,
            measured_us=length_us,
            **_energy(length_us),
            **lies,
        )
        raw = canonical(members)
        digest = domain("window", raw)
        self.tpm.register = hashlib.sha256(self.tpm.register + digest).digest()
        window = CheckedWindow(decode_header(raw), digests.encode(digest), None, self.tpm.quote(), self.tpm.register)
        self.next_sequence, self.previous = self.next_sequence + 1, window.digest
        self.at = self.tpm.epoch, self.tpm.register
        return window, opening


def _energy(length_us: int) -> dict[str, Any]:
    """Return the energies of a node that idles: 50 W and 180 W of the host, all of it in no record."""
    energy_mj = 50 * length_us // 1000
    gpu = {"uuid": "GPU-1", "model": "NVIDIA H100 80GB HBM3", "scope": "gpu", "energy_mj": energy_mj}
    return {
        "accelerators": [gpu | {"counter_start_mj": 0, "counter_end_mj": energy_mj}],
        "accelerator_idle_mj": energy_mj,
        "accelerator_loaded_idle_mj": 0,
        "unattributed_mj": 0,
        "host_cpu_mj": 123 * length_us // 1000,
        "host_dram_mj": 57 * length_us // 1000,
    }


def live(world: World, steps: int) -> None:
    """Let a node live through ``steps`` random things."""
    for _ in range(steps):
        happens = world.random.choices([one for one, _ in _MISHAPS], [often for _, often in _MISHAPS])[0]
        happens(world, world.random)
        world.send(world.random.randint(0, 6))


def _work(world: World, choose: Random) -> None:
    world.go_on(choose.choice([10_000_000, choose.randint(1_000, 60_000_000)]))
    world.close()
    world.quote()


def _away(world: World, choose: Random) -> None:
    """Let the TPM give no answer for a while: windows are joined in memory, or written down unsigned."""
    for _ in range(choose.randint(1, 4)):
        world.go_on(choose.randint(1_000_000, 3_600_000_000))
        world.close(on_disk=choose.choice([True, False]))
    world.go_on(choose.randint(0, 30_000_000))


def _kill(world: World, choose: Random) -> None:
    world.close(on_disk=choose.choice([True, False]))
    world.kill()


def _stop(world: World, choose: Random) -> None:
    """End the daemon in order, with a window that is short, and start it again."""
    world.go_on(choose.randint(1_000, 9_000_000))
    world.close()
    world.quote()
    world.go_on(choose.randint(0, 60_000_000))
    world.opened_us = max(world.opened_us, world.wall_us)


def _power_cut(world: World, choose: Random) -> None:
    world.kill()
    world.go_on(choose.randint(1_000_000, 10**11), powered=False)
    world.tpm.boot(orderly=False)
    world.opened_us = max(world.opened_us, world.wall_us)


def _reboot(world: World, choose: Random) -> None:
    world.go_on(choose.randint(1_000_000, 10**11), powered=False)
    world.tpm.boot(orderly=True)
    world.waiting = []
    world.opened_us = max(world.opened_us, world.wall_us)


def _tpm_alone(world: World, choose: Random) -> None:
    """Start the TPM again beside a daemon that goes on: an emulator's."""
    world.tpm.boot(orderly=choose.choice([True, False]))


def _sleep(world: World, choose: Random) -> None:
    world.go_on(choose.randint(1_000_000, 10**11), powered=False)
    world.tpm.sleep()


_MISHAPS: list[tuple[Callable[[World, Random], None], int]] = [
    (_work, 12),
    (_away, 3),
    (_kill, 2),
    (_stop, 2),
    (_power_cut, 1),
    (_reboot, 1),
    (_tpm_alone, 1),
    (_sleep, 1),
]
