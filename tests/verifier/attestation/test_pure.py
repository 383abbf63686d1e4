"""The verdict on a window is a function of its arguments: no clock, no network, no randomness, no keys in the formats."""

import ast

import pytest

import schemas.tpm
import verifier.attestation
from tests.vectors import ROOT

MODULES = sorted((ROOT / "verifier" / "attestation").glob("*.py"))
FORMATS = sorted((ROOT / "schemas" / "tpm").glob("*.py"))
WAITING_OR_CHANGING = {
    "asyncio",
    "socket",
    "os",
    "time",
    "datetime",
    "random",
    "secrets",
    "pathlib",
    "subprocess",
    "httpx",
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", [*MODULES, *FORMATS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_waits_and_nothing_changes_from_run_to_run(path):
    assert not WAITING_OR_CHANGING & set(imported(path))


@pytest.mark.parametrize("path", FORMATS, ids=lambda path: path.name)
def test_the_structures_know_no_cryptography_and_nothing_above_them(path):
    assert set(imported(path)) <= {"__future__", "collections", "dataclasses", "enum", "hashlib", "typing", "schemas"}


def test_the_packages_say_what_they_are():
    assert schemas.tpm.__doc__
    assert verifier.attestation.__doc__
