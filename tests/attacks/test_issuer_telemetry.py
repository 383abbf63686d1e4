"""What nodes send, and what pretends to be a node: times, figures, names, signatures, bytes that are no record."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from schemas import base64url, times
from schemas.telemetry import signing_input
from tests.agent.test_session import Bench
from tests.attacks.catalogue import attack, of_response
from tests.fakes import site as sites
from tests.fakes.did import signer as signer_for
from tests.fakes.issuer import START, body, node_signer, posted, signed
from tests.issuer import conftest as running

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site, any_site = running.site, running.any_site

PATH = "/api/v1/telemetry"
NODES = "/api/v1/nodes"

_MALFORMED = "docs/api.md: a value outside its form is malformed, 400; 422 is for values that are well formed"


@pytest.mark.parametrize("number", [7, 9])
async def test_what_each_attack_begins_from_is_accepted(site, number):
    record = signed(body(node_id=f"node-{number}"), node_signer(number))
    assert (await site.post(PATH, record)).status_code == 201


@attack("IT002", "reject:403 + recorded rejection", network="its PostgreSQL")
async def test_a_revoked_node_is_refused_by_every_replica_at_once_and_on_record(expected, any_site):
    assert (await any_site.telemetry()).status_code == 201
    replica = sites.build(any_site.settings)
    async with replica.client:
        store = any_site.store()
        await store.nodes.revoke("node-7")
        for service in (any_site, replica):
            # What it has a credential for, too: the node speaks no more.
            for inference_id in ("inference-1", "inference-2"):
                answer = await service.telemetry(inference_id=inference_id)
                assert of_response(answer).problem == "403 NODE_REVOKED"
        entries = await store.log.page()
        assert [(entry.actor, entry.action) for entry in entries] == [("node:node-7", "refuse")] * 4
        assert await store.credentials.by_inference("acme", "inference-2") is None
        await store.close()
    expected.held()


_ITS_OWN = "a record names no tenant, the node's registration does: another tenant's node id needs that node's key, 401"


@attack("IT004", "reject:401", differs=_ITS_OWN)
async def test_a_record_in_the_name_of_another_tenant_s_node_needs_its_key(expected, site):
    stolen = [signed(body(node_id="node-8"), node_signer(number)) for number in (7, 9, 404)]
    swapped = json.loads(posted()) | {"node_id": "node-8"}
    expected.met_by(*[of_response(await site.post(PATH, record)) for record in (*stolen, swapped)])
    for member in ("tenant_id", "tenantId", "tenant", "TENANT_ID"):
        answer = await site.post(PATH, signed(body(**{member: "umbra"})))
        assert of_response(answer).problem == "400 SCHEMA_INVALID"


@attack("IT006", "reject:409", network="its PostgreSQL")
async def test_another_body_under_a_known_inference_id_is_a_conflict(expected, any_site):
    first = await any_site.telemetry()
    changes = (
        {"energy_kwh": "0.000728"},
        {"energy_kwh": "0.0007290"[:-1] + "1"},
        {"model_id": "another"},
        {"duration_s": "2.5"},
        {"duration_s": None},
        {"method": "metered"},
        {"simulated": True},
        {"gpu_utilization": "50"},
        # The same moment in another spelling is another body: what was signed counts.
        {"timestamp": times.render_claim(START - timedelta(seconds=1)).replace("Z", "0Z")},
    )
    expected.met_by(*[of_response(await any_site.telemetry(**change)) for change in changes])
    by_a_neighbour = signed(body(node_id="node-9"), node_signer(9))
    conflict = await any_site.post(PATH, by_a_neighbour)
    expected.met_by(of_response(conflict))
    assert first.json()["id"].rpartition("/")[2] in conflict.json()["detail"]
    assert (await any_site.telemetry()).content == first.content


@attack("IT012", "reject:422 TOO_OLD")
async def test_a_record_older_than_a_week_is_too_old(expected, site):
    ages = (timedelta(days=7, microseconds=1), timedelta(days=8), timedelta(days=365), timedelta(days=3650))
    expected.met_by(
        *[of_response(await site.telemetry(timestamp=times.render_claim(START - age))) for age in ages],
    )
    in_time = await site.telemetry(timestamp=times.render_claim(START - timedelta(days=7)))
    assert in_time.status_code == 201


@attack("IT013", "reject:422 CLOCK_SKEW")
async def test_a_record_of_a_clock_that_runs_ahead_is_refused(expected, site):
    ahead = [times.render_claim(START + timedelta(seconds=seconds)) for seconds in (60.000001, 61, 3600, 31_536_000)]
    expected.met_by(
        *[of_response(await site.telemetry(timestamp=moment)) for moment in (*ahead, "9999-12-31T23:59:59.999999Z")]
    )


@attack("IT013", "reject:422 TOO_OLD", differs="what lies in the past is too old; CLOCK_SKEW is for the future")
async def test_a_record_of_a_clock_at_its_epoch_is_refused(expected, site):
    moments = ("1970-01-01T00:00:00Z", "1000-01-01T00:00:00Z", times.render_claim(START - timedelta(days=365)))
    expected.met_by(*[of_response(await site.telemetry(timestamp=moment)) for moment in moments])


@attack("IT013", "reject:400", differs=_MALFORMED)
async def test_a_time_without_its_zone_or_of_no_calendar_is_malformed(expected, site):
    moments = (
        *("2026-11-20T20:01:04", "2026-11-20T21:01:04+01:00", "2026-11-20T20:01:04z", "2026-11-20 20:01:04Z"),
        *("2026-11-20", "20261120T200104Z", "2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T20:01:60Z"),
        *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-2026-11-20T20:01:04Z", "2026-11-20T20:01:04.1234567Z"),
        *("1795204864", "\u0662026-11-20T20:01:04Z", "2026-11-20T20:01:04Z\n"),
    )
    expected.met_by(*[of_response(await site.telemetry(timestamp=moment)) for moment in moments])
    for number in (1_795_204_864, 1.5, None, True, ["2026-11-20T20:01:04Z"]):
        expected.met_by(of_response(await site.post(PATH, json.loads(posted()) | {"timestamp": number})))


@attack("IT014", "window split or rejected; monotonic duration used")
async def test_a_clock_set_back_in_the_middle_changes_no_duration_and_no_period_ends_before_it_began(
    expected, site, tmp_path
):
    bench = Bench(tmp_path, signer=node_signer(7))
    now_ns = int(START.timestamp()) * 1_000_000_000
    bench.clock.set_wall(now_ns)
    measured = bench.session.start("model-a", "i-1")
    bench.work(5, 1000)
    bench.clock.set_wall(now_ns - 3600 * 1_000_000_000)
    bench.work(5, 1000)
    bench.session.stop(measured)
    bench.records()
    (name,) = bench.spool.pending()
    answer = await site.post(PATH, bench.spool.load(name))
    assert answer.status_code == 201, answer.text
    assert answer.json()["credentialSubject"]["durationSeconds"] == "10"
    end = START - timedelta(seconds=1)
    for start, duration in ((end + timedelta(seconds=5), "2.75"), (end, "2.75"), (end - timedelta(seconds=5), "2.75")):
        record = {"period_start": times.render_claim(start), "duration_s": duration}
        assert of_response(await site.telemetry(inference_id="i-2", **record)).problem.startswith("400 ")
    expected.held()


_NO_SAMPLES = "a record carries an energy and no samples (the agent integrates them): such members are not of its form"


@attack("IT015", "reject:400", differs=_NO_SAMPLES)
async def test_samples_are_not_read_in_whatever_order_they_stand(expected, site):
    series = (
        [[2, 300], [1, 300]],
        [[1, 300], [1, 400]],
        [],
        [[0, 300]],
        [[3600 * hour, 300] for hour in range(24)],
    )
    outcomes = [
        of_response(await site.telemetry(**{name: samples}))
        for samples in series
        for name in ("samples", "power_samples", "readings")
    ]
    expected.met_by(*outcomes)


_FIGURES = (
    *(b"NaN", b"Infinity", b"-Infinity", b"-1", b'"-1"', b"1e308", b"1e999", b'"1e3"', b'"NaN"', b'"Infinity"'),
    *(b"true", b"null", b"[]", b"{}", b'""', b'" 1"', b'"1 "', b'"+1"', b'"01"', b'".5"', b'"5."', b'"0x1"', b'"1,5"'),
    *(
        b'"0.0000000000001"',
        b"9" * 400,
        b'"' + b"9" * 400 + b'"',
        '"\u0661"'.encode(),
        b"1.0000000000000001e-13",
        b"-0.1",
    ),
)


@attack("IT017", "reject:400")
async def test_a_figure_that_is_no_canonical_decimal_is_malformed(expected, open_patient_site):
    outcomes = []
    for name in ("energy_kwh", "duration_s", "gpu_utilization"):
        for figure in _FIGURES:
            raw = json.dumps(json.loads(posted(gpu_utilization="50")) | {name: "@"}).encode()
            outcomes.append(of_response(await open_patient_site.post(PATH, raw.replace(b'"@"', figure))))
    expected.met_by(*outcomes)


@pytest.fixture
async def open_patient_site(site_url):
    """A service that does not count what it refuses."""
    built = sites.build(sites.site_settings(site_url, refused_rate_per_minute=1_000_000))
    async with built.client:
        yield built


_BOUND = (
    "more energy than the registered power limit allows is refused, not flagged (docs/api.md); readings that stay the "
    "same are not looked for, since an idle accelerator's do"
)


@attack("IT019", "reject:422 CLAIM_IMPLAUSIBLE", differs=_BOUND)
async def test_more_energy_than_the_registered_power_can_give_is_refused(expected, site):
    # 5,600 W for 2.75 s, and a tenth: 0.004705555555 kWh.
    changes = (
        {"energy_kwh": "0.004705555556"},
        {"energy_kwh": "1"},
        {"energy_kwh": "1000000000000"},
        {"duration_s": None, "energy_kwh": "134.400000000001"},
        {"duration_s": "86400", "energy_kwh": "147.840000000001"},
        {"duration_s": "0.000001", "energy_kwh": "0.00000001"},
    )
    expected.met_by(*[of_response(await site.telemetry(**change)) for change in changes])
    assert (await site.telemetry(energy_kwh="0.004705555555")).status_code == 201


@attack("IT023", "reject:415")
async def test_a_compressed_body_is_refused_before_it_is_unpacked(expected, site):
    bomb = gzip.compress(b"0" * 10_000_000)
    codings = ("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, gzip", "identity, gzip", "GZIP", "*")
    expected.met_by(*[of_response(await site.post(PATH, bomb, {"content-encoding": coding})) for coding in codings])
    for content_type in ("application/gzip", "application/x-ndjson", "application/json+gzip", "multipart/form-data"):
        answer = await site.client.post(PATH, content=bomb, headers={"content-type": content_type})
        expected.met_by(of_response(answer))
    # Unannounced it is no JSON.
    assert of_response(await site.post(PATH, bomb)).problem == "400 PARSING_ERROR"


@attack("IT024", "reject:400")
async def test_bytes_that_are_not_exactly_one_json_object_are_refused(expected, open_patient_site):
    valid = posted()
    broken = [valid[:length] for length in range(0, len(valid), 9)]
    broken += [valid + tail for tail in (b"x", b"{}", b"\0", valid, b"//", b",", b"\x0b")]
    broken += [
        valid[:-1] + b',"energy_kwh":"0.1"}',
        valid[:-1] + b',"energy\\u005fkwh":"0.1"}',
        valid.replace(b"inference-1", b"inference-\xff"),
        valid.replace(b"inference-1", b"inference-\xc0\xaf"),
        valid.replace(b"inference-1", b"inference-\xed\xa0\x80"),
        valid.replace(b"inference-1", b"inference-\xf4\x90\x80\x80"),
        valid.replace(b"inference-1", rb"\ud800"),
        valid.replace(b"inference-1", rb"\u0000"),
        valid.replace(b"inference-1", b"a\nb"),
        valid.decode().encode("utf-16"),
        valid.decode().encode("utf-32"),
        b"\xef\xbb\xbf" + valid,
        valid.replace(b'"', b"'"),
        valid[:-1] + b",}",
        b"/* x */" + valid,
        *(b"[]", b"null", b"1", b'"x"', b"true", b" ", b"\0", b"[" + valid + b"]"),
    ]
    expected.met_by(*[of_response(await open_patient_site.post(PATH, raw)) for raw in broken])


_TOO_DEEP = "docs/api.md: what is nested too deeply is a resource limit and answered as one, 413, as what is too long"


@attack("IT025", "reject:413", differs=_TOO_DEEP)
async def test_deep_nesting_is_a_limit_and_no_fault(expected, open_patient_site):
    valid = posted()
    deep = [b"[" * depth + b"]" * depth for depth in (17, 100, 1000, 8000, 100_000)]
    deep += [b'{"a":' * depth + b"1" + b"}" * depth for depth in (17, 1000, 2700, 100_000)]
    deep += [valid[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}" for depth in (17, 1000, 7000)]
    deep += [b"[" * depth for depth in (1000, 16_000, 100_000)]
    expected.met_by(*[of_response(await open_patient_site.post(PATH, raw)) for raw in deep])
    assert (await open_patient_site.telemetry()).status_code == 201


def _with_signature(signature):
    return body() | {"signature": base64url.encode(signature)}


@attack("IT027", "reject:401")
async def test_a_signature_of_another_kind_is_not_the_node_s(expected, site):
    message = signing_input(body())
    key = node_signer(7).public_key
    public = base64url.decode(str(key.jwk["x"])) + base64url.decode(str(key.jwk["y"]))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    good = node_signer(7).sign(message, "ES256")
    high_s = good[:32] + (order - int.from_bytes(good[32:], "big")).to_bytes(32, "big")
    forged = [
        hmac.new(public, message, hashlib.sha512).digest(),
        hmac.new(json.dumps(dict(key.jwk)).encode(), message, hashlib.sha512).digest(),
        bytes(64),
        b"\0" * 31 + b"\1" + b"\0" * 31 + b"\1",
        order.to_bytes(32, "big") * 2,
        b"\xff" * 64,
        good[::-1],
        good[32:] + good[:32],
        b"\0" + good,
        good + b"\0",
        signer_for("EdDSA", 1).sign(message, "EdDSA"),
        node_signer(7).sign(b"another message", "ES256"),
        # Signed with the enrolment's prefix, as if one signature could stand for the other.
        node_signer(7).sign(b"gc/1 enrolment\0" + message, "ES256"),
        node_signer(7).sign(message + b"\n", "ES256"),
    ]
    expected.met_by(*[of_response(await site.post(PATH, _with_signature(signature))) for signature in forged])
    # ECDSA takes s and its complement alike; the record is the same one, so it gets the same credential.
    first = await site.post(PATH, _with_signature(good))
    assert first.status_code == 201
    assert (await site.post(PATH, _with_signature(high_s))).content == first.content


@attack("IT027", "reject:415", differs="only application/json is read, so neither JOSE nor COSE reaches a parser")
async def test_records_in_jose_or_cose_are_not_read(expected, site):
    types = ("application/jose", "application/jose+json", "application/cbor", "application/cose", "application/jwt")
    expected.met_by(
        *[
            of_response(await site.client.post(PATH, content=posted(), headers={"content-type": content_type}))
            for content_type in types
        ]
    )
    jws = ("eyJhbGciOiJub25lIn0.." + "A" * 86, "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9..AAAA", "")
    for signature in jws:
        answer = await site.post(PATH, body() | {"signature": signature})
        assert of_response(answer).problem.startswith("400 "), answer.text
    short = base64url.encode(hmac.new(b"", signing_input(body()), hashlib.sha256).digest())
    assert of_response(await site.post(PATH, body() | {"signature": short})).problem == "400 MALFORMED_VALUE_ERROR"
