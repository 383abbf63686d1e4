"""What importing the agent costs, and that vendors stand where they may."""

import ast
import subprocess
import sys

from agent.version import AGENT
from tests.vectors import ROOT

PACKAGE = ROOT / "agent"
PURE = (
    "attribution/fit",
    "attribution/phase",
    "attribution/shares",
    "attribution/steps",
    "codecarbon",
    "identifiers",
    "listen_address",
    "measurement",
    "record",
    "retry",
    "span",
    "meters/power",
    "meters/protocol",
    "meters/visible",
    "proxy/bodies",
    "proxy/events",
    "proxy/figures",
    "proxy/headers",
    "proxy/options",
)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def modules_importing(name):
    return {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if name in set(imported(path))}


def test_one_file_imports_nvml():
    assert modules_importing("pynvml") == {"meters/nvml.py"}


def test_one_file_imports_the_http_client():
    assert modules_importing("httpx") == {"transport.py"}


def test_the_proxys_http_and_the_watchers_format_stand_in_one_file_each():
    assert modules_importing("httpcore") == {"proxy/forward.py"}
    assert modules_importing("h11") == {"proxy/server.py"}
    assert modules_importing("prometheus_client") == {"prometheus.py"}


def test_the_command_line_needs_none_of_them_until_it_is_asked_for():
    code = "import sys, agent.cli, agent.windows.daemon; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert not {"h11", "prometheus_client", "agent.proxy", "agent.codecarbon"} & set(ran.stdout.split())


def test_the_agent_logs_without_a_vendor():
    assert not modules_importing("structlog")


def test_the_agent_knows_neither_issuer_nor_verifier_nor_wallet():
    assert not modules_importing("issuer") | modules_importing("verifier") | modules_importing("wallet")


def test_pure_modules_import_no_clock_no_disk_and_no_network():
    for name in PURE:
        assert not {"os", "time", "socket", "asyncio", "httpx", "threading"} & set(imported(PACKAGE / f"{name}.py")), (
            name
        )


def test_measuring_needs_neither_the_http_client_nor_nvml_nor_linked_data():
    code = "import sys, agent.session, agent.meters.check; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert not {"httpx", "pynvml", "pyld", "structlog", "rich"} & set(ran.stdout.split())


def test_importing_the_package_starts_nothing():
    code = "import sys, threading, agent; print(threading.active_count(), 'agent.session' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout == "1 False\n"


def test_the_agent_names_the_version_of_the_distribution():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()

    assert f'version = "{AGENT.removeprefix("green-agent/")}"' in lines
