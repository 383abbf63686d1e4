"""The verifier's page in a real browser: paste a credential, press Verify, read the verdict."""

import json
import shutil
import subprocess
import sys
import tempfile
import time

import httpx
import pytest

from tests.fakes.ports import free_port
from tests.fakes.verifier import World, edited, put
from tests.vectors import ROOT

pytestmark = pytest.mark.network

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver §12.1
BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def page():
    """The address of a verifier's page that this test's own service shows."""
    port = free_port()
    words = [sys.executable, "-m", "verifier", "serve", "--host", "127.0.0.1", "--port", str(port)]
    service = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(f"{address}healthz")
        yield address
    finally:
        service.terminate()
        service.wait(15)


@pytest.fixture(scope="module")
def browser():
    """A WebDriver session of a headless Chromium, as a client whose URLs begin with the session."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium chromium-driver)")
    port = free_port()
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = {"binary": chromium, "args": [*BROWSER, f"--user-data-dir={profile}"]}
        wanted = {
            "capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        }
        try:
            _wait_for(f"http://127.0.0.1:{port}/status")
            answer = httpx.post(f"http://127.0.0.1:{port}/session", json=wanted, timeout=60, trust_env=False)
            session = f"http://127.0.0.1:{port}/session/{answer.json()['value']['sessionId']}"
            with httpx.Client(base_url=session, timeout=60, trust_env=False) as client:
                yield client
                client.delete("")
        finally:
            process.terminate()
            process.wait(15)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer")


def script(browser, source: str, *arguments):
    return browser.post("/execute/sync", json={"script": source, "args": list(arguments)}).json()["value"]


def verdict(browser, page: str, text: str) -> str:
    """Paste ``text`` into the page, press the button, and return what the result says once it is there."""
    browser.post("/url", json={"url": page})
    script(browser, "document.getElementById('document').value = arguments[0]", text)
    found = browser.post("/element", json={"using": "css selector", "value": "#verify"}).json()["value"]
    browser.post(f"/element/{found[ELEMENT]}/click", json={})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        shown = script(browser, "const r = document.getElementById('result'); return r.hidden ? '' : r.innerText")
        if any(word in shown for word in ("VERIFIED", "REFUSED", "INCONCLUSIVE", "not JSON")):
            return shown
        time.sleep(0.1)
    return pytest.fail(f"the page showed no verdict: {shown!r}")


def self_contained() -> dict:
    """A credential that needs nothing fetched: its issuer is a did:key; its status lists are out of reach."""
    from tests.fakes.verifier import Signatory, signer

    return World(issuer=Signatory(signer(1))).credential()


def test_the_page_says_what_could_not_be_checked(browser, page) -> None:
    shown = verdict(browser, page, json.dumps(self_contained()))
    assert "INCONCLUSIVE" in shown
    assert "STATUS_RETRIEVAL_ERROR" in shown


def test_the_page_refuses_a_changed_claim(browser, page) -> None:
    forged = edited(self_contained(), put("credentialSubject.nodeId", "node-8"))
    shown = verdict(browser, page, json.dumps(forged))
    assert "REFUSED" in shown
    assert "PROOF_VERIFICATION_ERROR" in shown


def test_markup_in_a_claim_stays_text(browser, page) -> None:
    hostile = edited(self_contained(), put("id", "https://oracle.example/<img src=x onerror=alert(1)>"))
    verdict(browser, page, json.dumps(hostile))
    assert script(browser, "return document.querySelectorAll('#result img').length") == 0


def test_what_is_no_json_is_told_at_once(browser, page) -> None:
    assert verdict(browser, page, "{not json").startswith("This is not JSON")


def test_the_page_breaks_none_of_its_own_rules(browser, page) -> None:
    verdict(browser, page, json.dumps(self_contained()))
    entries = browser.post("/se/log", json={"type": "browser"}).json()["value"]
    assert [entry for entry in entries if "Content Security Policy" in entry["message"]] == []
