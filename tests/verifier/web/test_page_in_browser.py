"""The verifier's page in a real browser: paste a credential, press Verify, read the verdict."""

import json
import subprocess
import sys
import uuid

import pytest

from tests.fakes.browser import alive, browsing, tree_of, wait_for
from tests.fakes.ports import free_port
from tests.fakes.verifier import Signatory, World, edited, put, signer
from tests.fakes.verifier_page import write_served
from tests.fakes.windows import WindowWorld
from tests.vectors import ROOT

pytestmark = pytest.mark.network

WORLD = World()
PLACE = WindowWorld(WORLD)
_MADE = PLACE.close()
WINDOW, RECEIPT = PLACE.credential(_MADE), PLACE.receipt(_MADE)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver §12.1


def served(*words: str):
    """Yield the address of a page that a service of this test's own shows."""
    port = free_port()
    command = [sys.executable, "-m", *(str(port) if word == "PORT" else word for word in words)]
    service = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}/"
    finally:
        service.terminate()
        service.wait(15)


@pytest.fixture(scope="module")
def page():
    """The page of a real verifier, which reaches no issuer."""
    yield from served("verifier", "serve", "--host", "127.0.0.1", "--port", "PORT")


@pytest.fixture(scope="module")
def world_page(tmp_path_factory):
    """The page of a verifier that reaches the small world's issuer, and trusts it."""
    file = tmp_path_factory.mktemp("served") / "documents.json"
    enrolment = f"{WORLD.base}/enrolments/{WINDOW['evidence'][0]['enrolmentDigest']}"
    evidence = {entry.url: entry.body for _, _, entry in PLACE.evidence().items()}
    write_served(file, WORLD.served() | evidence | {enrolment: PLACE.enrolment})
    yield from served("tests.fakes.verifier_page", "PORT", str(file))


@pytest.fixture(scope="module")
def browser():
    """A WebDriver session of a headless Chromium."""
    with browsing() as client:
        yield client


@pytest.fixture
def narrow(browser):
    """The browser with a telephone's width."""
    metrics = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    command(browser, "Emulation.setDeviceMetricsOverride", **metrics)
    yield browser
    command(browser, "Emulation.clearDeviceMetricsOverride")


def command(browser, name: str, **parameters) -> None:
    browser.post("/goog/cdp/execute", json={"cmd": name, "params": parameters}).raise_for_status()


def script(browser, source: str, *arguments):
    return browser.post("/execute/sync", json={"script": source, "args": list(arguments)}).json()["value"]


def verdict(browser, page: str, text: str, **fields: object) -> str:
    """Fill in the page, press the button, and return what the result says once it is there."""
    browser.post("/url", json={"url": page})
    for name, value in {"document": text, **fields}.items():
        script(browser, "document.getElementById(arguments[0]).value = arguments[1]", name, value)
    return pressed(browser)


def pressed(browser) -> str:
    found = browser.post("/element", json={"using": "css selector", "value": "#verify"}).json()["value"]
    browser.post(f"/element/{found[ELEMENT]}/click", json={})
    # The button is pressed again only when the answer is there.
    done = "const [end] = arguments; const wait = () => document.getElementById('verify').disabled ? setTimeout(wait, 20) : end(document.getElementById('result').innerText); wait()"
    return browser.post("/execute/async", json={"script": done, "args": []}).json()["value"]


def self_contained() -> dict:
    """A credential that needs nothing fetched: its issuer is a did:key; its status lists are out of reach."""
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


# --- the headline --------------------------------------------------------------------------------------------


def simulated(document) -> None:
    document["type"].append("SimulatedCredential")
    document["credentialSubject"]["assurance"] = "simulated"


def headline(browser) -> tuple[str, str]:
    """Return the words of the verdict and the class that gives its colour."""
    source = "const line = document.querySelector('#result .verdict'); return [line.innerText, line.className]"
    words, name = script(browser, source)
    return words, name.removeprefix("verdict ")


def test_a_verdict_without_warnings_is_green(browser, world_page) -> None:
    verdict(browser, world_page, json.dumps(WORLD.credential()))
    assert headline(browser) == ("VERIFIED", "passed")


def test_a_verdict_with_warnings_names_them_in_another_colour(browser, world_page) -> None:
    browser.post("/url", json={"url": world_page})
    fill = (
        "document.getElementById('simulated').checked = true; document.getElementById('document').value = arguments[0]"
    )
    script(browser, fill, json.dumps(WORLD.credential(simulated)))
    pressed(browser)
    assert headline(browser) == ("VERIFIED, with warnings: SIMULATED", "warning")
    colours = (
        "return ['passed', 'warning'].map((name) => getComputedStyle(document.querySelector(`.mark.${name}`)).color)"
    )
    passed, warned = script(browser, colours)
    shown = script(browser, "return getComputedStyle(document.querySelector('#result .verdict')).color")
    assert shown == warned != passed


def test_a_receipt_is_checked_with_the_window_that_is_pasted_beside_it(browser, world_page) -> None:
    assert verdict(browser, world_page, json.dumps(RECEIPT)).startswith("INCONCLUSIVE")
    shown = verdict(browser, world_page, json.dumps(RECEIPT), window=json.dumps(WINDOW))
    assert shown.startswith("VERIFIED")


# --- on a telephone, and what is filled in wrongly -------------------------------------------------------------


def of_a_far_list(document) -> None:
    entry, url = document["credentialStatus"], f"https://oracle.example/{'x' * 300}"
    entry |= {"statusListCredential": url, "id": f"{url}#{entry['statusListIndex']}"}


def test_nothing_is_wider_than_a_telephone_not_even_a_long_reason(narrow, world_page) -> None:
    shown = verdict(narrow, world_page, json.dumps(WORLD.credential(of_a_far_list)))
    assert "xxx" in shown.split("\n\n")[1]
    assert script(narrow, "return document.documentElement.scrollWidth") <= 400


def test_an_empty_form_says_what_to_do(browser, page) -> None:
    assert "paste a credential, presentation or receipt" in verdict(browser, page, " ")


@pytest.mark.parametrize("text", ["1", "null", '"x"'])
def test_json_that_is_no_document_is_told(browser, page, text) -> None:
    assert "no credential" in verdict(browser, page, text)


def test_a_damaged_window_is_told_apart_from_a_damaged_receipt(browser, page) -> None:
    assert "the window's credential" in verdict(browser, page, json.dumps(RECEIPT), window="{")


# --- the browser itself --------------------------------------------------------------------------------------


def test_nothing_of_the_browser_is_left_after_a_test_that_fails() -> None:
    mark, found = uuid.uuid4().hex, set()

    def fail() -> None:
        with browsing(mark) as client:
            client.post("/url", json={"url": "about:blank"})
            found.update(tree_of(mark))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(found) > 5
    assert alive(found) == tree_of(mark) == set()
