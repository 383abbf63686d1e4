"""POST /receipts/verify: a receipt with its window's credential, or with the window fetched."""

import json

import pytest
from litestar.testing import TestClient

from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher, World, edited, put
from tests.fakes.windows import WindowWorld
from verifier.settings import Settings
from verifier.web.app import create_app

PLACE = WindowWorld(World())
MADE = PLACE.close()
WINDOW = PLACE.credential(MADE)
RECEIPT = PLACE.receipt(MADE)
ENROLMENT = WINDOW["evidence"][0]["enrolmentDigest"]


@pytest.fixture(scope="module")
def fetcher():
    enrolment = {f"{PLACE.world.base}/enrolments/{ENROLMENT}": PLACE.enrolment}
    return MemoryFetcher(PLACE.world.served() | enrolment | {WINDOW["id"]: WINDOW})


@pytest.fixture(scope="module")
def client(fetcher):
    application = create_app(Settings(fetch_cache_s=0), fetcher=fetcher, engines=ENGINES, clock=FixedClock())
    with TestClient(application, raise_server_exceptions=False) as opened:
        yield opened


def answered(client, body):
    return client.post("/receipts/verify", json=body)


def test_a_receipt_with_its_window_is_answered_with_200(client, fetcher):
    fetcher.asked.clear()
    answer = answered(client, {"receipt": RECEIPT, "windowCredential": WINDOW})
    content = answer.json()
    assert (answer.status_code, content["verified"], content["report"]["kind"]) == (200, True, "receipt")
    assert WINDOW["id"] not in fetcher.asked


def test_a_receipt_alone_has_its_window_fetched(client, fetcher):
    fetcher.asked.clear()
    assert answered(client, {"receipt": RECEIPT}).status_code == 200
    assert fetcher.asked[0] == WINDOW["id"]


def test_a_changed_receipt_is_answered_with_400_and_the_problem(client):
    changed = edited(RECEIPT, put("record.requests", 2))
    answer = answered(client, {"receipt": changed, "windowCredential": WINDOW})
    assert (answer.status_code, answer.json()["verified"]) == (400, False)
    assert answer.json()["problemDetails"][0]["type"].endswith("#MALFORMED_VALUE_ERROR")


def test_another_window_along_with_it_is_refused(client):
    other = PLACE.credential(PLACE.node.window()) | {"id": "https://oracle.example/credentials/other"}
    answer = answered(client, {"receipt": RECEIPT, "windowCredential": other})
    assert (answer.status_code, answer.json()["outcome"]) == (400, "refused")


def test_a_window_that_cannot_be_had_is_inconclusive(client):
    elsewhere = RECEIPT | {"window_credential": "https://oracle.example/credentials/gone"}
    answer = answered(client, {"receipt": elsewhere})
    assert (answer.status_code, answer.json()["outcome"]) == (400, "inconclusive")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"receipt": "x"},
        {"receipt": {}},
        {"receipt": WINDOW},
        {"receipt": RECEIPT, "windowCredential": []},
        {"receipt": RECEIPT, "options": {"challenge": ""}},
        [],
    ],
)
def test_a_request_of_another_form_is_a_problem_document(client, body):
    answer = answered(client, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "verified" not in answer.json()


def test_a_receipt_sent_as_a_credential_is_refused_with_a_hint(client):
    answer = client.post("/credentials/verify", json={"verifiableCredential": RECEIPT})
    assert answer.status_code == 400
    assert "receipt" in json.dumps(answer.json()["errors"])


def test_the_route_is_described(client):
    assert "/receipts/verify" in client.get("/openapi/openapi.json").json()["paths"]
