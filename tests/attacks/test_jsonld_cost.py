"""Rows VJ043 to VJ053: documents made to cost. The gate stops most; what passes it meets workers that can be killed."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from litestar.testing import TestClient

from contexts import pinned
from tests.attacks.catalogue import attack, of_call, of_report
from tests.attacks.edits import EVIDENCE, FOREIGN, GOOD, WORLD, encoded, put_into, raw
from tests.fakes.documents import clique, ring
from tests.fakes.verifier import ENGINE, NOW, FixedClock, MemoryFetcher, edited, judge_presentation, presentation, put
from verifier import document
from verifier.case import Engines
from verifier.rdf.worker import WorkerLimits, WorkerPool
from verifier.settings import Settings
from verifier.verify import verify_credential
from verifier.web.app import create_app

# --- what costs too much -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(size=1) as opened:
        opened.canonicalize({"@context": pinned.CREDENTIALS_V1, "type": "VerifiableCredential"})
        yield opened


def poisoned(pool, value):
    """The verdict on a stranger's document that passed the gate, by the workers."""
    engines = Engines(closed=ENGINE, general=pool)
    parsed = document.parse(json.dumps(value).encode())
    return of_report(verify_credential(parsed, EVIDENCE, WORLD.policy, NOW, engines=engines))


def nodes(graph):
    return {"id": "urn:x:poison", "https://example.org/p": graph["@graph"]}


def test_a_strangers_good_document_passes_the_same_workers(pool):
    assert poisoned(pool, FOREIGN).meets("accept")


@attack("VJ043", "reject:RESOURCE_LIMIT")
@pytest.mark.parametrize("size", [8, 9, 10])
def test_a_clique_of_blank_nodes_has_a_budget(pool, expected, size):
    expected.met_by(poisoned(pool, edited(FOREIGN, put("evidence", nodes(clique(size))))))


@attack("VJ045", "reject:RESOURCE_LIMIT")
def test_a_ring_of_blank_nodes_has_a_budget(pool, expected):
    expected.met_by(poisoned(pool, edited(FOREIGN, put("evidence", nodes(ring(200))))))


def nested(levels, opening, closing):
    return raw(encoded()[:-1] + b', "evidence": ' + opening * levels + b"1" + closing * levels + b"}")


@attack("VJ046", "reject:RESOURCE_LIMIT")
def test_a_hundred_anonymous_objects_are_too_deep(expected):
    for levels in (17, 100, 300):
        expected.met_by(nested(levels, b'{"gc:p":', b"}"), nested(levels, b'{"gc:p":[', b"]}"))


@attack("VJ047", "reject:RESOURCE_LIMIT")
def test_a_hundred_graph_containers_are_too_deep(expected):
    expected.met_by(nested(100, b'{"@graph":', b"}"), nested(100, b'{"verifiableCredential":', b"}"))


@attack("VJ048", "reject:RESOURCE_LIMIT")
def test_four_thousand_objects_are_refused_before_any_engine(expected):
    expected.met_by(nested(4_000, b'{"a":', b"}"), nested(4_000, b'{"a":', b""))


@attack("VJ049", "reject:RESOURCE_LIMIT")
def test_a_hundred_thousand_arrays_are_refused_by_their_bytes(expected):
    expected.met_by(
        nested(100_000, b"[", b"]"), nested(100_000, b"[", b""), raw(b"[" * 100_000), raw(b'{"a":[' + b"[" * 99_999)
    )


@attack("VJ050", "reject:RESOURCE_LIMIT")
def test_ten_thousand_nodes_a_megabyte_and_five_thousand_members_are_too_many(expected):
    many = [{"id": f"urn:x:{number}", "type": "urn:x:T"} for number in range(10_000)]
    members = {f"urn:x:{number}": "x" for number in range(5_000)}
    expected.met_by(
        raw(encoded(edited(FOREIGN, put("evidence", many)))),
        raw(encoded(edited(FOREIGN, put("evidence", members)))),
        raw(encoded(edited(GOOD, put("evidence", members)))),
        raw(encoded(GOOD) + b" " * 1_000_000),
    )


@attack("VJ051", "reject:RESOURCE_LIMIT")
def test_poison_in_a_member_that_nothing_maps_is_found_all_the_same(expected):
    text = encoded(FOREIGN)[:-1]
    expected.met_by(
        raw(text + b', "unmapped": ' + b'{"a":' * 100 + b"1" + b"}" * 101),
        raw(text + b', "unmapped": ' + b"[" * 5_000),
        raw(text + b', "unmapped": ' + json.dumps({str(number): 1 for number in range(5_000)}).encode() + b"}"),
        raw(text + b', "unmapped": "' + b"x" * 600_000 + b'"}'),
    )


def test_a_clique_in_a_member_that_nothing_maps_is_refused_without_a_search(pool):
    value = edited(FOREIGN, put("unmapped", clique(10)["@graph"]))
    assert poisoned(pool, value).meets("reject:UNSIGNED_CLAIM")


@attack("VJ052", "reject:RESOURCE_LIMIT")
def test_poison_in_the_proofs_options_has_the_same_budget(pool, expected):
    for name in ("domain", "challenge", "nonce"):
        expected.met_by(poisoned(pool, edited(FOREIGN, put(f"proof.{name}", clique(10)["@graph"]))))
    text = encoded(FOREIGN)
    expected.met_by(
        raw(text.replace(b'"proof": {', b'"proof": {"domain": ' + b'{"a":' * 20 + b"1" + b"}" * 20 + b", "))
    )


@attack("VJ053", "reject:RESOURCE_LIMIT")
def test_a_literal_of_five_megabytes_is_not_read(expected):
    long = "x" * 5_000_000
    shown = presentation(GOOD)
    expected.met_by(
        raw(encoded(edited(GOOD, put("credentialSubject.modelId", long)))),
        raw(encoded(edited(FOREIGN, put_into("credentialSubject", "modelId", long)))),
        of_call(lambda: document.parse_presentation(encoded(edited(shown, put("holder", long))))),
        of_call(lambda: judge_presentation(WORLD, edited(shown, put("verifiableCredential.0.issuer", long)))),
    )


class Announced:
    """The workers, and an event that says that a document has come to them."""

    def __init__(self, pool):
        self._pool = pool
        self.begun = threading.Event()

    def canonicalize(self, document):
        self.begun.set()
        return self._pool.canonicalize(document)


def test_the_service_answers_others_while_poison_is_chewed():
    """The budget of steps is lifted, so that the worker is busy until its CPU time is spent and it is killed."""
    poison = edited(FOREIGN, put("evidence", nodes(clique(9))))
    with WorkerPool(size=2, limits=WorkerLimits(cpu_s=1.5, max_steps=10**15)) as busy, ThreadPoolExecutor(1) as thread:
        engine = Announced(busy)
        application = create_app(
            Settings(),
            fetcher=MemoryFetcher(WORLD.served()),
            engines=Engines(closed=ENGINE, general=engine),
            clock=FixedClock(),
        )
        with TestClient(application) as client:
            chewed = thread.submit(client.post, "/credentials/verify", json={"verifiableCredential": poison})
            assert engine.begun.wait(30)
            others = [client.get("/healthz"), client.post("/credentials/verify", json={"verifiableCredential": GOOD})]
            assert not chewed.done()
            assert [answer.status_code for answer in others] == [200, 200]
            assert of_report_in(chewed.result()) == "RESOURCE_LIMIT"
            stranger = client.post("/credentials/verify", json={"verifiableCredential": FOREIGN})
            assert stranger.status_code == 200


def of_report_in(answer):
    return answer.json()["report"]["problem"]
