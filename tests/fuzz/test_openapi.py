"""Both OpenAPI documents against the services, by Schemathesis: what is documented is what is answered.

Requests are drawn from the document itself, as it allows and as it forbids. 400 and up with no 5xx, the documented
statuses, media types and schemas; what the document forbids is refused.
"""

import asyncio
import contextlib
import json
from http import HTTPStatus

import pytest
import requests
import schemathesis
import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes import site
from tests.fakes.issuer import posted
from tests.fakes.verifier import ENGINES, FixedClock, MemoryFetcher, World, presentation
from tests.fuzz.asgi import Request, ask, running
from tests.fuzz.targets_services import ASKED, REGISTRATION
from verifier.settings import Settings
from verifier.web.app import create_app

pytestmark = pytest.mark.timeout(300)


@schemathesis.serializer("application/x-ndjson")
def _lines(_context, value):
    """Send lines as they are: the document says no more of them than that they are text."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
_EXAMPLES = 20
WORLD = World()
_BASE = "https://oracle.example"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
_ANY_NUMBER = 1_000_000


class Service:
    """A running service with the document that it gives of itself, and the key that opens its routes."""

    def __init__(self, runner, app, key=None):
        self.key = key or {}
        self._runner = runner
        self._app = app
        self.document = json.loads(self.ask("GET", "/openapi").body)

    def ask(self, method, target, headers=None, body=b""):
        given_headers = {"host": "oracle.example", **(headers or {})}
        encoded = tuple((name.encode(), value.encode("latin-1")) for name, value in given_headers.items())
        return self._runner.run(ask(self._app, Request(method, target.encode("ascii"), encoded, body)))

    def call(self, case):
        """Send a case as Schemathesis would over the network, and return the answer as its checks read it."""
        prepared = requests.Request(**_without_session(case.as_transport_kwargs(_BASE, self.key))).prepare()
        body = prepared.body or b""
        answer = self.ask(
            prepared.method,
            prepared.path_url,
            {
                name.lower(): value if isinstance(value, str) else value.decode("latin-1")
                for name, value in prepared.headers.items()
            },
            body if isinstance(body, bytes) else body.encode(),
        )
        headers: dict[str, list[str]] = {}
        for name, value in answer.headers:
            headers.setdefault(name.decode().lower(), []).append(value.decode("latin-1"))
        return schemathesis.Response(
            status_code=answer.status,
            headers=headers,
            content=answer.body,
            request=prepared,
            elapsed=answer.seconds,
            verify=True,
            message=HTTPStatus(answer.status).phrase,
        )

    def check(self, mode, document=None):
        """Hold every operation of the document, or of another one, against what it answers."""
        schema = schemathesis.openapi.from_dict(document or self.document)
        for result in schema.get_all_operations():
            self._check(result.ok(), mode)

    def _check(self, operation, mode):
        @settings(
            max_examples=_EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(case=operation.as_strategy(mode))
        def try_one(case):
            case.validate_response(self.call(case), checks=_CHECKS)

        # Where there is nothing to send, or any text will do, nothing can be wrong.
        with contextlib.nullcontext() if operation.body or operation.query else contextlib.suppress(Unsatisfiable):
            try_one()


def _without_session(values):
    return {name: value for name, value in values.items() if name in requests.Request().__dict__ and name != "hooks"}


@contextlib.contextmanager
def _served(app, key=None):
    with asyncio.Runner() as runner, structlog.testing.capture_logs() as logs:
        life = running(app)
        runner.run(life.__aenter__())
        try:
            yield Service(runner, app, key)
        finally:
            runner.run(life.__aexit__(None, None, None))
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    url = f"sqlite:///{folder / 'issuer.db'}"
    site.furnish_in_a_thread(url, folder)
    rates = dict.fromkeys(("key_rate_per_minute", "node_rate_per_minute", "refused_rate_per_minute"), _ANY_NUMBER)
    built = site.build(site.site_settings(url, **rates))
    with _served(built.service, site.bearer("acme", "admin")) as service:
        for number in range(3):
            record = posted(inference_id=f"inference-{number}")
            assert service.ask("POST", "/api/v1/telemetry", site.JSON, record).status == 201
        yield service


@pytest.fixture(scope="module")
def verifier():
    fetcher = MemoryFetcher(WORLD.served())
    app = create_app(Settings(rate_per_minute=0), fetcher=fetcher, engines=ENGINES, clock=FixedClock())
    with _served(app) as service:
        yield service


@pytest.fixture(params=["issuer", "verifier"])
def service(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_documented_is_what_is_answered(service, mode):
    service.check(mode)


def _good_of_the_issuer(service):
    """Return for each operation what it answers with success: what no chance would draw."""
    credential = json.loads(service.ask("GET", "/api/v1/certificate/inference-0/vc", service.key).body)
    (evidence,) = credential["evidence"]
    last = {name: url.rpartition("/")[2] for name, url in credential["credentialStatus"].items()}
    inference = {"path_parameters": {"inference_id": "inference-0"}}
    change = {
        "credentialId": credential["id"],
        "credentialStatus": [{"type": "StatusList2021Entry", "statusPurpose": "suspension", "status": "1"}],
    }
    return {
        "GET /api/v1/certificate/{inference_id}": inference,
        "GET /api/v1/certificate/{inference_id}/vc": inference,
        "GET /api/v1/certificates": {"query": {"limit": 1}},
        "GET /api/v1/model/{model_id}/emissions": {"path_parameters": {"model_id": "llama"}},
        "GET /api/v1/compliance/export": {},
        "GET /api/v1/compliance/esrs": {"query": {"period": "2026-11", "granularity": "day", "per": "model"}},
        "GET /credentials/{credential}": {"path_parameters": {"credential": credential["id"].rpartition("/")[2]}},
        "GET /evidence/{name}": {"path_parameters": {"name": evidence["digestMultibase"]}},
        "GET /schemas/{name}": {"path_parameters": {"name": "credential-v1.json"}},
        "GET /status/revocation/{list_id}": {"path_parameters": {"list_id": last["statusListCredential"]}},
        "GET /status/suspension/{list_id}": {"path_parameters": {"list_id": last["suspensionListCredential"]}},
        "POST /api/v1/telemetry": {"body": json.loads(posted(inference_id="inference-0"))},
        "POST /api/v1/nodes": {"body": {**REGISTRATION, "node_id": "node-71"}},
        "POST /credentials/issue": {"body": {"credential": ASKED}},
        "POST /credentials/status": {"body": change},
    }


def _good_of_the_verifier(service):
    credential = WORLD.credential()
    options = {"challenge": "c-1", "domain": "audit.example"}
    return {
        "GET /healthz": {},
        "POST /challenges": {"body": {"domain": "audit.example"}},
        "POST /credentials/verify": {"body": {"verifiableCredential": credential}},
        "POST /presentations/verify": {
            "body": {"verifiablePresentation": presentation(credential), "options": options}
        },
    }


@pytest.mark.parametrize(("name", "good"), [("issuer", _good_of_the_issuer), ("verifier", _good_of_the_verifier)])
def test_success_is_answered_as_documented(request, name, good):
    service = request.getfixturevalue(name)
    schema = schemathesis.openapi.from_dict(service.document)
    operations = {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}
    for label, parts in good(service).items():
        body = {"media_type": "application/json"} if "body" in parts else {}
        case = operations[label].Case(**parts, **body)
        answer = service.call(case)
        assert answer.status_code < 300, (label, answer.content)
        case.validate_response(answer, checks=_CHECKS)


def test_a_status_that_is_not_documented_is_found(verifier):
    altered = json.loads(json.dumps(verifier.document))
    del altered["paths"]["/credentials/verify"]["post"]["responses"]["400"]
    with pytest.raises(FailureGroup):
        verifier.check(GenerationMode.POSITIVE, altered)


def test_an_undocumented_method_is_not_allowed_and_the_allowed_ones_are_named(service):
    for path, operations in service.document["paths"].items():
        documented = {method.upper() for method in operations} & set(_METHODS)
        target = path.replace("{", "").replace("}", "")
        for method in set(_METHODS) - documented:
            answer = service.ask(method, target, service.key)
            assert answer.status == 405, (method, path, answer)
            allowed = {name.strip() for name in answer.header(b"allow").decode().split(",")}
            assert allowed - {"HEAD"} == documented, (method, path, answer.header(b"allow"))


def test_each_example_of_the_document_fits_its_own_schema(service):
    schema = schemathesis.openapi.from_dict(service.document)
    schema.validate()
