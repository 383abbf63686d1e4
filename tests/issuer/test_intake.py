import json
from datetime import timedelta

import pytest

from did.algorithms import Algorithm
from issuer import intake
from issuer.errors import (
    BadSignatureError,
    FutureTimestampError,
    ImplausibleEnergyError,
    NodeRevokedError,
    StaleTimestampError,
)
from issuer.intake import AcceptedTelemetry
from schemas import times
from schemas.telemetry import parse_telemetry
from tests.fakes import issuer as fakes


def accepted(node: dict[str, object] | None = None, **changes: object) -> AcceptedTelemetry:
    return intake.accept(parse_telemetry(fakes.posted(**changes)), fakes.node(**(node or {})))


def at(seconds: float) -> AcceptedTelemetry:
    return accepted(timestamp=times.render_claim(fakes.START + timedelta(seconds=seconds)))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
def test_a_record_signed_by_the_registered_key_is_taken(algorithm: Algorithm) -> None:
    raw = fakes.signed(fakes.body(), fakes.node_signer(8, algorithm), algorithm)
    node = fakes.node(8, algorithm=algorithm, id="node-7")
    assert intake.accept(parse_telemetry(raw), node).node is node


def test_pkcs1_padding_is_refused_for_an_rsa_key() -> None:
    raw = fakes.signed(fakes.body(), fakes.node_signer(8, "PS256"), "RS256")
    with pytest.raises(BadSignatureError, match="PS256"):
        intake.accept(parse_telemetry(raw), fakes.node(8, algorithm="PS256", id="node-7"))


def test_a_key_on_p_384_signs_no_telemetry() -> None:
    raw = fakes.signed(fakes.body(), fakes.node_signer(8, "ES384"))
    with pytest.raises(BadSignatureError, match="kind"):
        intake.accept(parse_telemetry(raw), fakes.node(8, algorithm="ES384", id="node-7"))


def test_another_key_s_signature_is_refused() -> None:
    raw = fakes.signed(fakes.body(), fakes.node_signer(8))
    with pytest.raises(BadSignatureError):
        intake.accept(parse_telemetry(raw), fakes.node(7))


@pytest.mark.parametrize("member", ["model_id", "inference_id", "energy_kwh", "timestamp", "method", "duration_s"])
def test_a_changed_member_breaks_the_signature(member: str) -> None:
    changed = {
        "model_id": "other/model",
        "inference_id": "inference-2",
        "energy_kwh": "0.00073",
        "timestamp": "2026-11-20T20:01:04Z",
        "method": "metered",
        "duration_s": "2.76",
    }
    record = json.loads(fakes.posted()) | {member: changed[member]}
    with pytest.raises(BadSignatureError):
        intake.accept(parse_telemetry(json.dumps(record).encode()), fakes.node())


def test_an_added_member_breaks_the_signature() -> None:
    record = json.loads(fakes.posted()) | {"simulated": False}
    with pytest.raises(BadSignatureError):
        intake.accept(parse_telemetry(json.dumps(record).encode()), fakes.node())


def test_the_spelling_of_the_json_does_not_matter() -> None:
    record = json.loads(fakes.posted())
    respelled = json.dumps(dict(reversed(record.items())), indent=3).encode()
    assert intake.accept(parse_telemetry(respelled), fakes.node()).record.node_id == "node-7"


def test_a_record_of_another_node_is_refused_whoever_signed_it() -> None:
    raw = fakes.posted(node_id="node-8")
    with pytest.raises(BadSignatureError, match="another node"):
        intake.accept(parse_telemetry(raw), fakes.node(7))


def test_a_revoked_node_is_refused_although_its_signature_holds() -> None:
    with pytest.raises(NodeRevokedError):
        accepted({"state": "revoked"})


def test_whether_a_record_is_signed_does_not_depend_on_the_node_s_state() -> None:
    record = parse_telemetry(fakes.posted())
    assert intake.is_signed(record, fakes.node(state="revoked"))
    assert not intake.is_signed(record, fakes.node(8, state="revoked"))


def test_a_measured_record_is_of_software_assurance_with_its_own_method() -> None:
    taken = accepted()
    assert (taken.assurance, taken.measurement_method, taken.simulated) == ("software", "counter", False)


@pytest.mark.parametrize("said", [True, False, None])
def test_a_simulator_s_record_is_simulated_whatever_it_says(said: object) -> None:
    taken = accepted({"simulated": True}, simulated=said)
    assert (taken.assurance, taken.measurement_method, taken.simulated) == ("simulated", "modelled", True)


def test_any_node_may_call_its_own_record_simulated() -> None:
    assert accepted(simulated=True).assurance == "simulated"


@pytest.mark.parametrize("seconds", [-7 * 86_400, -1, 0, 60])
def test_a_record_from_seven_days_back_to_a_minute_ahead_is_fresh(seconds: int) -> None:
    intake.check_fresh(at(seconds), fakes.START)


@pytest.mark.parametrize("seconds", [-7 * 86_400 - 0.000001, -365 * 86_400])
def test_an_older_record_is_too_old(seconds: float) -> None:
    with pytest.raises(StaleTimestampError, match="7 days"):
        intake.check_fresh(at(seconds), fakes.START)


@pytest.mark.parametrize("seconds", [60.000001, 61, 365 * 86_400])
def test_a_record_further_ahead_is_refused(seconds: float) -> None:
    with pytest.raises(FutureTimestampError, match="clock"):
        intake.check_fresh(at(seconds), fakes.START)


def test_what_the_accelerators_can_draw_with_a_tenth_to_spare_is_plausible() -> None:
    # 1000 W x 3600 s x 1.1 = 1.1 kWh
    intake.check_plausible(accepted({"tdp_w": 1000}, energy_kwh="1.1", duration_s="3600"))


def test_a_little_more_than_that_is_not() -> None:
    with pytest.raises(ImplausibleEnergyError, match=r"at most 1\.1 kWh in 3600 s"):
        intake.check_plausible(accepted({"tdp_w": 1000}, energy_kwh="1.100000000001", duration_s="3600"))


def test_without_a_duration_a_whole_day_bounds_the_energy() -> None:
    intake.check_plausible(accepted({"tdp_w": 1000}, energy_kwh="24", duration_s=None))
    with pytest.raises(ImplausibleEnergyError, match="at most 24 kWh in 24 h"):
        intake.check_plausible(accepted({"tdp_w": 1000}, energy_kwh="24.000000000001", duration_s=None))


def test_an_absurd_energy_is_refused_and_not_overflowed() -> None:
    with pytest.raises(ImplausibleEnergyError):
        intake.check_plausible(accepted(energy_kwh="1000000000000"))
