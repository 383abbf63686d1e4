"""An auditor installs the verifier alone: its tests pass from a wheel with issuer/, agent/ and wallet/ deleted."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.vectors import ROOT, SHARED

FORBIDDEN = ("issuer", "agent", "wallet")

CONFTEST = '''
import importlib.abc
import sys
from pathlib import Path


class Gone(importlib.abc.MetaPathFinder):
    """An editable install elsewhere must not lend the packages that were deleted here."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"issuer", "agent", "wallet", "demo", "bench"}:
            raise ModuleNotFoundError(f"{name} is not part of the verifier")
        return None


sys.meta_path.insert(0, Gone())
import verifier

assert Path(verifier.__file__).is_relative_to(Path(__file__).parent), verifier.__file__
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages, issuer/, agent/ and wallet/ deleted, and the verifier's tests."""
    place = tmp_path_factory.mktemp("auditor")
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "demo-out", "__pycache__", "build", "*.egg-info"))
    run = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*run, "--wheel-dir", str(place), str(source)], check=True, capture_output=True, text=True)
    checkout = place / "checkout"
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        wheel.extractall(checkout)
    for name in FORBIDDEN:
        shutil.rmtree(checkout / name)
    for name in ("contexts", "did", "fakes", "schemas", "vectors", "verifier"):
        shutil.copytree(ROOT / "tests" / name, checkout / "tests" / name)
    shutil.copy(ROOT / "tests" / "conftest.py", checkout / "tests")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    (checkout / "conftest.py").write_text(CONFTEST)
    if SHARED.exists():
        (place / "shared").symlink_to(SHARED)
    return checkout


@pytest.mark.timeout(600)
def test_the_verifiers_tests_pass_without_issuer_agent_and_wallet(checkout: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not soak", "tests/verifier"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_wheel_without_the_others_has_the_verifiers_command(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import conftest, verifier.cli; verifier.cli.main(['--help'])"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "green-verifier" in done.stdout
