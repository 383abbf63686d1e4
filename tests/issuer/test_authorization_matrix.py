"""Every route, as the application itself lists them, against every kind of caller.

A new route without an entry in MATRIX fails the first test; a route whose behaviour is not that of its
access rule fails the others. The expectations stand here by hand: they do not come from the code.
"""

from __future__ import annotations

import itertools
import re
import shutil

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient

from issuer.access import SCOPES, Access
from issuer.api_key import render_key
from issuer.app import _require_access, create_app, create_service
from tests.fakes.issuer import PUBLIC_URL, FixedClock, posted
from tests.fakes.site import JSON, api_key, bearer, problem, site_settings
from tests.fakes.window_node import HEADERS, WindowNode

OPEN, SIGNED, INVITED = "open", "signed by a node", "opened by an invite token"

MATRIX = {
    ("GET", "/"): OPEN,
    ("GET", "/.well-known/did.json"): OPEN,
    ("GET", "/issuers/{slug}/did.json"): OPEN,
    ("POST", "/api/v1/telemetry"): SIGNED,
    ("GET", "/api/v1/certificate/{inference_id}"): "read",
    ("GET", "/api/v1/certificate/{inference_id}/vc"): "read",
    ("GET", "/api/v1/certificates"): "read",
    ("GET", "/api/v1/emissions"): "read",
    ("GET", "/api/v1/model/{model_id}/emissions"): "read",
    ("GET", "/api/v1/compliance/export"): "read",
    ("GET", "/api/v1/compliance/esrs"): "read",
    ("GET", "/credentials/{credential}"): "read",
    ("POST", "/credentials/issue"): "issue",
    ("POST", "/credentials/status"): "status",
    ("GET", "/status/revocation/{list_id}"): OPEN,
    ("GET", "/status/suspension/{list_id}"): OPEN,
    ("GET", "/evidence/{name}"): OPEN,
    ("GET", "/evidence/{credential}/{name}"): OPEN,
    ("GET", "/contexts/v1"): OPEN,
    ("GET", "/schemas/{name}"): OPEN,
    ("POST", "/api/v1/windows"): SIGNED,
    ("POST", "/api/v1/nonces"): SIGNED,
    ("GET", "/api/v1/windows/{node_id}/{epoch}/{sequence}"): "read",
    ("GET", "/api/v1/windows/{node_id}"): "read",
    ("GET", "/api/v1/receipt/{inference_id}"): "read",
    ("POST", "/api/v1/nodes"): "admin",
    ("GET", "/api/v1/nodes"): "admin",
    ("POST", "/api/v1/nodes/enrol"): INVITED,
    ("POST", "/api/v1/nodes/attest"): INVITED,
    ("POST", "/api/v1/nodes/attest/{enrolment_id}"): INVITED,
    ("GET", "/enrolments/{digest}"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/openapi"): OPEN,
}
"""Method and path: who may use it; for a key, the scope that it needs (admin opens every scope)."""

KEYED = sorted(entry for entry, rule in MATRIX.items() if rule in SCOPES)
OPENED = sorted(entry for entry, rule in MATRIX.items() if rule == OPEN)
PROVEN = sorted(entry for entry, rule in MATRIX.items() if rule in {SIGNED, INVITED})


def routes(app):
    """Return method and path of every route, OPTIONS apart, which the framework adds to each."""
    return {
        (str(method), route.path_format or "/")
        for route in app.routes
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    }


def test_every_route_has_an_entry_and_every_entry_a_route():
    app = create_app(site_settings("sqlite:///unused.db"), clock=FixedClock(), stop=lambda: None)
    assert routes(app) == set(MATRIX)


@pytest.fixture(scope="module")
def service(furnished, tmp_path_factory):
    """One running service for all: these tests only read, and acme's one record is the same for each."""
    path = tmp_path_factory.mktemp("matrix") / "issuer.db"
    shutil.copyfile(furnished / "issuer.db", path)
    path.chmod(0o600)
    limits = {"key_rate_per_minute": 100_000, "refused_rate_per_minute": 100_000}
    edge = create_service(site_settings(f"sqlite:///{path}", **limits), clock=FixedClock())
    with TestClient(edge, base_url=PUBLIC_URL) as client:
        yield client


@pytest.fixture(scope="module")
def names(service):
    """Values for the paths that lead to something of acme's."""
    record = posted(model_id="model-1")
    credential = service.post("/api/v1/telemetry", content=record, headers=JSON).json()
    entry = credential["credentialStatus"]
    node = WindowNode()
    window = service.post("/api/v1/windows", content=node.zipped(node.records(1)), headers=HEADERS)
    assert window.status_code == 201, window.text
    return {
        "node_id": "node-7",
        "epoch": "1",
        "sequence": "0",
        "enrolment_id": "x",
        "digest": "x",
        "window": window.json()["credential"].rpartition("/")[2],
        "slug": "root",
        "inference_id": "inference-0",
        "model_id": "model-1",
        "credential": credential["id"].rpartition("/")[2],
        "list_id": entry["statusListCredential"].rpartition("/")[2],
        "name": "credential-v1.json",
    }


@pytest.fixture(scope="module")
def described(service):
    return service.get("/openapi").json()["paths"]


@pytest.fixture
def ask(service, names, described):
    """Send the least that a route takes: no body, or {}; see that the answer is one that /openapi promises."""

    def send(entry, headers, **params):
        method, template = entry
        content = b"{}" if method == "POST" else None
        body = described[template][method.lower()].get("requestBody", {"content": JSON})["content"]
        headers = {"content-type": next(iter(body))} | headers if content else headers
        answer = service.request(method, template.format(**names), params=params, content=content, headers=headers)
        promised = described[template][method.lower()]["responses"][str(answer.status_code)]
        assert answer.headers["content-type"].partition(";")[0] in promised["content"]
        return answer

    return send


@pytest.mark.parametrize("entry", KEYED, ids=" ".join)
def test_without_a_key_nobody_passes(ask, entry):
    answer = ask(entry, {})
    assert answer.status_code == 401
    assert problem(answer) == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Bearer")


_WRONG = {
    "a key that nobody has": f"Bearer {render_key(bytes(32))}",
    "another scheme": "Basic YWxhZGRpbjpvcGVuc2VzYW1l",
    "no scheme": api_key("acme", "admin"),
    "a JWT without a signature": "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6ImFkbWluIn0.",
    "a longer key": f"Bearer {api_key('acme', 'admin')}A",
    "a shorter key": f"Bearer {api_key('acme', 'admin')[:-1]}",
    "two keys": f"Bearer {api_key('acme', 'admin')}, Bearer {api_key('acme', 'admin')}",
    "the key's id": "Bearer acme-admin",
    "nothing": "Bearer ",
}


@pytest.mark.parametrize(("entry", "wrong"), list(itertools.product(KEYED, sorted(_WRONG))), ids=str)
def test_a_wrong_key_does_not_pass(ask, entry, wrong):
    answer = ask(entry, {"authorization": _WRONG[wrong]})
    assert answer.status_code == 401
    assert problem(answer) == "UNAUTHENTICATED"


_MISFITS = [(entry, scope) for entry in KEYED for scope in SCOPES if scope not in {MATRIX[entry], "admin"}]


@pytest.mark.parametrize(("entry", "scope"), _MISFITS, ids=str)
def test_a_key_without_the_scope_is_forbidden(ask, entry, scope):
    answer = ask(entry, bearer("acme", scope))
    assert answer.status_code == 403
    assert problem(answer) == "FORBIDDEN"


@pytest.mark.parametrize("entry", KEYED, ids=" ".join)
@pytest.mark.parametrize("admin", [False, True])
def test_the_right_key_passes(ask, entry, admin):
    answer = ask(entry, bearer("acme", "admin" if admin else MATRIX[entry]))
    # A body of {} passes the guard and is then malformed.
    assert answer.status_code == (400 if entry[0] == "POST" else 200), answer.text


@pytest.mark.parametrize("entry", [entry for entry in KEYED if entry[0] == "GET"], ids=" ".join)
def test_another_tenants_key_sees_nothing_of_acme(ask, entry):
    answer = ask(entry, bearer("umbra", MATRIX[entry]))
    assert answer.status_code in {200, 404}
    for trace in ("inference-0", "inference-1", "node-7", "acme"):
        # The problem repeats what was asked for; a list never does.
        assert answer.status_code == 404 or trace not in answer.text


@pytest.mark.parametrize("entry", [entry for entry in KEYED if entry[0] == "GET"], ids=" ".join)
def test_another_tenants_key_may_not_ask_for_acme(ask, entry):
    answer = ask(entry, bearer("umbra", "admin"), tenant="acme")
    assert answer.status_code == 403
    assert problem(answer) == "FORBIDDEN"


_FOREIGN = {
    "/api/v1/nodes": ("", {"node_id": "node-99", "tenant_id": "acme", "grid_region": "DEU", "tdp_w": 700, "jwk": {}}),
    "/credentials/issue": ("?tenant=acme", {"credential": {"type": ["VerifiableCredential"]}}),
    "/credentials/status": ("", {"credentialId": "?", "credentialStatus": {"type": "StatusList2021", "status": "1"}}),
}
"""For each route that changes something: what umbra would send to change something of acme's."""


def test_every_route_that_changes_something_has_a_case_of_another_tenant():
    assert set(_FOREIGN) == {path for method, path in KEYED if method != "GET"}


@pytest.mark.parametrize("path", sorted(_FOREIGN))
def test_another_tenants_key_changes_nothing_of_acme_s(service, names, path):
    query, body = _FOREIGN[path]
    if "credentialId" in body:
        body = body | {"credentialId": names["credential"]}
    answer = service.post(path + query, json=body, headers=bearer("umbra", "admin"))
    assert answer.status_code in {403, 404}, answer.text
    assert problem(answer) in {"FORBIDDEN", "NOT_FOUND"}
    nodes = service.get("/api/v1/nodes", headers=bearer("acme", "admin")).json()["items"]
    assert "node-99" not in {node["node_id"] for node in nodes}
    items = service.get("/api/v1/certificates", headers=bearer("acme", "read")).json()["items"]
    assert {item["status"] for item in items} == {"valid"}


@pytest.mark.parametrize("entry", OPENED, ids=" ".join)
def test_what_is_open_needs_no_key_and_minds_none(ask, entry):
    for headers in ({}, {"authorization": "Bearer wrong"}):
        answer = ask(entry, headers)
        # The name of a schema is no name of evidence, and the root issuer's document stands elsewhere.
        missing = entry[1].startswith(("/evidence/", "/enrolments/", "/issuers/"))
        assert answer.status_code == (404 if missing else 200), answer.text


@pytest.mark.parametrize("entry", PROVEN, ids=" ".join)
def test_an_administrators_key_replaces_no_proof(ask, entry):
    answer = ask(entry, bearer("all", "admin"))
    assert answer.status_code == 400
    problem(answer)


@pytest.mark.parametrize("entry", sorted(MATRIX), ids=" ".join)
@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_is_answered(service, entry, method):
    path = re.sub(r"\{\w+\}", "x", entry[1])
    answer = service.request(method, path, headers=bearer("all", "admin"))
    assert answer.status_code == 405
    answered = {written for written, template in MATRIX if template == entry[1]}
    assert set(answer.headers["allow"].split(", ")) == answered | ({"HEAD"} if "GET" in answered else set())
    assert "access-control-allow-origin" not in answer.headers
    assert answer.json()["detail"] == f"this path answers {answer.headers['allow']} only"


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/docs", "/schema", "/debug", "/admin", "/openapi/openapi.json", "/issuer.toml", "/keys", "/.env"],
)
def test_nothing_else_is_served(service, path):
    answer = service.get(path, headers=bearer("all", "admin"))
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


def test_a_route_without_an_access_rule_does_not_start():
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return ""

    with pytest.raises(TypeError, match="/forgotten"):
        _require_access(Litestar([forgotten], openapi_config=None))


def test_a_route_with_another_rule_than_ours_does_not_start():
    @get("/misspelt", sync_to_thread=False, opt={"access": "raed"})
    def misspelt() -> str:
        return ""

    with pytest.raises(TypeError, match="/misspelt"):
        _require_access(Litestar([misspelt], openapi_config=None))


def test_a_windows_credential_needs_no_key_and_minds_a_wrong_one(service, names):
    path = f"/credentials/{names['window']}"
    assert service.get(path).status_code == 200
    assert service.get(path, headers=bearer("umbra", "read")).status_code == 200
    assert service.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert service.get(path, headers=bearer("umbra", "issue")).status_code == 403


def test_every_access_rule_is_in_use():
    rules = {OPEN: Access.PUBLIC, SIGNED: Access.NODE_SIGNATURE, INVITED: Access.INVITE_TOKEN}
    used = {rules.get(rule, rule) for rule in MATRIX.values()}
    assert used | {Access.CAPABILITY} == set(Access)
