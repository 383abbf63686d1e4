"""What Prometheus reads, by its own parsers; and who may not hold the daemon up."""

import socket
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from agent import prometheus
from agent.errors import SettingsError
from agent.prometheus import MAX_AT_ONCE, MetricsServer, joules
from agent.sums import Observed, WindowSums
from agent.windows.client import ask_status
from did.signers import open_signer
from tests.agent.programs import ended, measuring, started
from tests.fakes.agent_programs import AgentHome
from tests.fakes.agent_windows import measured, window_issuer
from tests.fakes.eventually import eventually

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


def observed(sums, **changes):
    state = {
        "sums": sums.now(),
        "meters": {"GPU-0": True, "GPU-1": False},
        "running": 3,
        "measuring": True,
        "simulated": False,
        "key_kind": "software",
        "spooled": 4,
        "rejected": 1,
        "lost": 2,
        "acknowledged": 7,
    }
    return Observed(**state | changes)


@contextmanager
def served(observe):
    server = MetricsServer("127.0.0.1", 0, observe)
    try:
        yield f"http://127.0.0.1:{server.address[1]}"
    finally:
        server.close()


def samples(families):
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_both_formats_say_the_same_and_every_figure():
    sums = WindowSums()
    sums.add(measured(0))
    with served(lambda: observed(sums)) as url:
        plain, open_text = httpx.get(f"{url}/metrics"), httpx.get(f"{url}/metrics", headers=OPENMETRICS)

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_text.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_text.text.endswith("# EOF\n")
    seen = samples(read_text(plain.text))
    ours = {key: value for key, value in seen.items() if key[0].startswith("green_")}
    theirs = samples(read_openmetrics(open_text.text))
    assert ours == {key: value for key, value in theirs.items() if key[0].startswith("green_")}
    assert ours["green_energy_joules_total", (("kind", "active"),)] == 0.3
    assert ours["green_energy_joules_total", (("kind", "unattributed"),)] == 0.7
    device = (("device", "GPU-0"), ("model", "Fake GPU"), ("scope", "gpu"))
    assert ours["green_accelerator_energy_joules_total", device] == 1.0
    assert ours["green_work_joules_total", (("model", "m"), ("tenant", ""))] == 0.3
    assert ours["green_work_requests_total", (("model", "m"), ("tenant", ""))] == 2
    assert ours["green_meter_up", (("device", "GPU-1"),)] == 0
    named = {"green_windows_spooled": 4, "green_windows_rejected": 1, "green_windows_acknowledged_total": 7}
    assert named.items() <= {name: value for (name, labels), value in ours.items() if not labels}.items()
    assert ours["green_gaps_total", ()] == 2
    assert "process_cpu_seconds_total" in plain.text


@given(st.integers(0, 10**15))
def test_the_spelling_of_an_energy_is_exact(energy_mj):
    whole, _, part = repr(joules(energy_mj)).partition(".")

    assert "e" not in whole + part
    assert int(whole) * 1000 + int(part.ljust(3, "0")) == energy_mj


def test_names_that_hold_quotes_and_lines_stay_labels():
    sums = WindowSums()
    with served(lambda: observed(sums, meters={'a"b\\c\nd': True})) as url:
        text = httpx.get(f"{url}/metrics").text

    assert samples(read_text(text))["green_meter_up", (("device", 'a"b\\c\nd'),)] == 1


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=x", "*/*", "a" * 9000, "\u00e4"])
def test_an_odd_accept_is_answered(accept):
    with served(lambda: observed(WindowSums())) as url:
        answer = httpx.get(f"{url}/metrics", headers={"Accept": accept.encode()})

    assert answer.status_code == 200


def test_other_paths_and_methods_are_refused():
    with served(lambda: observed(WindowSums())) as url:
        assert httpx.get(f"{url}/etc/passwd").status_code == 404
        assert httpx.post(f"{url}/metrics").status_code == 501


def test_a_state_that_cannot_be_read_is_a_500_and_the_next_scrape_works(caplog):
    broken = [True]

    def observe():
        if broken.pop() if broken else False:
            raise OSError("disk")
        return observed(WindowSums())

    with served(observe) as url:
        assert httpx.get(f"{url}/metrics").status_code == 500
        assert httpx.get(f"{url}/metrics").status_code == 200


def test_connections_that_say_nothing_are_ended_and_leave_the_places(monkeypatch):
    monkeypatch.setattr(prometheus, "LONGEST_S", 0.3)
    with served(lambda: observed(WindowSums())) as url:
        port = int(url.rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(MAX_AT_ONCE)]
        time.sleep(0.1)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/metrics")
        for one in idle:
            # Long before a read of theirs would time out.
            one.settimeout(5)
            assert one.recv(1) == b""
        assert httpx.get(f"{url}/metrics").status_code == 200
        for one in idle:
            one.close()


def test_a_scrape_that_hangs_holds_up_no_window():
    sums, entered, go_on = WindowSums(), threading.Event(), threading.Event()

    def observe():
        seen = observed(sums)
        entered.set()
        go_on.wait(10)
        return seen

    with served(observe) as url:
        scraping = threading.Thread(target=lambda: httpx.get(f"{url}/metrics", timeout=20))
        scraping.start()
        assert entered.wait(10)
        sums.add(measured(0))
        assert sums.now().windows == 1
        go_on.set()
        scraping.join(10)


def test_a_taken_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="cannot listen"):
        MetricsServer("127.0.0.1", taken.getsockname()[1], lambda: observed(WindowSums()))


def test_a_daemon_answers_and_its_counters_only_rise(tmp_path):
    with window_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        issuer.key = open_signer(f"file:{home.folder / 'node.pem'}").public_key
        daemon = started(
            home, "daemon", "--metrics", "127.0.0.1:0", GREEN_AGENT_WINDOW_S="0.5", GREEN_AGENT_RUN_SUBMIT_S="5"
        )
        daemon.stdout.readline()
        url = daemon.stdout.readline().split()[-1]
        assert eventually(lambda: measuring(home.folder / "daemon.sock"), 20)
        assert ask_status(home.folder / "daemon.sock", wait_s=1).measuring

        def scrape():
            return samples(read_text(httpx.get(url).text))

        def total(seen):
            return sum(value for (name, _), value in seen.items() if name == "green_energy_joules_total")

        assert eventually(lambda: total(scrape()) > 0, 20)
        seen = [scrape() for _ in range(5)]
        assert eventually(lambda: total(scrape()) > total(seen[-1]), 20)
        last = scrape()
        ended(daemon)

    assert [total(one) for one in seen] == sorted(total(one) for one in seen)
    assert last["green_simulated", ()] == 1
    assert last["green_windows_closed_total", ()] > 1
    assert last["green_gaps_total", ()] == 0
    by_device = sum(value for (name, _), value in last.items() if name == "green_accelerator_energy_joules_total")
    assert round(by_device * 1000) == round(total(last) * 1000)


@pytest.mark.parametrize("where", ["nowhere", "127.0.0.1:99999", ":1"])
def test_an_address_that_is_none_is_refused(tmp_path, where):
    ran = AgentHome(tmp_path / "home").run("daemon", "--metrics", where)

    assert ran.returncode == 64
    assert "metrics: " in ran.stderr


def test_what_the_daemon_counts_is_what_the_issuer_gets(tmp_path):
    with window_issuer() as issuer:
        home = AgentHome(tmp_path / "home", issuer.url)
        issuer.key = open_signer(f"file:{home.folder / 'node.pem'}").public_key
        daemon = started(
            home, "daemon", "--metrics", "127.0.0.1:0", GREEN_AGENT_WINDOW_S="2", GREEN_AGENT_RUN_SUBMIT_S="9"
        )
        daemon.stdout.readline()
        url = daemon.stdout.readline().split()[-1]
        assert eventually(lambda: len(issuer.windows) >= 2, 30)
        seen = samples(read_text(httpx.get(url).text))
        ended(daemon)

    count = int(seen["green_windows_closed_total", ()])
    sent_mj = [sum(one.energy_mj for one in window.header.accelerators) for window in issuer.windows[:count]]
    by_device = [value for (name, _), value in seen.items() if name == "green_accelerator_energy_joules_total"]
    assert len(issuer.windows) >= count >= 2
    assert round(sum(by_device) * 1000) == sum(sent_mj)
