"""The service: verdicts over HTTP, and no input that it cannot answer for."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from tests.fakes.verifier import (
    ENGINES,
    INDEX,
    FixedClock,
    MemoryFetcher,
    World,
    drop,
    edited,
    presentation,
    put,
)
from verifier.errors import OverloadedError, UsageError
from verifier.settings import Settings
from verifier.web.app import create_app
from verifier.web.edge import MAX_HEADER_BYTES

WORLD = World()
GOOD = WORLD.credential()
PROBLEM_JSON = "application/problem+json"


def app(world=WORLD, *, engines=ENGINES, fetcher=None, **changes):
    fetcher = fetcher or MemoryFetcher(world.served())
    return create_app(Settings(**changes), fetcher=fetcher, engines=engines, clock=FixedClock())


@pytest.fixture(scope="module")
def client():
    with TestClient(app(), raise_server_exceptions=False) as opened:
        yield opened


def verify(client, value, path="/credentials/verify", **options):
    member = "verifiablePresentation" if "presentations" in path else "verifiableCredential"
    return client.post(path, json={member: value, "options": options})


def once(value, path="/credentials/verify", *, application, **options):
    with TestClient(application, raise_server_exceptions=False) as opened:
        return verify(opened, value, path, **options)


# --- credentials -------------------------------------------------------------------------------------------


def test_a_good_credential_is_answered_with_200_and_the_report(client):
    answer = verify(client, GOOD)
    content = answer.json()
    assert answer.status_code == 200
    assert content["verified"] is True
    assert content["problemDetails"] == []
    assert "proof" in content["checks"]
    assert content["report"]["outcome"] == "verified"
    assert content["warnings"][0]["type"].endswith("#UNTRUSTED_ISSUER")


def test_a_changed_credential_is_answered_with_400_and_the_problem(client):
    answer = verify(client, edited(GOOD, put("credentialSubject.modelId", "another")))
    content = answer.json()
    assert answer.status_code == 400
    assert content["verified"] is False
    assert content["problemDetails"][0]["type"] == "https://w3id.org/security#PROOF_VERIFICATION_ERROR"
    assert content["errors"]


def test_a_revoked_credential_is_told_apart_from_an_undecided_one():
    revoked = once(GOOD, application=app(World(bits={"revocation": {INDEX}})))
    undecided = once(GOOD, application=app(fetcher=MemoryFetcher({})))
    assert [answer.status_code for answer in (revoked, undecided)] == [400, 400]
    assert revoked.json()["outcome"] == "refused"
    assert undecided.json()["outcome"] == "inconclusive"


def test_simulated_figures_need_the_requests_or_the_settings_leave():
    def simulated(document):
        document["type"].append("SimulatedCredential")
        document["credentialSubject"]["assurance"] = "simulated"

    value = WORLD.credential(simulated)
    assert (once(value, application=app())).status_code == 400
    assert (once(value, application=app(), allowSimulated=True)).status_code == 200
    assert (once(value, application=app(allow_simulated=True))).status_code == 200


def test_json_ld_is_json_too(client):
    answer = client.post(
        "/credentials/verify",
        content=json.dumps({"verifiableCredential": GOOD}),
        headers={"content-type": "application/ld+json; charset=utf-8"},
    )
    assert answer.status_code == 200


# --- presentations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("challenge", "status"), [("c-1", 200), ("c-2", 400)])
def test_a_presentation_is_held_to_the_challenge_of_the_request(client, challenge, status):
    answer = verify(client, presentation(GOOD), "/presentations/verify", challenge=challenge, domain="audit.example")
    assert answer.status_code == status
    assert answer.json()["verified"] is (status == 200)


def test_the_problems_of_each_credential_are_listed(client):
    answer = verify(client, presentation(WORLD.unsecured()), "/presentations/verify")
    assert {item["type"].rpartition("#")[2] for item in answer.json()["problemDetails"]} == {"NO_PROOF"}
    assert answer.json()["report"]["credentials"][0]["problem"] == "NO_PROOF"


def test_an_empty_challenge_is_a_malformed_request(client):
    answer = verify(client, presentation(GOOD), "/presentations/verify", challenge="")
    assert (answer.status_code, "verified" in answer.json()) == (400, False)


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify"])
def test_one_kind_in_the_place_of_the_other_is_a_type_mismatch(client, path):
    value = GOOD if "presentations" in path else presentation(GOOD)
    answer = verify(client, value, path)
    assert answer.json()["problemDetails"][0]["type"].endswith("#TYPE_MISMATCH")


# --- malformed requests ------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify"])
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"verifiableCredential": "eyJ.x.y", "verifiablePresentation": null}', 400),
        (b'{"verifiableCredential": {}, "verifiableCredential": {}}', 400),
        (b'{"verifiableCredential": {}, "verifiablePresentation": {}, "options": []}', 400),
        (b'{"verifiableCredential": {}, "verifiablePresentation": {}, "options": {"allowSimulated": "yes"}}', 400),
        (b"\xff\xfe", 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b'{"a": 1e999}', 400),
        (b'{"a": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 1000 + b"]" * 1000, 413),
        (b'{"a":' * 100_000, 413),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_malformed_request_gets_a_problem_document_and_no_verdict(client, path, content, status):
    answer = client.post(path, content=content, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert "verified" not in answer.json()
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/msgpack", ""])
def test_another_content_type_is_not_read(client, media_type):
    answer = client.post("/credentials/verify", content=b"{}", headers={"content-type": media_type})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == PROBLEM_JSON


def test_another_charset_is_not_read(client):
    headers = {"content-type": "application/json; charset=utf-16"}
    assert (client.post("/credentials/verify", content=b"{}", headers=headers)).status_code == 415


@pytest.mark.parametrize(("path", "size"), [("/credentials/verify", 512 * 1024), ("/presentations/verify", 16 << 20)])
def test_a_body_past_the_cap_of_its_route_is_too_large(client, path, size):
    answer = client.post(path, content=b" " * (size + 1), headers=JSON)
    assert answer.status_code == 413


def test_a_body_that_comes_in_pieces_has_the_same_cap(client):
    def pieces():
        for _ in range(11):
            yield b" " * 100_000

    assert (client.post("/credentials/verify", content=pieces(), headers=JSON)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/credentials/verify", 405), ("PUT", "/credentials/verify", 405), ("GET", "/nowhere", 404)],
)
def test_what_there_is_not_is_a_problem_document_too(client, method, path, status):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM_JSON)
    assert "nowhere" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [{"host": "good.example\\evil.example"}, {"host": "a b"}, {"host": "a.example/path"}, {"host": ""}],
)
def test_a_host_that_is_none_is_refused(client, headers):
    assert (client.get("/healthz", headers=headers)).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{"x-large": "x" * MAX_HEADER_BYTES}, {f"x-{number}": "1" for number in range(100)}],
    ids=["long", "many"],
)
def test_headers_past_the_cap_are_refused(client, headers):
    assert (client.get("/healthz", headers=headers)).status_code == 431


# --- the rest of the service -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/healthz", "/openapi", "/nowhere"])
def test_every_answer_has_the_security_headers(client, path):
    answer = client.get(path)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_needs_nothing_from_elsewhere_and_has_no_inline_code(client):
    page = (client.get("/")).text
    assert "Green Compute Verifier" in page
    assert "<script src=" in page
    assert "<style" not in page
    assert "onclick" not in page
    assert "://" not in page.replace("https://www.w3.org/2018/credentials/v1", "")


def test_the_script_never_writes_markup(client):
    script = (client.get("/page.js")).text
    assert "innerHTML" not in script
    assert "eval(" not in script


def test_the_service_says_that_it_is_alive(client):
    assert (client.get("/healthz")).json() == {"status": "ok"}


def test_the_openapi_document_describes_the_bodies(client):
    paths = (client.get("/openapi")).json()["paths"]
    for path, member in (
        ("/credentials/verify", "verifiableCredential"),
        ("/presentations/verify", "verifiablePresentation"),
    ):
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["required"] == [member]


def test_without_a_setting_no_other_origin_may_read(client):
    answer = client.post("/credentials/verify", json={}, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_of_the_settings_may_read():
    with TestClient(app(cors_origins=("https://a.example",))) as opened:
        preflight = opened.options(
            "/credentials/verify",
            headers={"origin": "https://a.example", "access-control-request-method": "POST"},
        )
        other = opened.get("/healthz", headers={"origin": "https://evil.example"})
    assert preflight.headers["access-control-allow-origin"] == "https://a.example"
    assert other.headers.get("access-control-allow-origin") != "https://evil.example"


def test_a_service_that_has_no_place_free_says_when_to_come_back():
    application = app(concurrent_verifications=1, queue_timeout_s=0.05, engines=Busy())
    with TestClient(application, raise_server_exceptions=False) as opened:
        answer = verify(opened, GOOD)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "verified" not in answer.json()


class Busy:
    """Engines whose every worker is taken."""

    @property
    def closed(self):
        return self

    general = closed

    def canonicalize(self, document):
        raise OverloadedError("no worker became free in time; try again")


class Broken:
    """Engines that fail as no engine should."""

    @property
    def closed(self):
        return self

    general = closed

    def canonicalize(self, document):
        raise RuntimeError("secret /var/lib/path")


def test_what_nobody_expected_gives_nothing_away():
    answer = once(GOOD, application=app(engines=Broken()))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM_JSON
    assert "secret" not in answer.text


def test_a_policy_that_cannot_be_read_stops_the_service_at_its_start(tmp_path):
    (tmp_path / "policy.toml").write_text("allow_everything = true")
    with pytest.raises(UsageError):
        app(policy=str(tmp_path / "policy.toml"))
    with pytest.raises(UsageError):
        app(policy=str(tmp_path / "nowhere.toml"))


def test_the_application_reads_the_environment_where_it_is_given_no_settings(monkeypatch):
    monkeypatch.setenv("GREEN_VERIFIER_PORT", "many")
    with pytest.raises(UsageError):
        create_app()


MEMBERS = st.sampled_from(
    ["@context", "id", "type", "issuer", "credentialSubject", "credentialStatus", "proof", "evidence", "holder", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["VerifiableCredential"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(MEMBERS, children, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps({"verifiableCredential": value}).encode()))
def test_no_body_is_answered_with_a_failure_of_the_service(client, content):
    answer = client.post("/credentials/verify", content=content, headers=JSON)
    assert answer.status_code in {400, 413}


def test_a_credential_without_a_member_still_gets_a_verdict(client):
    for member in GOOD:
        answer = verify(client, edited(GOOD, drop(member)))
        assert answer.status_code == 400
        assert answer.json()["verified"] is False
