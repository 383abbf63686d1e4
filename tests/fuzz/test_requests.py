"""Ten thousand hostile requests to both services: each is answered, and in the end the services still do their work.

The requests come from a seed (FUZZ_SEED gives another one, FUZZ_REQUESTS another number), and a failure shows the
request whole. ``pytest -s`` shows what was answered, by status and problem.
"""

import asyncio
import json
import os
import random
import secrets
import shutil
from collections import Counter
from itertools import count

import pytest
import structlog

from contexts import green_compute
from issuer import enrolment
from issuer.node_details import NodeDetails
from issuer.store import Store
from tests.fakes import site
from tests.fakes.issuer import START, body, node_signer, posted
from tests.fakes.verifier import ENGINE, FixedClock, MemoryFetcher, World, presentation, put
from tests.fuzz.asgi import Request, ask, running
from tests.fuzz.requests import broken, hostile_credential, hostile_enrolment, hostile_record
from tests.fuzz.targets_formats import credentials, documents
from tests.fuzz.targets_services import ASKED, REGISTRATION, STATUS_CHANGE
from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess, Limits
from verifier.settings import Settings
from verifier.web.app import create_app

# Ten thousand take half a minute of a core; a busy machine may give less of one.
pytestmark = pytest.mark.timeout(600)

SEED = int(os.environ.get("FUZZ_SEED", "20261120"))
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "10000"))
_SLOWEST_S = 5.0
# A presentation may hold hundreds of credentials, and each is judged.
_SLOWEST_BYTE_S = 1 / 50_000
_ANY_NUMBER = 1_000_000
_PROBLEM = b"application/problem+json"
_JSON = (b"content-type", b"application/json")
_HOST = (b"host", b"oracle.example")
_FIRST_PARSE = frozenset(
    {"PARSING_ERROR", "UNSUPPORTED_MEDIA_TYPE", "NOT_FOUND", "METHOD_NOT_ALLOWED", "HOST_REFUSED", "BAD_REQUEST"}
    | {"MALFORMED_REQUEST", "UNAUTHENTICATED", "RESOURCE_LIMIT", "MALFORMED_VALUE_ERROR"}
)


class Tally:
    """What the answers were, and what is wrong with any of them."""

    def __init__(self):
        self.outcomes = Counter()
        self.posts = 0
        self.past_the_first_parse = 0

    def add(self, request, answer):
        name = _judged(request, answer)
        self.outcomes[answer.status, name] += 1
        if request.method == "POST" and request.body:
            self.posts += 1
            self.past_the_first_parse += name not in _FIRST_PARSE

    @property
    def problems(self):
        return {name for _, name in self.outcomes if name}

    def __str__(self):
        lines = [f"{number:6} {status} {name}" for (status, name), number in self.outcomes.most_common()]
        return "\n".join([*lines, f"{self.past_the_first_parse} of {self.posts} bodies passed the first parse"])


def _judged(request, answer):
    """Return the name of the problem answered, empty for none, having seen that the answer is one we may give."""
    shown = f"{answer.status} {answer.body[:600]!r} to {request.shown()}"
    assert answer.complete, f"half an answer: {shown}"
    assert answer.status < 500 or (answer.status == 503 and answer.header(b"retry-after")), shown
    assert answer.seconds < _SLOWEST_S + len(request.body) * _SLOWEST_BYTE_S, f"{answer.seconds:.1f} s for {shown}"
    assert answer.header(b"x-content-type-options") == b"nosniff", shown
    assert answer.header(b"referrer-policy"), shown
    assert answer.header(b"content-security-policy"), shown
    assert answer.header(b"cache-control"), shown
    assert b"Traceback" not in answer.body, shown
    if answer.status < 400:
        return ""
    if request.method == "HEAD":
        assert not answer.body, shown
        return "(HEAD)"
    document = answer.json()
    if "verified" in document:
        assert document["verified"] is False, shown
        assert document["problemDetails"], shown
        return document["problemDetails"][0]["type"].rpartition("#")[2]
    assert answer.header(b"content-type").startswith(_PROBLEM), shown
    assert {"type", "title", "status", "detail"} <= document.keys(), shown
    assert document["status"] == answer.status, shown
    assert document["type"].startswith("https://"), shown
    assert document["detail"], shown
    return document["type"].rpartition("#")[2]


async def _fuzz(app, number, draw, others):
    generator, tally = random.Random(SEED), Tally()
    for _ in range(number):
        request = broken(generator, draw(generator), others)
        try:
            answer = await ask(app, request, pieces=generator.choice((1, 1, 1, 3)))
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}, at {request.shown()}") from error
        tally.add(request, answer)
    return tally


def _encoded(value):
    return json.dumps(value).encode()


def _post(path, content, *headers):
    return Request("POST", path, (_HOST, _JSON, *headers), content)


def _get(path, *headers):
    return Request("GET", path, (_HOST, *headers))


def _key(tenant, scope):
    return (b"authorization", site.bearer(tenant, scope)["authorization"].encode())


# --- the issuer --------------------------------------------------------------------------------------------


@pytest.fixture
def site_url(tmp_path):
    """A furnished database with three invitations, and their tokens."""
    site.furnish_in_a_thread(f"sqlite:///{tmp_path / 'first.db'}", tmp_path)
    shutil.copyfile(tmp_path / "first.db", tmp_path / "issuer.db")
    (tmp_path / "issuer.db").chmod(0o600)
    return f"sqlite:///{tmp_path / 'issuer.db'}"


async def _invited(url, number):
    store = Store.open(url)
    tokens = []
    for index in range(number):
        details = NodeDetails(node_id=f"node-{100 + index}", tenant_id="acme", grid_region="DEU", tdp_w=700)
        tokens.append(await enrolment.invite(store, details, START, secrets.token_bytes))
    await store.close()
    return tokens


async def _issued(app):
    """Return the paths of one issued credential and all that belongs to it."""
    answer = await ask(app, _post(b"/api/v1/telemetry", posted(inference_id="first")))
    assert answer.status == 201, answer.body
    credential = answer.json()
    (evidence,) = credential["evidence"]
    status = credential["credentialStatus"]
    urls = (credential["id"], evidence["id"], status["statusListCredential"], status["suspensionListCredential"])
    return [url.removeprefix("https://oracle.example").encode() for url in urls]


def _issuer_requests(paths, tokens):
    numbers = count()
    public = [b"/", b"/healthz", b"/openapi", b"/.well-known/did.json", b"/contexts/v1", b"/schemas/credential-v1.json"]
    kept = [
        b"/api/v1/certificate/first?alg=ES256",
        b"/api/v1/certificate/first/vc",
        b"/api/v1/certificates?limit=2&node_id=node-7&since=2026-11-20",
        b"/api/v1/emissions?model_id=meta-llama/Llama-3.1-70B-Instruct&until=2027-01-01T00:00:00Z",
        b"/api/v1/model/llama/emissions?since=2026-01-01",
        b"/api/v1/compliance/export?since=2026-01-01&until=2027-01-01",
        paths[0],
    ]
    change = {**STATUS_CHANGE, "credentialId": "https://oracle.example" + paths[0].decode()}

    def draw(generator):
        number = next(numbers)
        match generator.randrange(12):
            case 0:
                return _get(generator.choice(public + paths[1:]), (b"if-none-match", b'"x"'))
            case 1 | 2:
                return _get(generator.choice(kept), _key(*generator.choice((("acme", "read"), ("all", "read")))))
            case 3:
                return _post(b"/api/v1/telemetry", posted(inference_id=f"i-{number}"))
            case 4 | 5 | 6:
                record = body(inference_id=f"h-{number}", gpu_utilization="87")
                return _post(b"/api/v1/telemetry", hostile_record(generator, record))
            case 7 | 8:
                who = generator.choice((b"", b"?tenant=acme"))
                return _post(b"/credentials/issue" + who, _encoded({"credential": ASKED}), _key("acme", "issue"))
            case 9:
                return _post(b"/credentials/status", _encoded(change), _key("acme", "status"))
            case 10:
                node = REGISTRATION | {"node_id": f"node-{number + 1000}"}
                return _post(
                    b"/api/v1/nodes", _encoded(node), _key(*generator.choice((("all", "admin"), ("umbra", "admin"))))
                )
            case _:
                index = generator.randrange(len(tokens))
                return _post(b"/api/v1/nodes/enrol", hostile_enrolment(generator, tokens[index], 100 + index))

    return draw


def test_the_issuer_answers_whatever_it_is_sent(site_url):
    settings = site.site_settings(
        site_url,
        key_rate_per_minute=_ANY_NUMBER,
        node_rate_per_minute=_ANY_NUMBER,
        refused_rate_per_minute=_ANY_NUMBER,
    )

    async def run():
        tokens = await _invited(site_url, 3)
        async with running(site.build(settings).service) as app:
            paths = await _issued(app)
            tally = await _fuzz(
                app, REQUESTS * 6 // 10, _issuer_requests(paths, tokens), [*credentials(), *documents()]
            )
            health = await ask(app, _get(b"/healthz"))
            good = await ask(app, _post(b"/api/v1/telemetry", posted(inference_id="last")))
            again = await ask(app, _get(b"/api/v1/certificate/last/vc", _key("acme", "read")))
        return tally, health, good, again

    with structlog.testing.capture_logs() as logs:
        tally, health, good, again = asyncio.run(run())
    print(f"issuer, seed {SEED}:\n{tally}")
    assert health.json() == {"status": "ok"}
    assert (good.status, again.status) == (201, 200)
    assert again.body == good.body
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]
    assert len(tally.problems) >= (22 if REQUESTS >= 10_000 else 10)
    assert tally.past_the_first_parse > tally.posts / 3


# --- the verifier ------------------------------------------------------------------------------------------

WORLD = World()


def _verifier_requests():
    # By its URL: with our context inline, most edits would hit that and be refused for it.
    good = [WORLD.credential(put("@context.3", green_compute.URL)) for _ in range(4)]
    credential = [_encoded({"verifiableCredential": value, "options": {"allowSimulated": True}}) for value in good]
    shown = [
        _encoded(
            {"verifiablePresentation": presentation(value), "options": {"challenge": "c-1", "domain": "audit.example"}}
        )
        for value in good
    ]
    foreign = [_encoded({"verifiableCredential": json.loads(raw)}) for raw in documents()]

    def draw(generator):
        match generator.randrange(10):
            case 0:
                return _get(generator.choice((b"/", b"/healthz", b"/openapi", b"/page.js", b"/page.css")))
            case 1:
                return _post(b"/challenges", b'{"domain": "audit.example"}')
            case 2 | 3:
                return _post(b"/presentations/verify", generator.choice(shown))
            case 4:
                return _post(b"/credentials/verify", generator.choice(foreign))
            case 5 | 6:
                return _post(b"/credentials/verify", hostile_credential(generator, WORLD))
            case _:
                return _post(b"/credentials/verify", generator.choice(credential))

    return draw


def test_the_verifier_answers_whatever_it_is_sent():
    # In this process, with what the service's workers allow.
    engines = Engines(closed=ENGINE, general=InProcess(limits=Limits(max_quads=20_000)))
    fetcher = MemoryFetcher(WORLD.served())
    settings = Settings(rate_per_minute=0)

    async def run():
        async with running(create_app(settings, fetcher=fetcher, engines=engines, clock=FixedClock())) as app:
            tally = await _fuzz(app, REQUESTS * 4 // 10, _verifier_requests(), [*credentials(), *documents()])
            health = await ask(app, _get(b"/healthz"))
            request = _encoded({"verifiableCredential": WORLD.credential()})
            good = await ask(app, _post(b"/credentials/verify", request))
        return tally, health, good

    with structlog.testing.capture_logs() as logs:
        tally, health, good = asyncio.run(run())
    print(f"verifier, seed {SEED}:\n{tally}")
    assert health.json() == {"status": "ok"}
    assert good.json()["verified"] is True
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]
    assert len(tally.problems) >= (20 if REQUESTS >= 10_000 else 10)
    assert tally.past_the_first_parse > tally.posts / 3


def test_the_key_of_the_fuzzed_node_is_the_registered_one():
    assert node_signer(7).public_key.thumbprint_uri == site.node(7).key_uri
