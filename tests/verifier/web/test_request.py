"""What a request may hold: nothing that is asked for goes unheard, and what is refused is named."""

import io
import json
import uuid

import pytest
import structlog
from litestar.testing import TestClient

from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher, World, presentation
from tests.fakes.windows import WindowWorld
from verifier.settings import Settings
from verifier.web.app import _log_as_json, create_app

WORLD = World()
GOOD = WORLD.credential()
SHOWN = presentation(GOOD)
PLACE = WindowWorld(WORLD)
RECEIPT = PLACE.receipt(PLACE.close())
ASKED = {
    "/credentials/verify": {"verifiableCredential": GOOD},
    "/presentations/verify": {"verifiablePresentation": SHOWN},
    "/receipts/verify": {"receipt": RECEIPT},
    "/challenges": {"domain": "audit.example"},
}
DOCUMENTS = [path for path in ASKED if path != "/challenges"]


@pytest.fixture(scope="module")
def client():
    application = create_app(Settings(), fetcher=MemoryFetcher(WORLD.served()), engines=ENGINES, clock=FixedClock())
    with TestClient(application, raise_server_exceptions=False) as opened:
        yield opened


def refused(answer) -> str:
    """Return the detail of a request that is refused for its form, and not for what the document is."""
    assert answer.status_code == 400, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert "verified" not in answer.json()
    return answer.json()["detail"]


# --- members -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("name", ["x", "option", "Options", "@context2"])
def test_a_member_that_is_not_known_is_refused_by_its_name(client, path, name):
    detail = refused(client.post(path, json={**ASKED[path], name: {"allowSimulated": True}}))
    assert detail.startswith(f'the body: "{name}" is not known here; known are: {next(iter(ASKED[path]))}')


@pytest.mark.parametrize("path", DOCUMENTS)
@pytest.mark.parametrize("name", ["allowsimulated", "minimumAssurance", "returnCredential", "verificationMethod"])
def test_an_option_that_is_not_known_is_refused_by_its_name(client, path, name):
    detail = refused(client.post(path, json={**ASKED[path], "options": {name: True}}))
    assert detail == f'options: "{name}" is not known here; known are: allowSimulated, challenge, checks, domain'


@pytest.mark.parametrize("name", ["<b>", "\u202ex", "x" * 4000, ""])
def test_a_name_that_is_no_plain_word_is_not_repeated(client, name):
    detail = refused(client.post("/challenges", json={name: 1}))
    assert detail == "the body: one whose name is no plain word is not known here; known are: domain"


@pytest.mark.parametrize("path", DOCUMENTS)
def test_checks_of_test_suites_leave_nothing_out(client, path):
    whole = client.post(path, json=ASKED[path]).json()
    asked = client.post(path, json={**ASKED[path], "options": {"checks": ["proof"]}}).json()
    steps = [[check["step"] for check in answer["report"]["checks"]] for answer in (whole, asked)]
    assert steps[0] == steps[1]
    assert whole["outcome"] == asked["outcome"]


@pytest.mark.parametrize("path", ["/credentials/verify", "/receipts/verify"])
@pytest.mark.parametrize("name", ["challenge", "domain"])
def test_only_a_presentation_can_answer_a_challenge(client, path, name):
    assert "a presentation" in refused(client.post(path, json={**ASKED[path], "options": {name: "c-1"}}))
    assert client.post(path, json={**ASKED[path], "options": {name: None}}).json()["report"]


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"allowSimulated": "yes"}, "options.allowSimulated: true or false is required"),
        ({"allowSimulated": None}, "options.allowSimulated: true or false is required"),
        ({"challenge": 5}, "options.challenge: a text is required"),
        ({"domain": ["a"]}, "options.domain: a text is required"),
        ({"challenge": ""}, "options.challenge: an empty one protects from nothing; leave it out, or give one"),
        ({"checks": "proof"}, "options.checks: a list of texts is required; whatever it names, everything is checked"),
        ({"checks": [1]}, "options.checks: a list of texts is required; whatever it names, everything is checked"),
        ([], "options: an object is required"),
        (None, "options: an object is required"),
    ],
)
def test_an_option_of_another_form_is_told_in_plain_words(client, options, detail):
    path = "/presentations/verify"
    assert refused(client.post(path, json={**ASKED[path], "options": options})) == detail


@pytest.mark.parametrize(
    ("domain", "detail"),
    [
        (5, "domain: a text is required"),
        ("", "domain: an empty one protects from nothing; leave it out, or give one"),
        ("x" * 257, "domain: it has 257 characters; at most 256 are read"),
    ],
)
def test_a_challenges_domain_of_another_form_is_told_in_plain_words(client, domain, detail):
    assert refused(client.post("/challenges", json={"domain": domain})) == detail


@pytest.mark.parametrize(
    ("path", "bare"),
    [("/credentials/verify", GOOD), ("/presentations/verify", SHOWN), ("/receipts/verify", RECEIPT)],
)
def test_a_bare_document_is_told_how_to_be_wrapped(client, path, bare):
    member = next(iter(ASKED[path]))
    assert refused(client.post(path, json=bare)) == f'the body is the document itself: wrap it, {{"{member}": …}}'


def test_a_compact_token_is_told_from_an_object(client):
    assert "compact tokens are not read" in refused(
        client.post("/credentials/verify", json={"verifiableCredential": "eyJ"})
    )


# --- the query -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("query", ["x=1", "minimum_assurance=tpm-hardware", "service=1", "request=1"])
def test_a_query_parameter_is_refused_by_its_name(client, path, query):
    name = query.partition("=")[0]
    detail = refused(client.post(f"{path}?{query}", json=ASKED[path]))
    assert detail == f'query parameter "{name}": it is not known here; known are: none'


@pytest.mark.parametrize("path", ["/", "/healthz", "/page.js", "/openapi"])
def test_pages_take_no_query_parameter_either(client, path):
    assert client.get(path).status_code == 200
    assert "not known here" in refused(client.get(f"{path}?x=1"))


# --- the number of a request ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/credentials/verify"])
def test_every_answer_has_an_id_of_its_own(client, path):
    ids = {client.get(path, headers={"x-request-id": "mine"}).headers["x-request-id"] for _ in range(3)}
    assert len({uuid.UUID(one) for one in ids}) == 3


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/nowhere", {}),
        ("/healthz?x=1", {}),
        ("/credentials/verify", {}),
        ("/healthz", {"host": "a b"}),
        ("/healthz", {"x-large": "x" * 20_000}),
    ],
    ids=["unknown", "query", "method", "host", "too large"],
)
def test_a_problem_names_the_request(client, path, headers):
    answer = client.get(path, headers=headers)
    assert answer.status_code >= 400
    assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"


def test_the_log_names_the_request_also_where_a_thread_writes_it(client, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    before = structlog.get_config()
    try:
        _log_as_json()
        answer = client.post("/credentials/verify", json={"verifiableCredential": {}})
    finally:
        structlog.configure(**before)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {line["event"] for line in lines} == {"verified", "request refused"}
    assert {line["request_id"] for line in lines} == {answer.headers["x-request-id"]}
