"""POST /api/v1/telemetry: a credential for a record, or a problem document and nothing lost."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from agent.retry import Answer, Later, judge
from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer.keyring import Keyring
from issuer.waiting import Waiting
from schemas import times
from tests.fakes.issuer import PUBLIC_URL, START, body, node_signer, posted, signed
from tests.fakes.site import problem

PATH = "/api/v1/telemetry"


async def test_a_record_gets_a_credential_and_its_location(any_site):
    answer = await any_site.telemetry()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/ld+json"
    credential = answer.json()
    assert answer.headers["location"] == credential["id"]
    assert credential["id"].startswith(f"{PUBLIC_URL}/credentials/")
    assert credential["credentialSubject"]["inferenceId"] == "inference-1"
    assert credential["proof"]["type"] == "JsonWebSignature2020"


async def test_while_the_service_cannot_open_a_rotated_key_records_wait_and_none_is_lost(site, tmp_path, capsys):
    path = tmp_path / "rotated.pem"
    generate_file_key(path, "ES256")
    store = site.store()
    await Keyring(store, site.clock).rotate("root", "key-2", file_uri(path))
    path.rename(tmp_path / "away.pem")

    refused = await site.telemetry()
    assert (refused.status_code, problem(refused)) == (503, "SIGNING_KEY_UNAVAILABLE")
    assert refused.headers["retry-after"]
    assert "rotated.pem" not in refused.text
    assert await store.credentials.pending() == ()
    await store.close()
    logged = capsys.readouterr()
    assert "a signing key cannot be used" in logged.out + logged.err

    (tmp_path / "away.pem").rename(path)
    issued = await site.telemetry()
    assert issued.status_code == 201
    assert issued.json()["proof"]["verificationMethod"].endswith("#key-2")


async def test_a_tenant_s_new_subject_stands_in_what_is_issued_from_then_on(site):
    before = await site.telemetry()
    store = site.store()
    await store.tenants.change("acme", subject="did:web:acme.example")
    await store.close()
    after = await site.telemetry(inference_id="inference-2")
    assert after.json()["credentialSubject"]["tenantId"] == "did:web:acme.example"
    assert (await site.telemetry()).content == before.content


async def test_the_same_record_again_gets_the_same_bytes(any_site):
    first = await any_site.telemetry()
    any_site.clock.advance(timedelta(days=400))
    again = await any_site.telemetry()
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]


async def test_another_record_under_the_same_inference_id_is_a_conflict(any_site):
    first = await any_site.telemetry()
    other = await any_site.telemetry(energy_kwh="0.0008")
    assert other.status_code == 409
    assert problem(other) == "CONFLICT"
    assert (await any_site.telemetry()).content == first.content


async def test_two_tenants_may_use_the_same_inference_id(any_site):
    ours = await any_site.telemetry()
    record = body(node_id="node-8")
    theirs = await any_site.post(PATH, signed(record, node_signer(8)))
    assert theirs.status_code == 201
    assert theirs.json()["id"] != ours.json()["id"]


async def test_a_simulator_gets_a_simulated_credential_whatever_it_says(site):
    record = body(node_id="node-9", simulated=False, method="metered")
    answer = await site.post(PATH, signed(record, node_signer(9)))
    assert answer.status_code == 201
    assert "SimulatedCredential" in answer.json()["type"]
    assert answer.json()["credentialSubject"]["assurance"] == "simulated"


async def test_a_json_number_is_taken_at_its_shortest_decimal_form(site):
    answer = await site.telemetry(energy_kwh=0.000729)
    assert answer.status_code == 201
    assert answer.json()["credentialSubject"]["acceleratorActiveKwh"] == "0.000729"


_VALID = posted()

_MALFORMED = {
    "empty": (b"", 400, "PARSING_ERROR"),
    "cut off": (_VALID[:-1], 400, "PARSING_ERROR"),
    "trailing bytes": (_VALID + b"{}", 400, "PARSING_ERROR"),
    "a list": (b"[]", 400, "PARSING_ERROR"),
    "null": (b"null", 400, "PARSING_ERROR"),
    "not UTF-8": (_VALID.replace(b"inference-1", b"inference-\xff"), 400, "PARSING_ERROR"),
    "UTF-16": (_VALID.decode().encode("utf-16"), 400, "PARSING_ERROR"),
    "a byte order mark": (b"\xef\xbb\xbf" + _VALID, 400, "PARSING_ERROR"),
    "nested 1000 deep": (b"[" * 1000 + b"]" * 1000, 413, "RESOURCE_LIMIT"),
    "nested 8000 deep": (b'{"a":' * 2000 + b"1" + b"}" * 2000, 413, "RESOURCE_LIMIT"),
    "a member twice": (_VALID[:-1] + b',"energy_kwh":"0"}', 400, "PARSING_ERROR"),
    "an unknown member": (_VALID[:-1] + b',"tenant_id":"umbra"}', 400, "SCHEMA_INVALID"),
    "a role": (_VALID[:-1] + b',"role":"admin"}', 400, "SCHEMA_INVALID"),
    "NaN": (_VALID.replace(b'"0.000729"', b"NaN"), 400, "PARSING_ERROR"),
    "Infinity": (_VALID.replace(b'"0.000729"', b"1e999"), 400, "PARSING_ERROR"),
    "a huge integer": (_VALID.replace(b'"0.000729"', b"9" * 5000), 400, "PARSING_ERROR"),
    "a lone surrogate": (_VALID.replace(b"inference-1", rb"\ud800"), 400, "MALFORMED_VALUE_ERROR"),
    "oversize": (_VALID[:-1] + b" " * 16_384 + b"}", 413, "RESOURCE_LIMIT"),
    "an empty signature": (json.dumps(body() | {"signature": ""}).encode(), 400, None),
}


@pytest.mark.parametrize("name", _MALFORMED)
async def test_what_cannot_be_read_is_a_problem_and_loses_nothing(site, name):
    raw, status, expected = _MALFORMED[name]
    answer = await site.post(PATH, raw)
    assert answer.status_code == status, answer.text
    assert expected in {None, problem(answer)}
    assert (await site.telemetry()).status_code == 201


_VALUES = {
    "negative energy": {"energy_kwh": "-1"},
    "negative number": {"energy_kwh": -0.5},
    "energy as true": {"energy_kwh": True},
    "energy as null": {"energy_kwh": [None]},
    "energy with an exponent": {"energy_kwh": "1e3"},
    "a model with markup": {"model_id": "<img src=x onerror=alert(1)>"},
    "a model with a template": {"model_id": "{{7*7}}"},
    "a model written backwards": {"model_id": "model\u202etxt"},
    "a model with NUL": {"model_id": "a\x00b"},
    "a long model": {"model_id": "m" * 10_000},
    "an inference with a slash": {"inference_id": "a/../b"},
    "an inference with a quote": {"inference_id": "a'; DROP TABLE credential; --"},
    "no time zone": {"timestamp": "2026-11-20T20:01:04"},
    "an offset": {"timestamp": "2026-11-20T21:01:04+01:00"},
    "no date of the calendar": {"timestamp": "2026-02-30T20:01:04Z"},
    "gzip of zeros": {"gpu_utilization": "1" * 10_000},
}


@pytest.mark.parametrize("name", _VALUES)
async def test_a_malformed_value_is_refused_and_named(site, name):
    answer = await site.post(PATH, signed(body(**_VALUES[name])))
    assert answer.status_code == 400, answer.text
    assert problem(answer) in {"MALFORMED_VALUE_ERROR", "SCHEMA_INVALID"}
    assert answer.json()["detail"].partition(":")[0] in {
        *_VALUES[name],
        "a string holds a control character, a surrogate or a noncharacter",
    }


_REFUSED = {
    "61 seconds ahead": ({"timestamp": times.render_claim(START + timedelta(seconds=61))}, "CLOCK_SKEW"),
    "8 days back": ({"timestamp": times.render_claim(START - timedelta(days=8))}, "TOO_OLD"),
    "in 1970": ({"timestamp": "1970-01-01T00:00:00Z"}, "TOO_OLD"),
    "in 9999": ({"timestamp": "9999-12-31T23:59:59Z"}, "CLOCK_SKEW"),
    "absurd energy": ({"energy_kwh": "1000"}, "CLAIM_IMPLAUSIBLE"),
}


@pytest.mark.parametrize("name", _REFUSED)
async def test_a_stale_or_absurd_record_is_refused(site, name):
    changes, expected = _REFUSED[name]
    answer = await site.telemetry(**changes)
    assert answer.status_code == 422, answer.text
    assert problem(answer) == expected


async def test_a_refused_record_does_not_use_up_its_inference_id(site):
    assert (await site.telemetry(energy_kwh="1000")).status_code == 422
    assert (await site.telemetry()).status_code == 201


async def test_an_unknown_node_is_not_found(site):
    answer = await site.post(PATH, signed(body(node_id="node-404")))
    assert answer.status_code == 404
    assert problem(answer) == "UNKNOWN_NODE"


async def test_another_nodes_key_does_not_sign_for_this_node(site):
    answer = await site.post(PATH, signed(body(), node_signer(8)))
    assert answer.status_code == 401
    assert problem(answer) == "SIGNATURE_INVALID"


async def test_a_changed_figure_breaks_the_signature(site):
    answer = await site.post(PATH, posted().replace(b"0.000729", b"0.000728"))
    assert answer.status_code == 401
    assert problem(answer) == "SIGNATURE_INVALID"


async def test_a_revoked_node_is_refused_at_once(any_site):
    store = any_site.store()
    await store.nodes.revoke("node-7")
    await store.close()
    answer = await any_site.telemetry()
    assert answer.status_code == 403
    assert problem(answer) == "NODE_REVOKED"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "",
        "application/json; charset=utf-16",
        "application/json; boundary=x",
        "application/x-www-form-urlencoded",
        "application/msgpack",
        "multipart/form-data; boundary=x",
        "application/jsonp",
    ],
)
async def test_another_content_type_is_refused(site, content_type):
    answer = await site.client.post(PATH, content=posted(), headers={"content-type": content_type})
    assert answer.status_code == 415
    assert problem(answer) == "UNSUPPORTED_MEDIA_TYPE"


async def test_no_content_type_is_refused(site):
    answer = await site.client.post(PATH, content=posted())
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_in_utf_8_is_taken_however_it_is_spelled(site, content_type):
    answer = await site.client.post(PATH, content=posted(), headers={"content-type": content_type})
    assert answer.status_code == 201


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_a_compressed_body_is_refused_unread(site, coding):
    answer = await site.post(PATH, posted(), {"content-encoding": coding})
    assert answer.status_code == 415


async def test_a_body_announced_too_large_is_refused(site):
    answer = await site.post(PATH, b"x" * 20_000)
    assert answer.status_code == 413
    assert problem(answer) == "RESOURCE_LIMIT"


async def test_a_node_has_a_limit_of_its_own(open_site):
    site = await open_site(node_rate_per_minute=3)
    for number in range(3):
        assert (await site.telemetry(inference_id=f"i-{number}")).status_code == 201
    answer = await site.telemetry(inference_id="i-3")
    assert answer.status_code == 429
    assert problem(answer) == "RATE_LIMITED"
    assert int(answer.headers["retry-after"]) >= 1
    other = await site.post(PATH, signed(body(node_id="node-8"), node_signer(8)))
    assert other.status_code == 201


async def test_nobody_can_use_up_another_nodes_limit(open_site):
    site = await open_site(node_rate_per_minute=2)
    for number in range(5):
        forged = signed(body(inference_id=f"i-{number}"), node_signer(8))
        assert (await site.post(PATH, forged)).status_code == 401
    assert (await site.telemetry()).status_code == 201


async def test_garbage_is_limited_by_address_and_stops_nobody_else_there(open_site):
    site = await open_site(refused_rate_per_minute=3)
    answers = [(await site.post(PATH, b"garbage")).status_code for _ in range(5)]
    assert answers == [400, 400, 400, 429, 429]
    assert (await site.telemetry()).status_code == 201


async def test_where_too_many_wait_for_their_time_a_record_ahead_of_the_clock_is_told_when_to_come(any_site):
    completion = any_site.service.app.state["service"].issuance._completion
    free, completion.waiting = completion.waiting, Waiting(any_site.clock, per_node=0)
    ahead = times.render_claim(START + timedelta(seconds=30))
    refused = await any_site.telemetry(timestamp=ahead)
    assert (refused.status_code, problem(refused)) == (503, "OVERLOADED")
    assert 29 <= int(refused.headers["retry-after"]) <= 31
    store = any_site.store()
    assert await store.credentials.pending() == ()
    await store.close()
    # Another record of the node that ends now is certified; the agent keeps the first and sends it then.
    assert (await any_site.telemetry(inference_id="inference-2")).status_code == 201
    answer = Answer(refused.status_code, dict(refused.headers), refused.content)
    verdict = judge(answer, "inference-1", START)
    assert isinstance(verdict, Later)
    assert verdict.after_s == int(refused.headers["retry-after"])
    completion.waiting = free
    assert (await any_site.telemetry(timestamp=ahead)).status_code == 201


async def test_an_overload_leaves_no_trace_in_the_log(site, capsys):
    completion = site.service.app.state["service"].issuance._completion
    completion.waiting = Waiting(site.clock, per_node=0)
    await site.telemetry(timestamp=times.render_claim(START + timedelta(seconds=30)))
    logged = capsys.readouterr()
    assert "Traceback" not in logged.out + logged.err
