import json
from datetime import UTC, datetime

import pytest

from did.signers import SoftwareSigner
from tests.fakes.verifier import ENGINE, EXPECTED, World, judge_presentation, presentation
from verifier import document
from verifier.report import Outcome
from verifier.verify import Expectation, verify_presentation
from wallet.archive import read_credential
from wallet.errors import WalletError
from wallet.holder import create_holder
from wallet.present import present

CREATED = datetime(2026, 11, 20, 20, 59, 30, 999, tzinfo=UTC)
WORLD = World()
FIRST = json.dumps(WORLD.credential(), indent=2).encode()


@pytest.fixture
def holder(tmp_path):
    return create_holder(tmp_path / "wallet", "ES256")


def made(holder, *raws: bytes, challenge: str | None = "c-1", domain: str | None = "audit.example") -> bytes:
    held = [read_credential(raw) for raw in raws]
    return present(
        held, holder, ENGINE, presentation_id="urn:uuid:1", created=CREATED, challenge=challenge, domain=domain
    )


def judge(raw: bytes, expectation: Expectation = EXPECTED):
    return judge_presentation(WORLD, json.loads(raw), expectation)


def test_a_presentation_verifies_for_the_challenge_that_it_was_made_for(holder) -> None:
    assert judge(made(holder, FIRST)).outcome is Outcome.VERIFIED


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_a_holder_of_each_kind_of_key_can_present(tmp_path, algorithm) -> None:
    report = judge(made(create_holder(tmp_path / "other", algorithm), FIRST))
    assert report.outcome is Outcome.VERIFIED


def test_the_credentials_stand_in_it_byte_for_byte(holder) -> None:
    assert FIRST in made(holder, FIRST)


def test_the_time_is_written_in_whole_seconds(holder) -> None:
    assert json.loads(made(holder, FIRST))["proof"]["created"] == "2026-11-20T20:59:30Z"


def test_without_challenge_and_domain_neither_is_signed(holder) -> None:
    proof = json.loads(made(holder, FIRST, challenge=None, domain=None))["proof"]
    assert not {"challenge", "domain"} & set(proof)


@pytest.mark.parametrize(
    ("expectation", "problem"),
    [
        (Expectation("c-2", "audit.example"), "INVALID_CHALLENGE_ERROR"),
        (Expectation("c-1", "other.example"), "INVALID_DOMAIN_ERROR"),
    ],
)
def test_it_is_refused_for_another_challenge_or_domain(holder, expectation, problem) -> None:
    report = judge(made(holder, FIRST), expectation)
    assert (report.outcome, report.problem) == (Outcome.REFUSED, problem)


def test_a_credential_changed_inside_it_is_refused(holder) -> None:
    raw = made(holder, FIRST).replace(b'"energyKwh": "0.000729"', b'"energyKwh": "0.000728"')
    report = judge(raw)
    assert report.outcome is Outcome.REFUSED
    assert report.problem == "PROOF_VERIFICATION_ERROR"


def test_somebody_elses_credential_is_refused(holder) -> None:
    def of_another_tenant(value) -> None:
        value["credentialSubject"]["tenantId"] = "did:key:zDnaeZi8ZHxMhW2Cn15m5W1YrW4ddbkC3k2vA7EYdR6no2KZZ"

    report = judge(made(holder, json.dumps(WORLD.credential(of_another_tenant)).encode()))
    assert (report.outcome, report.problem) == (Outcome.REFUSED, "HOLDER_BINDING")


def test_ones_own_credential_is_bound_to_the_holder(holder) -> None:
    def of_the_holder(value) -> None:
        value["credentialSubject"]["tenantId"] = holder.did

    report = judge(made(holder, json.dumps(WORLD.credential(of_the_holder)).encode()))
    assert report.outcome is Outcome.VERIFIED
    assert report.check("holder").result.value == "passed"


@pytest.mark.parametrize("count", [0, 1001])
def test_the_number_of_credentials_is_bounded(holder, count) -> None:
    with pytest.raises(WalletError, match="1 to 1000"):
        made(holder, *[FIRST] * count)


def test_the_wallets_presentation_has_the_members_of_the_formats_example(holder) -> None:
    ours, example = json.loads(made(holder, FIRST)), presentation(WORLD.credential())
    assert list(ours) == list(example)
    assert set(ours["proof"]) == set(example["proof"])


def test_it_verifies_from_its_own_bytes(holder) -> None:
    parsed = document.parse_presentation(made(holder, FIRST))
    report = verify_presentation(parsed, WORLD.evidence(), WORLD.policy, EXPECTED, WORLD.now)
    assert report.outcome is Outcome.VERIFIED


def test_a_holders_key_is_a_software_signer(holder) -> None:
    assert isinstance(holder.signer, SoftwareSigner)
    assert holder.verification_method.startswith(f"{holder.did}#z")
