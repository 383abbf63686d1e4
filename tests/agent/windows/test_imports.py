"""What may stand where in the windows' room."""

import ast

from tests.vectors import ROOT

PACKAGE = ROOT / "agent" / "windows"
PURE = ("close", "spooled", "protocol", "telemetry", "wall_line", "tap")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_pure_modules_import_no_clock_no_disk_and_no_network():
    for name in PURE:
        found = set(imported(PACKAGE / f"{name}.py"))
        assert not {"os", "time", "socket", "threading", "secrets", "pathlib"} & found, name


def test_nothing_here_knows_issuer_verifier_or_wallet():
    for path in PACKAGE.glob("*.py"):
        assert not {"issuer", "verifier", "wallet"} & set(imported(path)), path
