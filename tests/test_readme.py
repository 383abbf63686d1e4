"""The commands of the README's walk-through, run as they stand there."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.ports import free_port
from tests.vectors import ROOT

README = (ROOT / "README.md").read_text("utf-8")
WALK = re.search(r"<!-- walk-through -->\n```sh\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the walk-through prints, with another port than 8080; the folder is as after `make install`."""
    if not (Path(sys.prefix) / "bin" / "green-issuer").exists():
        pytest.skip("the console scripts are not installed: make install")
    place = tmp_path_factory.mktemp("walk")
    (place / ".venv").symlink_to(sys.prefix)
    script = "set -e\n" + WALK[1].replace("8080", str(free_port()))
    keep = {name: value for name, value in os.environ.items() if not name.startswith("GREEN_")}
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=place,
        env=keep,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=110)
    finally:
        # A failure half-way must not leave the issuer running.
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
    assert shell.returncode == 0, output[-5000:]
    return output


def test_the_walk_through_verifies_credential_presentation_with_its_credential_and_the_verdict_of_that_day(
    walk: str,
) -> None:
    assert len(re.findall(r"^✓ VERIFIED", walk, re.MULTILINE)) == 4


def test_the_walk_through_ends_in_a_refusal_of_the_revoked_credential(walk: str) -> None:
    assert "REVOKED" in walk
    assert "refused, as it should be" in walk


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_page_names_a_link_that_is_missing() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
