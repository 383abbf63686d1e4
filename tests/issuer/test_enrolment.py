from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import agent.enrol
from did.algorithms import Algorithm
from did.signing import Signer
from issuer import enrolment
from issuer.enrolment import EnrolmentRequest
from issuer.errors import EnrolmentError, InvitationError, PossessionError, UnknownRegionError
from issuer.node_details import NodeDetails
from issuer.store.errors import ConflictError, NotFoundError
from schemas import base64url
from schemas.strict_json import JsonObject
from tests.fakes import issuer as fakes
from tests.fakes.issuer import Works

DETAILS = NodeDetails(node_id="node-9", tenant_id="acme", grid_region="DE", tdp_w=700, pue="1.2", simulated=True)


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


def secret(length: int) -> bytes:
    return bytes(range(length))


async def token_of(works: Works, details: NodeDetails = DETAILS) -> str:
    return await enrolment.invite(works.store, details, works.clock.now(), secret)


def request(token: str, key: Signer | None = None, **changes: object) -> EnrolmentRequest:
    key = key or fakes.node_signer(9)
    jwk: JsonObject = {**key.public_key.jwk}
    signature = key.sign(enrolment.enrolment_input(token, jwk), key.public_key.algorithms[0])
    plain = EnrolmentRequest(token=token, jwk=jwk, signature=base64url.encode(signature))
    return msgspec.structs.replace(plain, **changes)


async def test_an_invited_node_enrols_with_what_the_administrator_settled(works: Works) -> None:
    node = await enrolment.enrol(works.store, request(await token_of(works)), works.clock.now())
    assert (node.id, node.tenant_id, node.grid_region, node.tdp_w) == ("node-9", "acme", "DEU", 700)
    assert (node.pue, node.simulated, node.state) == ("1.2", True, "active")
    assert node.key_uri == fakes.node_signer(9).public_key.thumbprint_uri
    assert await works.store.nodes.get("node-9") == node


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "PS256"])
async def test_each_kind_of_node_key_can_enrol(works: Works, algorithm: Algorithm) -> None:
    asked = request(await token_of(works), fakes.node_signer(9, algorithm))
    assert (await enrolment.enrol(works.store, asked, works.clock.now())).id == "node-9"


async def test_a_token_is_256_random_bits_and_only_its_hash_is_stored(works: Works, tmp_path: Path) -> None:
    token = await token_of(works)
    assert token == enrolment.TOKEN_PREFIX + base64url.encode(secret(32))
    stored = database_bytes(tmp_path)
    assert enrolment.token_sha256(token) in stored
    assert token.encode() not in stored
    assert secret(32) not in stored


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("issuer.db*"))


async def test_the_same_node_may_ask_again_since_its_answer_may_be_lost(works: Works) -> None:
    asked = request(await token_of(works))
    first = await enrolment.enrol(works.store, asked, works.clock.now())
    assert await enrolment.enrol(works.store, asked, works.clock.now()) == first


async def test_a_used_token_enrols_no_second_key(works: Works) -> None:
    token = await token_of(works)
    await enrolment.enrol(works.store, request(token), works.clock.now())
    with pytest.raises(InvitationError):
        await enrolment.enrol(works.store, request(token, fakes.node_signer(10)), works.clock.now())


async def test_an_expired_token_enrols_nobody(works: Works) -> None:
    asked = request(await token_of(works))
    works.clock.advance(enrolment.DEFAULT_VALIDITY)
    with pytest.raises(InvitationError):
        await enrolment.enrol(works.store, asked, works.clock.now())


@pytest.mark.parametrize("token", ["", "short", "A" * 43, "gci_short", "not base64!", "A" * 1000])
async def test_an_unknown_token_is_told_apart_from_an_expired_one_to_nobody(works: Works, token: str) -> None:
    with pytest.raises(InvitationError, match="token"):
        await enrolment.enrol(works.store, request(token), works.clock.now())


async def test_possession_of_the_key_is_proven_over_the_token(works: Works) -> None:
    token = await token_of(works)
    elsewhere = request(base64url.encode(bytes(32)))
    with pytest.raises(PossessionError):
        await enrolment.enrol(works.store, request(token, signature=elsewhere.signature), works.clock.now())


async def test_possession_of_another_key_proves_nothing(works: Works) -> None:
    victim: JsonObject = {**fakes.node_signer(11).public_key.jwk}
    with pytest.raises(PossessionError):
        await enrolment.enrol(works.store, request(await token_of(works), jwk=victim), works.clock.now())


async def test_a_telemetry_signature_proves_no_possession(works: Works) -> None:
    key, token = fakes.node_signer(9), await token_of(works)
    without_prefix = enrolment.enrolment_input(token, {**key.public_key.jwk}).removeprefix(b"gc/1 enrolment\0")
    signature = base64url.encode(key.sign(without_prefix, "ES256"))
    with pytest.raises(PossessionError):
        await enrolment.enrol(works.store, request(token, signature=signature), works.clock.now())


async def test_a_refused_possession_leaves_the_token_usable(works: Works) -> None:
    token = await token_of(works)
    with pytest.raises(PossessionError):
        await enrolment.enrol(works.store, request(token, signature="AA"), works.clock.now())
    assert (await enrolment.enrol(works.store, request(token), works.clock.now())).id == "node-9"


def test_a_private_key_is_refused() -> None:
    with pytest.raises(EnrolmentError, match="burnt"):
        enrolment.check_node_key({**fakes.node_signer().public_key.jwk, "d": "AA"})


def test_a_small_order_key_is_refused() -> None:
    identity = base64url.encode(b"\x01" + bytes(31))
    with pytest.raises(EnrolmentError):
        enrolment.check_node_key({"kty": "OKP", "crv": "Ed25519", "x": identity})


def test_a_short_rsa_key_is_refused() -> None:
    modulus = base64url.encode(b"\xc0" + b"\x01" * 127)
    with pytest.raises(EnrolmentError):
        enrolment.check_node_key({"kty": "RSA", "e": "AQAB", "n": modulus})


def test_a_key_on_p_384_is_refused() -> None:
    with pytest.raises(EnrolmentError, match="P-256"):
        enrolment.check_node_key({**fakes.node_signer(9, "ES384").public_key.jwk})


def test_a_key_bound_to_another_algorithm_is_refused() -> None:
    with pytest.raises(EnrolmentError, match="RSA-PSS"):
        enrolment.check_node_key({**fakes.node_signer(9, "PS256").public_key.jwk, "alg": "RS256"})


async def test_an_invitation_for_an_unknown_region_is_refused(works: Works) -> None:
    with pytest.raises(UnknownRegionError):
        await token_of(works, msgspec.structs.replace(DETAILS, grid_region="Atlantis"))


async def test_an_invitation_for_an_unknown_tenant_is_refused(works: Works) -> None:
    with pytest.raises(NotFoundError):
        await token_of(works, msgspec.structs.replace(DETAILS, tenant_id="nobody"))


@pytest.mark.parametrize("validity", [timedelta(0), timedelta(days=-1), timedelta(hours=721)])
async def test_an_invitation_expires_within_720_hours(works: Works, validity: timedelta) -> None:
    with pytest.raises(EnrolmentError, match="720"):
        await enrolment.invite(works.store, DETAILS, works.clock.now(), secret, validity)


async def test_an_administrator_registers_a_node_directly(works: Works) -> None:
    key = fakes.node_signer(9).public_key
    node = await enrolment.register(works.store, DETAILS, {**key.jwk}, works.clock.now())
    assert await works.store.nodes.get("node-9") == node
    assert await works.store.nodes.node_key(key.thumbprint_uri) == key.jwk


async def test_a_node_id_is_registered_once(works: Works) -> None:
    taken = msgspec.structs.replace(DETAILS, node_id="node-7")
    with pytest.raises(ConflictError):
        await enrolment.register(works.store, taken, {**fakes.node_signer(9).public_key.jwk}, works.clock.now())


async def test_the_agent_s_own_request_enrols(works: Works) -> None:
    raw = agent.enrol.request_body(await token_of(works), fakes.node_signer(9))
    asked = msgspec.json.decode(raw, type=EnrolmentRequest)
    assert (await enrolment.enrol(works.store, asked, works.clock.now())).id == "node-9"
