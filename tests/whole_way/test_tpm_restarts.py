"""A TPM that is started again below a node, orderly or not, as docs/tpm.md says; and a real issuer that sees its windows."""

import time

import pytest

from tests.fakes.eventually import eventually
from tests.whole_way.parties import NODE_ID, Issuer, Node

pytestmark = pytest.mark.timeout(180)
UP_S = 6.0
"""How long the TPM runs before it loses its clock."""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory, manufactured):
    running = Issuer(tmp_path_factory.mktemp("issuer") / "of", manufactured.parent / "ca")
    yield running
    running.kill()


def chain(issuer):
    return issuer.server.run("nodes", "show", NODE_ID)["chain"]


@pytest.mark.parametrize("end", ["killed", "terminated"])
def test_after_a_restart_of_the_tpm_windows_go_on_at_once_and_late_ones_cost_nothing(issuer, swtpm, tmp_path, end):
    node = Node(tmp_path / "home", swtpm.uri, 0.5)
    assert node.enrol(issuer.url, issuer.invite()).returncode == 0
    node.start()
    time.sleep(UP_S)
    assert eventually(lambda: chain(issuer)["windows"] > 2)
    node.kill()
    (swtpm.kill if end == "killed" else swtpm.terminate)()
    swtpm.start()

    # It hangs at first: windows wait for it, and are quoted late.
    boot = chain(issuer)["boot_epoch"]
    swtpm.freeze()
    node.start()
    time.sleep(3)
    swtpm.thaw()
    assert eventually(lambda: chain(issuer)["boot_epoch"] != boot, 60), node.said()
    node.end()

    shown = chain(issuer)
    assert shown["refused"] is None
    assert "clock-unsafe" in {flag["kind"] for flag in shown["flags"]}
    assert "went back" not in node.said()
    assert not [*node.pending.iterdir()]
    assert not [*(node.folder / "windows" / "rejected").iterdir()]
