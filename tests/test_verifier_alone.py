"""An auditor installs the verifier alone: its tests pass from a wheel with issuer/, agent/ and wallet/ deleted."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

from tests.fakes.verifier import World
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "demo-out", "__pycache__", "build", "*.egg-info"))
    run = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*run, "--wheel-dir", str(place), str(source)], check=True, capture_output=True, text=True)
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def checkout(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's packages, issuer/, agent/ and wallet/ deleted, and the verifier's tests."""
    place = tmp_path_factory.mktemp("auditor")
    checkout = place / "checkout"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(checkout)
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


# --- the base distribution, installed ------------------------------------------------------------------------


def _needed(names: Iterable[str], found: dict[str, metadata.Distribution]) -> dict[str, metadata.Distribution]:
    """Return the distributions of these requirements and of theirs, without extras."""
    for requirement in names:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another interpreter
        if name not in found:
            found[name] = distribution
            _needed(distribution.requires or (), found)
    return found


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment with the wheel and what it requires without any extra, nothing else."""
    place = tmp_path_factory.mktemp("base") / "venv"
    venv.create(place, with_pip=False)
    (site,) = place.glob("lib/python3*/site-packages")
    for distribution in _needed(metadata.requires("green-compute-oracle") or (), {}).values():
        for top in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    pip = [sys.executable, "-m", "pip", "--python", str(place), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, text=True)
    return place / "bin"


def ran(base: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(base / words[0]), *words[1:]]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_the_readme_says_how_the_verifier_is_installed_alone() -> None:
    assert "pip install ./green-compute-oracle  " in (ROOT / "README.md").read_text()


def test_the_base_distribution_verifies(base: Path, tmp_path: Path) -> None:
    (tmp_path / "credential.json").write_text(json.dumps(World().credential()))
    done = ran(base, "green-verifier", "verify", "credential.json", "--offline", "--json", home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["outcome"] == "inconclusive"


@pytest.mark.parametrize("program", ["green-verifier", "green-wallet", "green-agent", "green-issuer"])
def test_every_program_of_the_base_distribution_tells_its_version(base: Path, tmp_path: Path, program: str) -> None:
    done = ran(base, program, "--version", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{program} {metadata.version('green-compute-oracle')}\n"), done.stderr


@pytest.mark.parametrize(
    ("words", "code", "extra"),
    [
        (["green-issuer", "init"], 70, "issuer"),
        (["green-issuer", "--help"], 70, "issuer"),
        (["green-verifier", "serve"], 70, "verifier-api"),
        (["green-agent", "meters"], 1, "agent"),
    ],
)
def test_what_needs_an_extra_names_it_and_from_where_to_install_it(
    base: Path, wheel: Path, tmp_path: Path, *, words: list[str], code: int, extra: str
) -> None:
    done = ran(base, *words, home=tmp_path)
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode, "Traceback" in said) == (code, False), said
    assert f"pip install 'green-compute-oracle[{extra}] @ {wheel.as_uri()}'" in said


def test_the_wallet_needs_no_extra(base: Path, tmp_path: Path) -> None:
    assert ran(base, "green-wallet", "init", home=tmp_path).returncode == 0
