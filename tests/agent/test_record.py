import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import SettingsError
from agent.record import Labels, sign, signed_record, signing_algorithm, unsigned_body
from did.errors import SignatureInvalidError
from schemas.decimals import mj_from_kwh
from schemas.errors import FormatError
from schemas.telemetry import parse_telemetry
from tests.fakes.agent import measurement, new_signer
from tests.vectors import FORMATS

LABELS = Labels("node-7", "meta-llama/Llama-3.1-70B-Instruct", "019aa2c4-6d00-7a10-8f00-000000000004")
SIGNERS = {algorithm: new_signer(algorithm) for algorithm in ("ES256", "EdDSA", "PS256")}


def test_the_members_are_those_of_the_format():
    body = unsigned_body(measurement(2_624_400, 2_750_000, utilization_percent=87), LABELS)

    assert body == {
        "node_id": "node-7",
        "model_id": "meta-llama/Llama-3.1-70B-Instruct",
        "inference_id": "019aa2c4-6d00-7a10-8f00-000000000004",
        "timestamp": "2026-11-20T20:00:04Z",
        "period_start": "2026-11-20T20:00:01.25Z",
        "duration_s": "2.75",
        "energy_kwh": "0.000729",
        "gpu_utilization": "87",
        "method": "counter",
    }


def test_every_member_of_the_formats_example_is_written():
    example = json.loads((FORMATS / "telemetry.json").read_bytes())
    body = unsigned_body(measurement(utilization_percent=87), LABELS)

    assert example.keys() - body.keys() == {"signature"}


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_the_signature_holds_over_the_body_without_it(algorithm):
    signer = SIGNERS[algorithm]
    posted = parse_telemetry(signed_record(measurement(), LABELS, signer))

    signer.public_key.verify(posted.signing_input, posted.record.signature, algorithm)


def test_an_ecdsa_signature_is_r_and_s_in_64_bytes():
    assert len(parse_telemetry(signed_record(measurement(), LABELS, SIGNERS["ES256"])).record.signature) == 64


@pytest.mark.parametrize("member", ["node_id", "model_id", "inference_id", "timestamp", "energy_kwh", "method"])
def test_a_changed_member_breaks_the_signature(member):
    signer = SIGNERS["ES256"]
    body = json.loads(signed_record(measurement(), LABELS, signer))
    other = {"energy_kwh": "0.5", "timestamp": "2026-11-20T20:00:05Z", "method": "metered"}
    body[member] = other.get(member, body[member] + "x")
    if member == "timestamp":
        body.pop("period_start")
    changed = parse_telemetry(json.dumps(body).encode())

    with pytest.raises(SignatureInvalidError):
        signer.public_key.verify(changed.signing_input, changed.record.signature, "ES256")


def test_a_simulated_figure_says_so_under_the_signature():
    record = signed_record(measurement(simulated=True, method="modelled"), LABELS, SIGNERS["ES256"])

    assert json.loads(record)["simulated"] is True
    assert b'"simulated":true' in parse_telemetry(record).signing_input


def test_a_measured_figure_has_no_such_member():
    assert "simulated" not in unsigned_body(measurement(), LABELS)


def test_estimated_energy_is_part_of_the_energy():
    body = unsigned_body(measurement(3_600_000, estimated_mj=3_600_000), LABELS)

    assert body["energy_kwh"] == "0.002"


def test_a_length_of_zero_is_left_out():
    body = unsigned_body(measurement(duration_us=0), LABELS)

    assert not {"duration_s", "period_start"} & body.keys()


def test_utilization_that_nobody_knows_is_left_out():
    assert "gpu_utilization" not in unsigned_body(measurement(), LABELS)


def test_a_key_of_a_kind_that_nodes_do_not_sign_with_is_refused():
    with pytest.raises(SettingsError, match="P-256, Ed25519 or RSA"):
        signing_algorithm(new_signer("ES384").public_key)


def test_an_rsa_key_signs_with_pss():
    assert signing_algorithm(SIGNERS["PS256"].public_key) == "PS256"


@pytest.mark.parametrize("labels", [Labels("-x", "m", "i"), Labels("n", "<m>", "i"), Labels("n", "m", "a b")])
def test_labels_that_the_issuer_would_refuse_are_refused_before_the_spool(labels):
    with pytest.raises(FormatError):
        signed_record(measurement(), labels, SIGNERS["ES256"])


def test_a_record_longer_than_the_issuer_takes_is_refused_before_the_spool():
    with pytest.raises(FormatError, match="duration_s"):
        signed_record(measurement(duration_us=90_000_000_000), LABELS, SIGNERS["ES256"])


def test_a_member_that_the_format_does_not_have_is_refused():
    with pytest.raises(FormatError):
        sign(unsigned_body(measurement(), LABELS) | {"pue": "1.2"}, SIGNERS["ES256"])


@given(st.integers(0, 10**15), st.integers(1, 86_400_000_000))
def test_the_issuer_reads_back_exactly_what_was_measured(energy_mj, duration_us):
    record = signed_record(measurement(energy_mj, duration_us), LABELS, SIGNERS["EdDSA"])
    read = parse_telemetry(record).record

    assert read.energy_mj == mj_from_kwh(read.energy_kwh) == energy_mj
    assert read.duration_s.scaleb(6) == duration_us
    assert (read.method, read.simulated) == ("counter", False)
    assert (read.timestamp - read.period_start).total_seconds() == pytest.approx(duration_us / 1e6, abs=1e-6)


@given(st.integers(0, 10**15))
def test_energy_is_written_in_the_canonical_decimal_form(energy_mj):
    text = unsigned_body(measurement(energy_mj), LABELS)["energy_kwh"]

    assert "e" not in text.lower()
    assert text == "0" or not text.endswith("0") or "." not in text
    assert not text.startswith("0") or text == "0" or text.startswith("0.")
