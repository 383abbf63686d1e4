"""What the running service remembers: status lists, what it fetched, and the challenges it gave out."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from litestar.testing import TestClient

from tests.fakes.verifier import (
    ENGINES,
    INDEX,
    LISTS,
    NOW,
    FixedClock,
    MemoryFetcher,
    World,
    fetched,
    presentation,
    put,
)
from verifier.settings import Settings
from verifier.web.app import create_app

LATER = "2026-11-20T20:30:00Z"


class Opened:
    """A service over a world that may change, and the clock that it reads."""

    def __init__(self, **settings):
        self.clock = FixedClock()
        self.fetcher = MemoryFetcher(World().served())
        self.application = create_app(Settings(**settings), fetcher=self.fetcher, engines=ENGINES, clock=self.clock)
        self.client = TestClient(self.application, raise_server_exceptions=False)

    def credential(self, value):
        return self.client.post("/credentials/verify", json={"verifiableCredential": value}).json()

    def presentation(self, value, **options):
        body = {"verifiablePresentation": value, "options": options}
        return self.client.post("/presentations/verify", json=body)

    def challenge(self, **body):
        return self.client.post("/challenges", json=body).json()


@pytest.fixture
def open_service():
    opened = []

    def make(**settings):
        service = Opened(**settings)
        service.client.__enter__()
        opened.append(service)
        return service

    yield make
    for service in opened:
        service.client.__exit__(None, None, None)


def revoked_later():
    world = World(bits={"revocation": {INDEX}})
    later = world.status_list("revocation", put("issuanceDate", LATER), created=LATER)
    world.overrides[LISTS["revocation"]] = fetched(LISTS["revocation"], later)
    return world.served()


# --- status lists --------------------------------------------------------------------------------------------


def test_a_revocation_that_was_seen_once_is_not_hidden_by_an_older_list(open_service):
    service, value = open_service(fetch_cache_s=0), World().credential()
    assert service.credential(value)["outcome"] == "verified"
    service.fetcher.documents |= revoked_later()
    assert service.credential(value)["problemDetails"][0]["type"].endswith("#REVOKED")
    service.fetcher.documents |= World().served()
    answer = service.credential(value)
    assert answer["problemDetails"][0]["type"].endswith("#REVOKED")
    assert any(warned["type"].endswith("#STATUS_ROLLED_BACK") for warned in answer["warnings"])
    del service.fetcher.documents[LISTS["revocation"]]
    assert service.credential(value)["problemDetails"][0]["type"].endswith("#REVOKED")


def test_with_a_state_folder_the_next_process_remembers_too(open_service, tmp_path):
    value = World().credential()
    first = open_service(fetch_cache_s=0, state_dir=str(tmp_path))
    first.fetcher.documents |= revoked_later()
    first.credential(value)
    second = open_service(fetch_cache_s=0, state_dir=str(tmp_path))
    assert second.credential(value)["outcome"] == "refused"


def test_what_was_fetched_is_used_again_for_a_while(open_service):
    service, value = open_service(), World().credential()
    for _ in range(3):
        answer = service.credential(value)
    assert len(service.fetcher.asked) == len(set(service.fetcher.asked)) == 5
    assert {used["origin"] for used in answer["report"]["evidence"]} == {"cache"}


# --- challenges ----------------------------------------------------------------------------------------------


def problem_of(answer):
    return answer.json()["problemDetails"][0]["type"].rpartition("#")[2]


def test_a_challenge_is_given_out_with_its_end_and_counts_once(open_service):
    service = open_service()
    answer = service.client.post("/challenges")
    given = answer.json()
    assert answer.status_code == 201
    assert set(given) == {"challenge", "expires"}
    assert given["expires"] == "2026-11-20T21:05:00Z"
    value = presentation(World().credential(), challenge=given["challenge"])
    first = service.presentation(value, challenge=given["challenge"], domain="audit.example")
    again = service.presentation(value, challenge=given["challenge"], domain="audit.example")
    assert (first.status_code, first.json()["verified"]) == (200, True)
    assert (again.status_code, problem_of(again)) == (400, "REPLAY")
    assert "used before" in again.json()["errors"][0]


def test_a_challenge_is_used_up_by_a_presentation_that_is_refused(open_service):
    service = open_service()
    challenge = service.challenge()["challenge"]
    unsigned = {name: part for name, part in presentation(World().credential()).items() if name != "proof"}
    assert problem_of(service.presentation(unsigned, challenge=challenge)) == "NO_PROOF"
    good = presentation(World().credential(), challenge=challenge)
    assert problem_of(service.presentation(good, challenge=challenge)) == "REPLAY"


def test_a_challenge_that_was_not_given_out_or_has_expired_is_refused(open_service):
    service = open_service(challenge_s=60)
    for challenge, later in (("gcv_" + "A" * 32, 0), (service.challenge()["challenge"], 60)):
        service.clock.now = NOW + timedelta(seconds=later)
        value = presentation(World().credential(), challenge=challenge)
        assert problem_of(service.presentation(value, challenge=challenge)) == "INVALID_CHALLENGE_ERROR"


def test_a_challenge_for_a_domain_holds_the_presentation_to_it(open_service):
    service, credential = open_service(), World().credential()

    def presented(signed_for, **options):
        given = service.challenge(domain="audit.example")
        assert given["domain"] == "audit.example"
        value = presentation(credential, challenge=given["challenge"], domain=signed_for)
        return service.presentation(value, challenge=given["challenge"], **options)

    assert presented("audit.example").status_code == 200
    assert presented("audit.example", domain="audit.example").status_code == 200
    assert problem_of(presented("evil.example")) == "INVALID_DOMAIN_ERROR"
    assert problem_of(presented("evil.example", domain="evil.example")) == "INVALID_DOMAIN_ERROR"


def test_two_at_once_do_not_both_get_through(open_service):
    service = open_service()
    challenge = service.challenge()["challenge"]
    value = presentation(World().credential(), challenge=challenge)
    together = threading.Barrier(2)

    def submit(_):
        together.wait(10)
        return service.presentation(value, challenge=challenge).status_code

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(submit, range(2))) == [200, 400]


def test_two_services_over_one_state_folder_share_their_challenges(open_service, tmp_path):
    one, other = (open_service(state_dir=str(tmp_path)) for _ in range(2))
    challenge = one.challenge()["challenge"]
    value = presentation(World().credential(), challenge=challenge)
    assert other.presentation(value, challenge=challenge).status_code == 200
    assert problem_of(one.presentation(value, challenge=challenge)) == "REPLAY"


def test_a_challenge_of_the_callers_own_is_the_callers_to_keep_account_of(open_service):
    service = open_service()
    value = presentation(World().credential())
    for _ in range(2):
        assert service.presentation(value, challenge="c-1", domain="audit.example").status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 201),
        (b"", {"content-type": "application/json"}, 201),
        (b"{}", {"content-type": "application/json"}, 201),
        (b"{}", {}, 415),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"[]", {"content-type": "application/json"}, 400),
        (b'{"domian": "audit.example"}', {"content-type": "application/json"}, 400),
        (b'{"domain": ""}', {"content-type": "application/json"}, 400),
        (b'{"domain": 7}', {"content-type": "application/json"}, 400),
        (json.dumps({"domain": "x" * 257}).encode(), {"content-type": "application/json"}, 400),
        (json.dumps({"domain": "x" * 5000}).encode(), {"content-type": "application/json"}, 413),
    ],
)
def test_what_is_no_request_for_a_challenge_is_refused(open_service, content, headers, status):
    answer = open_service().client.post("/challenges", content=content, headers=headers)
    assert answer.status_code == status
    assert (answer.headers["content-type"] == "application/problem+json") is (status != 201)


def test_the_openapi_document_describes_challenges(open_service):
    operation = open_service().client.get("/openapi").json()["paths"]["/challenges"]["post"]
    assert "domain" in operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
