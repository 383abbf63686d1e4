"""`make demo ONCE=1`: the whole way with the real programs, and the files that it leaves."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo.programs import command_of
from demo.story import RESULTS
from tests.fakes.ports import free_port
from tests.vectors import ROOT


def run_demo(out: Path, issuer_port: int, verifier_port: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "demo", "--once", "--out", str(out)]
    ports = ["--issuer-port", str(issuer_port), "--verifier-port", str(verifier_port)]
    keep = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_")}
    return subprocess.run([*words, *ports], cwd=ROOT, env=keep, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    done = run_demo(out, free_port(), free_port())
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return out, done.stdout


def verify(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = command_of(["green-verifier", "verify", str(path), "--json", "--allow-simulated", *options])
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def offline(out: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return verify(out / name, "--offline", "--evidence", str(out), "--trust-evidence", *options)


def test_it_leaves_every_result(demo: tuple[Path, str]) -> None:
    out, _ = demo
    assert [name for name in RESULTS if not (out / name).stat().st_size] == []


def test_it_tells_what_happened(demo: tuple[Path, str]) -> None:
    _, told = demo
    for sentence in ("verified", "refused (PROOF_VERIFICATION_ERROR)", "refused (REVOKED)", "Where to look next"):
        assert sentence in told


def test_the_credential_verifies_afterwards_from_the_files_alone(demo: tuple[Path, str]) -> None:
    out, _ = demo
    done = offline(out, "credential.json")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "verified")


def test_without_allowing_simulated_figures_it_is_refused(demo: tuple[Path, str]) -> None:
    out, _ = demo
    words = command_of(["green-verifier", "verify", str(out / "credential.json"), "--offline"])
    done = subprocess.run(
        [*words, "--evidence", str(out), "--trust-evidence"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    simulated = "SimulatedCredential" in json.loads((out / "credential.json").read_bytes())["type"]
    assert done.returncode == (1 if simulated else 0)


def test_without_trusting_the_folder_it_is_inconclusive(demo: tuple[Path, str]) -> None:
    out, _ = demo
    done = verify(out / "credential.json", "--offline", "--evidence", str(out))
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (2, "inconclusive")


def test_the_revoked_one_is_refused_from_the_files_alone(demo: tuple[Path, str]) -> None:
    out, _ = demo
    done = offline(out, "revoked.json")
    assert (done.returncode, json.loads(done.stdout)["problem"]) == (1, "REVOKED")


def test_the_presentation_verifies_from_the_files_alone(demo: tuple[Path, str]) -> None:
    out, _ = demo
    done = offline(out, "presentation.json", "--challenge", "audit-2026-4711", "--domain", "auditor.example")
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "verified")


def test_the_presentation_is_refused_for_another_challenge(demo: tuple[Path, str]) -> None:
    out, _ = demo
    done = offline(out, "presentation.json", "--challenge", "another", "--domain", "auditor.example")
    assert (done.returncode, json.loads(done.stdout)["problem"]) == (1, "INVALID_CHALLENGE_ERROR")


def test_a_record_changed_in_the_folder_does_not_pass_for_the_nodes(demo: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = demo
    shutil.copytree(out, tmp_path / "copy", ignore=shutil.ignore_patterns("state"))
    record = json.loads((out / "telemetry.json").read_bytes())
    record["energy_kwh"] = "0.000001"
    (tmp_path / "copy" / "telemetry.json").write_text(json.dumps(record))
    report = json.loads(offline(tmp_path / "copy", "credential.json").stdout)
    evidence = next(check for check in report["checks"] if check["step"] == "evidence")
    assert evidence["result"] != "passed"


def test_a_port_in_use_is_named_and_the_exit_code_says_that_it_failed(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_demo(tmp_path / "out", port, free_port())
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stdout
    assert "Step 1" in done.stdout
