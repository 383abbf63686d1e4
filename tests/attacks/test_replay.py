"""Presentations (P2) that were made for another time, another session or another verifier."""

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from multiprocessing import get_context

import pytest
from litestar.testing import TestClient

from tests.attacks.catalogue import Outcome, attack
from tests.attacks.shown import GOOD, SHOWN, WORLD, changed, shown, verdict
from tests.fakes.verifier import ENGINES, NOW, FixedClock, MemoryFetcher, edited, presentation, put
from verifier.presentation import Standing
from verifier.settings import Settings
from verifier.verify import Expectation
from verifier.web.app import create_app
from verifier.web.challenges import Challenges


class Service:
    """The verifier over HTTP, with a clock that can be set."""

    def __init__(self, stack, **settings):
        self.clock = FixedClock()
        fetcher = MemoryFetcher(WORLD.served())
        application = create_app(Settings(**settings), fetcher=fetcher, engines=ENGINES, clock=self.clock)
        self._client = stack.enter_context(TestClient(application, raise_server_exceptions=False))

    def challenge(self, **body):
        return self._client.post("/challenges", json=body).json()["challenge"]

    def present(self, value, **options):
        answer = self._client.post(
            "/presentations/verify", json={"verifiablePresentation": value, "options": options}
        ).json()
        if "verified" not in answer:
            return Outcome("reject", answer["type"].rpartition("#")[2])
        kind = {"verified": "accept", "refused": "reject"}.get(answer["outcome"], answer["outcome"])
        return Outcome(kind, answer["report"].get("problem", ""))


@pytest.fixture
def services(tmp_path):
    with ExitStack() as stack:
        yield lambda **settings: Service(stack, **settings)


@attack("VV001", "reject:INVALID_CHALLENGE_ERROR")
def test_a_challenge_that_is_missing_old_empty_or_of_another_session_is_not_answered(expected):
    expected.met_by(
        shown(challenge=None),
        shown(challenge=""),
        *(shown(challenge=value) for value in ("c-2", "C-1", "c-1 ", " c-1", "c-1\u200b", "c\u20101", "c-1c-1")),
        *(changed(put("proof.challenge", value)) for value in (["c-1"], {"@value": "c-1"})),
        # The same bytes again, when this verifier asks for something else now.
        verdict(SHOWN, Expectation("c-2", "audit.example")),
        verdict(SHOWN, Expectation("", "audit.example")),
    )


@attack("VV001", "reject:INVALID_CHALLENGE_ERROR")
def test_a_challenge_that_we_gave_out_counts_for_its_session_and_its_time(expected, services):
    service = services(challenge_s=60)
    mine, theirs = service.challenge(), service.challenge()
    answers = [
        service.present(presentation(GOOD, challenge=mine), challenge=theirs, domain="audit.example"),
        service.present(presentation(GOOD, challenge="gcv_" + "A" * 32), challenge="gcv_" + "A" * 32),
        service.present(presentation(GOOD, challenge="gcv_"), challenge="gcv_"),
    ]
    service.clock.now = NOW + timedelta(seconds=60)
    answers.append(service.present(presentation(GOOD, challenge=mine), challenge=mine, domain="audit.example"))
    expected.met_by(*answers)


@attack("VV002", "reject:INVALID_DOMAIN_ERROR")
def test_a_presentation_for_another_verifier_is_not_for_this_one(expected):
    spellings = (
        "evil.example",
        "AUDIT.example",
        "Audit.Example",
        "audit.example/",
        "audit.example.",
        "audit.example:443",
        "https://audit.example",
        "https://audit.example/",
        "audit.example.evil.example",
        "audit.exаmple",
        "",
        None,
    )
    expected.met_by(
        *(shown(domain=domain) for domain in spellings),
        changed(put("proof.domain", ["audit.example"])),
        changed(put("proof.domain", {"@value": "audit.example"})),
        verdict(SHOWN, Expectation("c-1", "other.example")),
        # Two proofs, of which one is for another verifier.
        verdict(
            edited(SHOWN, put("proof", [SHOWN["proof"], presentation(GOOD, domain="evil.example")["proof"]])),
        ),
    )


@attack("VV002", "reject:INVALID_DOMAIN_ERROR")
def test_a_challenge_given_out_for_a_domain_counts_for_no_other(expected, services):
    service = services()

    def presented(signed_for, **options):
        challenge = service.challenge(domain="audit.example")
        return service.present(
            presentation(GOOD, challenge=challenge, domain=signed_for), challenge=challenge, **options
        )

    assert presented("audit.example").kind == "accept"
    expected.met_by(
        presented("evil.example"),
        presented("evil.example", domain="evil.example"),
        presented("audit.example", domain="evil.example"),
        presented(None),
        presented("audit.example/", domain="audit.example/"),
    )


@attack("VV004", "reject:REPLAY for exactly one", heavy="a service, and six verdicts of presentations")
def test_of_two_submissions_at_once_one_is_a_replay(expected, services):
    service = services()
    for _ in range(3):
        challenge = service.challenge()
        value = presentation(GOOD, challenge=challenge)
        together = threading.Barrier(2)

        def submit(_, value=value, challenge=challenge, together=together):
            together.wait(10)
            return str(service.present(value, challenge=challenge, domain="audit.example"))

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(submit, range(2))) == ["accept", "reject:REPLAY"]
    expected.held()


@attack("VV004", "reject:REPLAY for exactly one")
def test_of_two_submissions_to_two_services_over_one_state_folder_one_is_a_replay(expected, services, tmp_path):
    one, other = (services(state_dir=str(tmp_path)) for _ in range(2))
    challenge = one.challenge()
    value = presentation(GOOD, challenge=challenge)
    found = [str(service.present(value, challenge=challenge)) for service in (other, one, other)]
    assert found == ["accept", "reject:REPLAY", "reject:REPLAY"]
    expected.held()


def _redeem(file, challenges):
    opened = Challenges(file)
    return [opened.redeem(Expectation(challenge), NOW).standing for challenge in challenges]


@attack("VV004", "reject:REPLAY for exactly one")
def test_of_two_processes_that_redeem_the_same_challenges_one_gets_each(expected, tmp_path):
    file = tmp_path / "challenges.sqlite"
    opened = Challenges(file)
    made = [opened.issue(None, NOW).challenge for _ in range(20)]
    opened.close()
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        one, other = pool.map(_redeem, [file, file], [made, made])
    assert all({a, b} == {Standing.GOOD, Standing.SPENT} for a, b in zip(one, other, strict=True))
    expected.held()
