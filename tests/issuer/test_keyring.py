import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from did.algorithms import Algorithm
from did.documents import parse_document, read_document
from did.errors import SignerError
from did.signers import generate_file_key
from did.signers.file import file_uri
from issuer import keyring
from issuer.errors import KeyLimitError, KeyMismatchError, NoSigningKeyError
from issuer.keyring import Keyring
from issuer.store.errors import ConflictError, NotFoundError
from schemas import times
from tests.fakes import issuer as fakes
from tests.fakes.did import BrokenSigner, signer
from tests.fakes.issuer import Works


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    async with fakes.opened(tmp_path) as opened:
        yield opened


def add(works: Works, uri: str, number: int) -> str:
    works.keyholder.signers[uri] = signer("ES256", number)
    return uri


async def test_the_active_key_signs_under_the_did_s_fragment(works: Works) -> None:
    key = await works.keyring.active("root")
    assert key.verification_method == "did:web:oracle.example#key-1"
    assert (key.issuer_did, key.algorithm) == (fakes.DID, "ES256")
    assert key.signer is works.keyholder.signers[fakes.KEY_URI]


async def test_a_did_key_issuer_signs_under_its_own_method(tmp_path: Path) -> None:
    did = "did:key:zDnaeVfMTW2FXNunxZaGLTQqg8q28KdNX31teQHFicGGwnQWS"
    async with fakes.opened(tmp_path, did=did) as works:
        assert (await works.keyring.active("root")).verification_method == f"{did}#{did.removeprefix('did:key:')}"


async def test_a_key_is_opened_once(works: Works) -> None:
    opened = len(works.keyholder.opened)
    for _ in range(3):
        await works.keyring.active("root")
    assert len(works.keyholder.opened) <= opened + 1


async def test_a_key_file_is_opened_by_its_uri(works: Works, tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"
    generate_file_key(path, "EdDSA")
    ring = Keyring(works.store, works.clock)
    key = await ring.rotate("root", "key-2", file_uri(path))
    assert (key.algorithm, key.verification_method) == ("EdDSA", "did:web:oracle.example#key-2")


async def test_an_issuer_without_a_key_signs_nothing(works: Works) -> None:
    await works.store.issuers.add("other", "did:web:oracle.example:issuers:other", "Other", now_us=0)
    with pytest.raises(NoSigningKeyError, match="rotate"):
        await works.keyring.active("other")


async def test_an_unknown_issuer_has_no_key_and_no_document(works: Works) -> None:
    with pytest.raises(NotFoundError):
        await works.keyring.active("nobody")
    with pytest.raises(NotFoundError):
        await works.keyring.document("nobody")


async def test_a_key_that_was_swapped_on_disk_is_refused(works: Works) -> None:
    works.keyholder.signers[fakes.KEY_URI] = signer("ES256", 99)
    with pytest.raises(KeyMismatchError, match="publishes"):
        await Keyring(works.store, works.clock, works.keyholder).active("root")


async def test_a_key_swapped_for_another_kind_is_refused(works: Works) -> None:
    works.keyholder.signers[fakes.KEY_URI] = fakes.FaultySigner(signer("ES256"))
    works.keyholder.signers[fakes.KEY_URI].broken = True  # type: ignore[attr-defined]
    with pytest.raises(KeyMismatchError):
        await Keyring(works.store, works.clock, works.keyholder).check_all()


def test_a_key_that_cannot_be_used_is_not_called_a_mismatch() -> None:
    public = signer("ES256").public_key
    with pytest.raises(SignerError, match="token"):
        keyring.self_test(BrokenSigner(public), {**public.jwk}, "ES256")


async def test_a_good_set_of_keys_passes_the_check_at_start(works: Works) -> None:
    await works.keyring.check_all()


async def test_rotating_publishes_the_new_key_and_keeps_the_old_one(works: Works) -> None:
    await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    document = parse_document(await works.keyring.document("root"), fakes.DID)
    for fragment in ("key-1", "key-2"):
        document.key_for(f"{fakes.DID}#{fragment}", "assertionMethod")


async def test_the_old_key_no_longer_authenticates(works: Works) -> None:
    await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    authentication = (await works.keyring.document("root"))["authentication"]
    assert authentication == [f"{fakes.DID}#key-2", f"{fakes.DID}#key-2-multikey"]


async def test_another_process_signs_with_the_new_key_at_once(works: Works) -> None:
    other = Keyring(works.store, works.clock, works.keyholder)
    await other.active("root")
    await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    assert (await other.active("root")).verification_method.endswith("#key-2")


async def test_a_key_that_does_not_sign_is_never_rotated_to(works: Works) -> None:
    works.keyholder.signers["memory:broken"] = BrokenSigner(signer("ES256", 3).public_key)
    with pytest.raises(SignerError):
        await works.keyring.rotate("root", "key-2", "memory:broken")
    assert (await works.keyring.active("root")).verification_method.endswith("#key-1")


async def test_a_key_id_is_given_once(works: Works) -> None:
    with pytest.raises(ConflictError):
        await works.keyring.rotate("root", "key-1", add(works, "memory:2", 2))


async def retire(works: Works, count: int, algorithm: Algorithm = "ES256") -> None:
    for number in range(count):
        jwk = {**signer(algorithm, number + 100).public_key.jwk}
        await works.store.keys.add(
            "root", f"old-{number:039}", "memory:old", jwk, algorithm, state="retired", now_us=number
        )


async def test_a_key_that_the_did_document_has_no_room_for_is_not_rotated_to(works: Works) -> None:
    await retire(works, 126)
    before = await works.keyring.document("root")
    with pytest.raises(KeyLimitError, match="green-issuer issuers add"):
        await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    assert (await works.keyring.active("root")).verification_method.endswith("#key-1")
    assert await works.keyring.document("root") == before


async def test_the_last_key_that_finds_room_can_be_revoked(works: Works) -> None:
    await retire(works, 125)
    await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    await works.store.keys.revoke("root", "key-2", now_us=times.to_microseconds(works.clock.now()))
    document = await works.keyring.document("root")
    assert len(read_document(json.dumps(document).encode(), fakes.DID).verification_methods) == 127


async def test_a_document_with_too_many_keys_is_a_fault_of_the_issuer(works: Works) -> None:
    await retire(works, 127)
    with pytest.raises(KeyLimitError) as fault:
        await works.keyring.document("root")
    assert fault.value.status == 500


async def test_a_revoked_key_is_published_with_its_time_and_asserts_nothing(works: Works) -> None:
    await works.keyring.rotate("root", "key-2", add(works, "memory:2", 2))
    works.clock.advance(timedelta(hours=1))
    await works.store.keys.revoke("root", "key-1", now_us=times.to_microseconds(works.clock.now()))
    document = await works.keyring.document("root")
    assert f"{fakes.DID}#key-1" not in document["assertionMethod"]  # type: ignore[operator]
    assert "2026-11-20T21:01:05Z" in json.dumps(document["verificationMethod"])


async def test_the_document_holds_no_private_member(works: Works) -> None:
    document = json.dumps(await works.keyring.document("root"))
    assert '"d"' not in document
    assert "memory:" not in document
