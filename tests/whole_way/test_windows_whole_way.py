"""Windows of a TPM all the way, every party a process of its own: what was measured arrives once, or its loss is told."""

import asyncio
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx
import pytest

from tests.vectors import ROOT
from tests.whole_way.judge import (
    check_account,
    check_credentials,
    check_energy,
    check_receipts,
    check_told,
    read_windows,
)
from tests.whole_way.parties import OTHER, OWN, Issuer, Killer, Node, Workloads
from tests.whole_way.witness import Witness

TENANTS = {None: OWN, OTHER: OTHER}
VERIFIED_BY_COMMAND = 3


@dataclass(frozen=True)
class Plan:
    """How long the way is: windows of so many works each, kills of the daemon, kills of the issuer."""

    windows: int
    works: int
    window_s: float
    kills: int
    issuer_kills: int
    seed: int


class Way:
    """All parties, from the enrolment to the end."""

    def __init__(self, folder, swtpm, maker, database_url, plan):
        self.plan = plan
        self.database_url = database_url
        self.randomness = random.Random(plan.seed)
        self.issuer = Issuer(folder / "issuer", maker, database_url=database_url)
        self.node = Node(folder / "home", swtpm.uri, plan.window_s)
        self.workloads = Workloads(self.node, plan.works / plan.window_s)

    def enrol(self):
        done = self.node.enrol(self.issuer.url, self.issuer.invite())
        assert done.returncode == 0, done.stderr
        assert "tpm-emulated" in done.stdout
        self.issuer.allow()
        self.api_key = self.issuer.api_key()
        self.witness = Witness(self.node.pending)

    def run(self):
        """Work, and be killed, until there are the windows of the plan; the last kill leaves some of them in the spool."""
        plan, killer = self.plan, Killer(self.node, self.witness, self.randomness)
        self.node.start()
        self.workloads.start()
        step = plan.kills // plan.issuer_kills
        for number in range(plan.kills - 1):
            killer.strike(number, plan.windows * number // plan.kills)
            if number % step == step // 2:
                self.issuer.kill()
                time.sleep(self.randomness.uniform(0, 2 * plan.window_s))
                self.issuer.start()
        self.node.wait_until_measuring()
        assert self.witness.wait_for(plan.windows, 60 + 20 * plan.window_s * plan.windows), self.node.said()
        # Each kill costs about one window of works.
        while self.workloads.count() < (plan.windows + plan.kills) * plan.works:
            assert self.witness.wait_for(len(self.witness.names) + 1, 60 + 20 * plan.window_s), self.node.said()
        self.issuer.kill()
        assert self.witness.wait_for(len(self.witness.names) + 2, 60 + 20 * plan.window_s), self.node.said()
        self.node.kill()
        self.workloads.end()

    def drain(self):
        """Start all that was killed, and let the daemon send what waits and end."""
        self.issuer.start()
        self.node.start()
        self.node.wait_until_measuring()
        self.node.end()

    def taken(self):
        return asyncio.run(read_windows(self.database_url))

    def close(self):
        self.workloads.kill()
        self.node.end_at_once()
        self.issuer.kill()


@pytest.fixture
def begin(tmp_path, swtpm, manufactured, database_url):
    """Begin a way by a plan; every party of it is gone at the end."""
    begun = []

    def begin_one(plan):
        way = Way(tmp_path, swtpm, manufactured.parent / "ca", database_url, plan)
        begun.append(way)
        return way

    yield begin_one
    for way in begun:
        way.close()


def sums_of(way):
    headers = {"authorization": f"Bearer {way.api_key}"}
    with httpx.Client(base_url=way.issuer.url, headers=headers) as client:
        return {tenant: client.get("/api/v1/emissions", params={"tenant": tenant}).json() for tenant in (OWN, OTHER)}


def verify_by_command(way, folder, taken, credentials):
    """Verify some receipts as a stranger does, with the command and what it fetches itself."""
    windows = [(window, raw) for window, raw in zip(taken, credentials, strict=True) if window.records]
    for number, (window, raw) in enumerate(way.randomness.sample(windows, VERIFIED_BY_COMMAND)):
        record = way.randomness.choice(window.records)
        receipt, credential = folder / f"receipt-{number}.json", folder / f"window-{number}.json"
        answer = httpx.get(
            f"{way.issuer.url}/api/v1/receipt/{record.inference_id}",
            params={"tenant": TENANTS[record.tenant_id]},
            headers={"authorization": f"Bearer {way.api_key}"},
        )
        receipt.write_bytes(answer.content)
        credential.write_bytes(raw)
        command = ["verify", str(receipt), "--window", str(credential), "--development", "--allow-simulated"]
        done = subprocess.run(
            [sys.executable, "-m", "verifier", *command, "--no-state", "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["subject"]["inferenceId"] == record.inference_id


def walk(way, folder):
    """Go the whole way, assert what must hold of it, and return what there was, in words."""
    begun_s = time.monotonic()
    way.enrol()
    way.run()
    pending, rejected = way.node.spooled()
    check_account(way.witness.names, way.taken(), pending)
    assert pending
    assert not rejected
    waited = len(pending)
    way.drain()
    ran_s = time.monotonic() - begun_s

    taken, told = way.taken(), way.workloads.told()
    assert way.node.spooled() == ([], [])
    check_account(way.witness.names, taken, [])
    check_energy(taken, sums_of(way), OTHER)
    lost = check_told(told, taken, way.node.kills)
    # A kill before the daemon measures loses nothing; each other one costs the window that was open.
    assert 0 < way.node.told_losses <= way.node.kills
    shown = json.loads(way.node.run("status", "--json").stdout)["windows"]
    assert (shown["backlog"], shown["rejected"]) == (0, 0)
    assert "the daemon was killed" in shown["gap"]
    credentials = asyncio.run(check_credentials(way.issuer.url, way.api_key, taken))
    assert len({json.loads(raw)["id"] for raw in credentials}) == len(taken)
    verify_by_command(way, folder, taken, credentials)
    receipts = check_receipts(way.issuer.url, way.api_key, taken, TENANTS)
    records = [len(window.records) for window in taken]
    assert receipts == sum(records)
    return (
        f"{len(taken)} windows, {sum(records)} records ({min(records)} to {max(records)} a window); "
        f"{way.node.kills} kills of the daemon, {way.plan.issuer_kills + 1} of the issuer; "
        f"{waited} windows spooled at the last kill; {len(credentials)} credentials and {receipts} receipts verified; "
        f"{len(told)} works, {lost} of them lost after they were told, {way.node.told_losses} losses told; "
        f"{ran_s:.0f} s to the end of the drain, {time.monotonic() - begun_s:.0f} s in all"
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_windows_arrive_once_whoever_is_killed_on_the_way(begin, tmp_path):
    plan = Plan(windows=8, works=100, window_s=0.5, kills=3, issuer_kills=1, seed=1)

    walk(begin(plan), tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_windows_of_a_thousand_works_arrive_once_whoever_is_killed_on_the_way(begin, tmp_path, capsys):
    plan = Plan(windows=100, works=1000, window_s=3.0, kills=20, issuer_kills=4, seed=2)
    said = walk(begin(plan), tmp_path)

    with capsys.disabled():
        sys.stdout.write(f"\n{said}\n")
