"""The attacks on posted records, made on windows: their times, figures, compression, JSON and signatures."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from datetime import timedelta

from schemas import base64url
from schemas.window_header import SOFTWARE_TYP
from tests.attacks.catalogue import attack, of_response
from tests.fakes.did import signer as signer_for
from tests.fakes.issuer import node_signer
from tests.fakes.soft_tpm import canonical, lines
from tests.fakes.window_node import PLAIN, WindowNode, post_window
from tests.issuer import conftest as running

furnished, site_url, site = running.furnished, running.site_url, running.site
open_site = running.open_site


def _honest() -> tuple[bytes, bytes, bytes]:
    """Return a first window's header, the lines of its records, and the whole request."""
    node = WindowNode()
    own = node.records()
    own = [node._complete(one) for one in own]
    header = canonical(node.header(own))
    return header, lines(*own), node.request(header, lines(*own))


async def _plain(site, body):
    return of_response(await post_window(site, body, PLAIN))


async def test_what_each_attack_begins_from_is_accepted(site):
    assert (await post_window(site, _honest()[2], PLAIN)).status_code == 201


@attack("IT012", "reject:422 TOO_OLD")
async def test_a_window_older_than_a_week_is_too_old(expected, site):
    late, later = WindowNode(7), WindowNode(8)
    site.clock.advance(timedelta(days=7, minutes=1))
    expected.met_by(
        of_response(await post_window(site, late.zipped())), of_response(await post_window(site, later.zipped()))
    )


@attack("IT013", "reject:409 CLOCK_SKEW", differs="409 for windows: what does not follow can follow later")
async def test_a_window_of_a_clock_that_runs_ahead_is_refused(expected, site):
    now_us = int(site.clock.now().timestamp() * 1_000_000)
    for ahead_us in (60_000_001, 61_000_000, 365 * 86_400_000_000, 250_000_000_000_000_000 // 1000):
        node = WindowNode()
        node.chain.wall_us = now_us + ahead_us - 10_000_000
        expected.met_by(of_response(await post_window(site, node.zipped())))
    assert (await post_window(site, WindowNode().zipped())).status_code == 201


@attack("IT019", "reject:400 CLAIM_IMPLAUSIBLE", differs="more energy than the hardware draws is refused, not flagged")
async def test_a_window_of_more_energy_than_the_registered_power_can_give_is_refused(expected, site):
    store = site.store()
    await store.nodes.set_power("node-7", 700)
    await store.close()
    # 700 W for 10 s, and a tenth: 7,700,000 mJ, of which 500,000 are idle or nobody's.
    for active_mj in (7_200_001, 10_000_000):
        node = WindowNode()
        records = [one | {"accelerator_active_mj": active_mj} for one in node.records(1)]
        expected.met_by(of_response(await post_window(site, node.zipped(records))))
    node = WindowNode()
    # More than any accelerator draws, whatever was registered.
    absurd = [one | {"accelerator_active_mj": 10**12} for one in node.records(1)]
    assert of_response(await post_window(site, node.zipped(absurd))).problem == "422 CLAIM_IMPLAUSIBLE"
    node = WindowNode()
    most = [one | {"accelerator_active_mj": 7_200_000} for one in node.records(1)]
    assert (await post_window(site, node.zipped(most))).status_code == 201


@attack("IT023", "reject:413")
async def test_a_bomb_is_unpacked_no_further_than_a_window_may_be(expected, site):
    _, _, body = _honest()
    first = body.partition(b"\n")[0] + b"\n"
    for filling in (b"\0", b"\n"):
        packer = gzip.compress(first + filling * (64 * 1024 * 1024), 1, mtime=0)
        expected.met_by(of_response(await post_window(site, packer)))
    # The first line alone is looked at before the rest is unpacked, and is no larger than it may be.
    long = gzip.compress(b" " * 10_000_000)
    assert of_response(await post_window(site, long)).problem == "400 PARSING_ERROR"


@attack("IT024", "reject:400")
async def test_bytes_that_are_not_exactly_a_window_are_refused(expected, site):
    _, records, body = _honest()
    first, rest = body[: body.index(b"\n") + 1], records
    broken = [body[:length] for length in (0, 1, len(first) - 1, len(first) + 10, len(body) - 1)]
    broken += [
        body + b"x",
        body + b"{}\n",
        body + b"\n",
        b"\n" + body,
        b"\xef\xbb\xbf" + body,
        first.replace(b'{"evidence"', b'{"evidence":1,"evidence"') + rest,
        first.replace(b'{"evidence"', b'{ "evidence"') + rest,
        first[:-2] + b',"x":1}\n' + rest,
        first.replace(b"\n", b"\r\n") + rest,
        body.decode().encode("utf-16"),
    ]
    for old, new in {
        b"inference-0": b"inference-\xff",
        b'"v":1}\n{': b'"v":1,"v":1}\n{',
        b'"requests":1': b'"requests":1.0',
        b'"salt"': b'"s\\u0061lt"',
        b'"v":1': b'"v":2',
    }.items():
        assert old in rest
        broken.append(first + rest.replace(old, new, 1))
    expected.met_by(*[await _plain(site, raw) for raw in broken])


@attack(
    "IT025", "reject:413", differs="docs/api.md: what is nested too deeply is a resource limit, as what is too long"
)
async def test_a_first_line_that_is_nested_deeply_is_a_limit_and_no_fault(expected, site):
    _, records, _ = _honest()
    for depth in (17, 1000, 100_000):
        for deep in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
            if len(deep) < 256 * 1024:
                expected.met_by(await _plain(site, b'{"evidence":' + deep + b"}\n" + records))
    # In a record it is no member of its form.
    _, _, body = _honest()
    deep_record = body.replace(b'"requests":1', b'"requests":' + b"[" * 1500 + b"]" * 1500, 1)
    assert (await _plain(site, deep_record)).problem.startswith("400 ")


@attack("IT027", "reject:401")
async def test_a_window_without_a_signature_of_its_nodes_key_is_refused(expected, site):
    header, records, _ = _honest()
    signer = node_signer(7)
    key = signer.public_key
    honest = {"alg": "ES256", "kid": key.thumbprint_uri, "typ": SOFTWARE_TYP}

    def token(protected, sign):
        signing = base64url.encode(canonical(protected)) + "." + base64url.encode(header)
        return signing + "." + base64url.encode(sign(signing.encode()))

    def own(raw):
        return signer.sign(raw, "ES256")

    def shared_secret(secret):
        return lambda raw: hmac.new(secret, raw, hashlib.sha256).digest()

    public = json.dumps(dict(key.jwk)).encode()
    other = signer_for("EdDSA", 1)
    hostile = [
        token(honest | {"alg": "none"}, lambda raw: b""),
        token(honest | {"alg": "none"}, own),
        token(honest | {"alg": "None"}, own),
        *(
            token(honest | {"alg": "HS256"}, shared_secret(secret))
            for secret in (public, b"", key.thumbprint_uri.encode())
        ),
        token(honest | {"alg": "EdDSA"}, lambda raw: other.sign(raw, "EdDSA")),
        token(honest | {"alg": "RS256"}, own),
        token(honest | {"alg": "ES384"}, own),
        token(honest | {"typ": "JWT"}, own),
        token(honest | {"jwk": dict(key.jwk)}, own),
        token(honest | {"crit": ["b64"], "b64": False}, own),
        token({name: value for name, value in honest.items() if name != "typ"}, own),
        token(honest | {"kid": node_signer(8).public_key.thumbprint_uri}, own),
        token(honest, lambda raw: node_signer(8).sign(raw, "ES256")),
        token(honest, lambda raw: bytes(64)),
        token(honest, lambda raw: own(raw) + b"\0"),
        token(honest, lambda raw: own(raw[:-1])),
        token(honest, own) + ".",
    ]
    # Without a payload there is no header that could be read.
    detached = token(honest, own).partition(".")[0] + ".." + token(honest, own).rpartition(".")[2]
    assert (await _plain(site, canonical({"evidence": {"jws": detached}}) + b"\n")).problem == "400 PARSING_ERROR"
    for jws in hostile:
        expected.met_by(await _plain(site, canonical({"evidence": {"jws": jws}}) + b"\n" + records))
    good = canonical({"evidence": {"jws": token(honest, own)}}) + b"\n" + records
    assert (await post_window(site, good, PLAIN)).status_code == 201
