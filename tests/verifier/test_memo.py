"""What one verdict works out once, however many credentials ask for it."""

import pytest

from schemas.errors import ResourceLimitError
from tests.fakes.verifier import ENGINE, World, fetched, presentation, telemetry_record
from verifier import document
from verifier.case import Engines
from verifier.errors import StatusVerificationError
from verifier.memo import Once, Room
from verifier.report import Outcome
from verifier.verify import Expectation, verify_presentation


class Counting:
    """An engine that counts the status lists that it canonicalizes."""

    def __init__(self):
        self.status_lists = 0

    def canonicalize(self, value):
        self.status_lists += "StatusList2021Credential" in value.get("type", ())
        return ENGINE.canonicalize(value)


def another(world, number):
    """Return a credential of its own inference and record, and the evidence for it."""
    other = World(record=telemetry_record(inference_id=f"inference-{number}"))

    def change(value):
        value["id"] = f"https://oracle.example/credentials/{number}"
        value["credentialSubject"] |= {"id": f"https://oracle.example/i/{number}", "inferenceId": f"inference-{number}"}

    return other.credential(change), other.evidence()


def judged(world, count, engine):
    made = [another(world, number) for number in range(count)]
    evidence = world.evidence()
    for _, found in made:
        evidence = evidence.joined(found)
    parsed = document.embedded_presentation(presentation(*(credential for credential, _ in made)))
    expectation = Expectation("c-1", "audit.example")
    engines = Engines(engine, engine)
    return verify_presentation(parsed, evidence, world.policy, expectation, world.now, engines=engines)


def test_a_status_list_that_many_credentials_name_is_verified_once():
    engine = Counting()
    assert judged(World(), 5, engine).outcome is Outcome.VERIFIED
    assert engine.status_lists == 2


def test_a_status_list_that_does_not_verify_is_not_tried_again_either():
    engine, world = Counting(), World()
    other = world.issuer.sign(world.status_list("revocation"), purpose="authentication")
    world.overrides[world.lists["revocation"]] = fetched(world.lists["revocation"], other)
    report = judged(world, 3, engine)
    assert {inner.problem for inner in report.credentials} == {"STATUS_VERIFICATION_ERROR"}
    assert engine.status_lists == 1


def test_work_that_failed_fails_again_without_being_done_again():
    asked = []

    def work():
        asked.append(1)
        raise StatusVerificationError("no")

    once = Once()
    for _ in range(2):
        with pytest.raises(StatusVerificationError):
            once.get("key", work)
    assert asked == [1]


def test_lists_that_are_too_large_together_are_refused():
    room = Room(20)
    room.take(20)
    with pytest.raises(ResourceLimitError):
        room.take(1)
