import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import base64url
from schemas.digests import digest
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.telemetry import (
    SHAPE,
    body_digest,
    decode_telemetry,
    parse_telemetry,
    record_bytes,
    signing_input,
)
from tests.schemas.documents import example
from tests.vectors import FORMATS

BODY = example("telemetry")
RAW = (FORMATS / "telemetry.json").read_bytes()


def posted(left_out=(), **members):
    body = {name: value for name, value in BODY.items() if name not in left_out}
    return json.dumps(body | members).encode()


def refused(raw, error, text):
    with pytest.raises(error) as caught:
        decode_telemetry(raw)
    assert caught.value.detail.startswith(text), caught.value.detail


def test_the_reference_record_decodes():
    record = decode_telemetry(RAW)
    assert (record.node_id, record.inference_id) == ("node-7", "019aa2c4-6d00-7a10-8f00-000000000004")
    assert record.model_id == "meta-llama/Llama-3.1-70B-Instruct"
    assert record.timestamp == datetime(2026, 11, 20, 20, 1, 4, 250_000, tzinfo=UTC)
    assert record.period_start == datetime(2026, 11, 20, 20, 1, 1, 500_000, tzinfo=UTC)
    assert (record.energy_kwh, record.duration_s, record.gpu_utilization) == (Decimal("0.000729"), Decimal("2.75"), 87)
    assert record.energy_mj == 2_624_400
    assert len(record.signature) == 64


def test_what_is_not_said_is_the_lowest():
    record = decode_telemetry(RAW)
    assert (record.method, record.simulated) == ("modelled", False)
    better = decode_telemetry(posted(method="counter", simulated=True))
    assert (better.method, better.simulated) == ("counter", True)


def test_the_signature_covers_the_canonical_body_without_itself():
    telemetry = parse_telemetry(RAW)
    signed = json.loads(telemetry.signing_input)
    assert signed == {name: value for name, value in BODY.items() if name != "signature"}
    assert telemetry.signing_input == json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()


def test_the_evidence_is_the_canonical_body_with_its_signature():
    telemetry = parse_telemetry(RAW)
    evidence = example("credential-minimal.vc11")["evidence"][0]
    assert telemetry.record_digest == evidence["digestMultibase"] == evidence["recordDigest"]
    assert json.loads(telemetry.record_bytes) == BODY


def test_the_digests_are_those_of_the_bytes():
    telemetry = parse_telemetry(RAW)
    assert telemetry.body_digest == body_digest(BODY) == digest(signing_input(BODY))
    assert telemetry.record_digest == digest(record_bytes(BODY))


def test_a_retry_with_a_fresh_signature_is_the_same_post():
    first, second = parse_telemetry(RAW), parse_telemetry(posted(signature="A" * 86))
    assert first.body_digest == second.body_digest
    assert first.record_digest != second.record_digest


def test_the_order_of_members_and_white_space_do_not_matter():
    shuffled = json.dumps(dict(reversed(BODY.items())), indent=3).encode()
    assert parse_telemetry(shuffled) == parse_telemetry(RAW)


@pytest.mark.parametrize("name", sorted(SHAPE.required))
def test_a_required_member_cannot_be_left_out(name):
    refused(posted([name]), SchemaInvalidError, f"{name}: required member missing")


@pytest.mark.parametrize("name", SHAPE.members)
@pytest.mark.parametrize("value", [None, [], {}, ["x"], {"@value": "x"}])
def test_a_member_of_another_type_is_not_of_the_shape(name, value):
    refused(posted(**{name: value}), SchemaInvalidError, f"{name}: ")


@pytest.mark.parametrize("name", ["nonce", "@context", "energy_mj", "Node_id", "", "node_id "])
def test_an_unknown_member_is_not_of_the_shape(name):
    refused(posted(**{name: "x"}), SchemaInvalidError, f"{name}: no such member")


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "01", "1.", "0x1"])
def test_a_number_that_is_not_json_is_a_parsing_error(token):
    refused(RAW.replace(b'"0.000729"', token.encode()), ParsingError, "")


@pytest.mark.parametrize("value", ["-1", -1, -0.001, 1e308, 1e13, "1e-3", "0.0007290", "+1", "٣", "", "1" * 40, 1e-13])
def test_an_energy_that_is_negative_absurd_or_misspelt_is_malformed(value):
    refused(posted(energy_kwh=value), MalformedValueError, "energy_kwh: ")


def test_energy_finer_than_a_millijoule_is_not_taken():
    with pytest.raises(MalformedValueError, match="finer than a millijoule is not measured"):
        decode_telemetry(posted(energy_kwh="0.0000000000001"))


@pytest.mark.parametrize(("number", "energy"), [(0.000729, "0.000729"), (1e-7, "0.0000001"), (2, "2"), (0, "0")])
def test_a_json_number_is_taken_at_its_shortest_decimal_form(number, energy):
    assert decode_telemetry(posted(energy_kwh=number)).energy_kwh == Decimal(energy)


def test_an_integer_beyond_2_to_the_53_has_no_canonical_form():
    with pytest.raises(FormatError):
        parse_telemetry(posted(energy_kwh=2**53))


@pytest.mark.parametrize("name", ["duration_s", "gpu_utilization"])
@pytest.mark.parametrize("value", [True, "-1", 1e9, "0.0000001", "01"])
def test_other_quantities_are_held_to_the_same(name, value):
    refused(posted(**{name: value}), FormatError, f"{name}: ")


@pytest.mark.parametrize(
    "value",
    ["2026-11-20T20:01:04.25", "2026-11-20T20:01:04.25+00:00", "2026-11-20T21:01:04.25+01:00", "2026-11-20T23:59:60Z",
     "2026-02-30T00:00:00Z", "2026-11-20T20:01:04.1234567Z", "2026-11-20", "1795204864", 1795204864, "２026-11-20T20:01:04Z",
     "99999-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-11-20 20:01:04Z", "2026-11-20T24:00:00Z", ""],
)  # fmt: skip
def test_a_timestamp_has_one_form(value):
    refused(posted(timestamp=value), SchemaInvalidError, "timestamp: ")


def test_trailing_zeros_of_a_timestamp_are_tolerated():
    assert decode_telemetry(posted(timestamp="2026-11-20T20:01:04.250000Z")) == decode_telemetry(RAW)
    assert decode_telemetry(posted(timestamp="2026-11-20T20:01:04.000Z")).timestamp.microsecond == 0


@pytest.mark.parametrize("year", ["1000", "1970", "9999"])
def test_a_far_year_is_well_formed_and_left_to_the_freshness_check(year):
    assert decode_telemetry(posted(timestamp=f"{year}-01-01T00:00:00Z")).timestamp.year == int(year)


def test_without_a_duration_there_is_no_start():
    record = decode_telemetry(posted(["duration_s"]))
    assert (record.period_start, record.duration_s) == (None, None)


def test_a_start_gives_the_duration():
    record = decode_telemetry(posted(["duration_s"], period_start="2026-11-20T20:01:01.5Z"))
    assert record == decode_telemetry(RAW)


def test_a_start_at_the_end_is_an_instant_without_a_duration():
    record = decode_telemetry(posted(["duration_s"], period_start=BODY["timestamp"]))
    assert (record.period_start, record.duration_s) == (record.timestamp, None)


@pytest.mark.parametrize("start", ["2026-11-20T20:01:00.5Z", "2026-11-20T20:01:01.5Z", "2026-11-20T20:01:02.5Z"])
def test_start_and_duration_may_differ_by_a_second(start):
    record = decode_telemetry(posted(period_start=start))
    assert record.duration_s == Decimal("2.75")
    assert record.period_start != record.timestamp


@pytest.mark.parametrize("start", ["2026-11-20T20:01:00.499999Z", "2026-11-20T20:01:02.500001Z"])
def test_start_and_duration_that_differ_by_more_are_malformed(start):
    refused(posted(period_start=start), MalformedValueError, "duration_s: it differs by more than a second")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"duration_s": "0"}, "duration_s: a duration is more than zero"),
        ({"duration_s": "86400.1"}, "duration_s: "),
        ({"period_start": "2026-11-20T20:01:04.250001Z"}, "period_start: the period must start before"),
        (
            {"period_start": "2026-11-20T20:01:04.25Z", "duration_s": "0.5"},
            "period_start: the period must start before",
        ),
    ],
)
def test_a_period_that_cannot_be_is_malformed(members, text):
    refused(posted(**members), MalformedValueError, text)


def test_an_inference_lasts_at_most_a_day():
    raw = posted(["duration_s"], period_start="2026-11-19T20:01:04.249999Z")
    refused(raw, MalformedValueError, "period_start: one inference lasts at most 24 hours")


HOSTILE = ["<img src=x onerror=alert(1)>", "{{7*7}}", "${jndi:ldap://x}", "a\u202eb", "a\u2066b", "x" * 257, "", " a", "a ",
           "a\u200bb", "\ufeffa", 'a"b', "a`b", "a\\b", "a|b", "a^b", "\u0085"]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_a_model_id_with_markup_or_reversed_text_is_refused(value):
    refused(posted(model_id=value), SchemaInvalidError, "model_id: ")


@pytest.mark.parametrize("value", ["a\x00b", "a\nb", "a\x7fb", "\x1b[31m"])
def test_a_model_id_with_a_control_character_is_malformed(value):
    refused(posted(model_id=value), MalformedValueError, "")


@pytest.mark.parametrize("value", ["m", "org/model:7b@2024-01", "=cmd()", "模型 七", "a b", "x" * 256])
def test_other_model_ids_are_taken_as_they_are(value):
    assert decode_telemetry(posted(model_id=value)).model_id == value


@pytest.mark.parametrize("value", ["", "a/b", "a b", "x" * 129, "é", "a%2Fb", "../x", "a'--"])
def test_an_inference_id_stands_in_urls_as_it_is(value):
    refused(posted(inference_id=value), SchemaInvalidError, "inference_id: ")


@pytest.mark.parametrize("value", ["", ".hidden", "-x", "a/b", "x" * 65, "a;b", "a'b", "é", "a%00"])
def test_a_node_id_is_a_plain_name(value):
    refused(posted(node_id=value), SchemaInvalidError, "node_id: ")


@pytest.mark.parametrize("value", ["measured", "MODELLED", ""])
def test_a_method_is_one_of_the_ladder(value):
    refused(posted(method=value), SchemaInvalidError, "method: ")


@pytest.mark.parametrize("value", ["true", 1, 0, "yes"])
def test_simulated_is_true_or_false(value):
    refused(posted(simulated=value), SchemaInvalidError, "simulated: ")


@pytest.mark.parametrize("length", [0, 1, 63, 513])
def test_a_signature_of_another_length_is_refused(length):
    refused(posted(signature=base64url.encode(bytes(length))), FormatError, "signature: ")


@pytest.mark.parametrize("value", ["A" * 86 + "==", "+" * 86, "A" * 85, "A" * 85 + "B"])
def test_a_signature_is_base64url_without_padding(value):
    refused(posted(signature=value), SchemaInvalidError, "signature: ")


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (RAW[:-2], ParsingError),
        (RAW + b"{}", ParsingError),
        (RAW.replace(b"node-7", b"\xff"), ParsingError),
        (RAW.replace(b'"node_id"', b'"node_id":"a","node_id"', 1), ParsingError),
        (b"[" * 1000 + b"]" * 1000, ResourceLimitError),
        (RAW + b" " * (17 * 1024), ResourceLimitError),
        (b"[]", ParsingError),
        (b"", ParsingError),
    ],
    ids=["truncated", "trailing", "not UTF-8", "twice", "deep", "17 KB", "array", "empty"],
)
def test_the_gate_comes_first(raw, error):
    refused(raw, error, "")


@given(
    st.dictionaries(
        st.sampled_from(sorted(SHAPE.members)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=12),
    )
)
def test_any_body_decodes_or_is_one_of_our_errors(members):
    try:
        record = decode_telemetry(posted(**members))
    except FormatError:
        return
    assert record.period_start is None or record.period_start <= record.timestamp
