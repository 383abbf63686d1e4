import json

import pytest

from schemas.errors import ParsingError, ResourceLimitError
from tests.fakes.verifier import World
from tests.vectors import FORMATS
from wallet.archive import Archive, read_credential
from wallet.errors import NotACredentialError, UnknownCredentialError

RAW = (FORMATS / "credential-minimal.vc11.json").read_bytes()
INFERENCE = "019aa2c4-6d00-7a10-8f00-000000000004"


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "credentials")


def test_a_kept_credential_has_the_bytes_that_were_received(archive) -> None:
    archive.keep(read_credential(RAW))
    assert [held.raw for held in archive.all()] == [RAW]


def test_the_same_bytes_are_kept_once(archive) -> None:
    assert archive.keep(read_credential(RAW))
    assert not archive.keep(read_credential(RAW))
    assert len(list(archive.all())) == 1


def test_other_bytes_of_the_same_credential_are_another_file(archive) -> None:
    archive.keep(read_credential(RAW))
    archive.keep(read_credential(json.dumps(json.loads(RAW)).encode()))
    assert len(list(archive.all())) == 2


def test_a_part_that_a_crash_left_is_no_credential(archive, tmp_path) -> None:
    archive.keep(read_credential(RAW))
    (tmp_path / "credentials" / ".uEi.123.part").write_bytes(RAW[:100])
    assert len(list(archive.all())) == 1


def test_only_the_owner_may_look_into_a_new_archive(archive, tmp_path) -> None:
    archive.keep(read_credential(RAW))
    assert (tmp_path / "credentials").stat().st_mode & 0o077 == 0


def test_an_archive_that_was_never_used_is_empty(archive) -> None:
    assert list(archive.all()) == []


@pytest.mark.parametrize("name", [INFERENCE, "https://oracle.example/credentials/019aa2c5-9410-7c00-9a00-0000000000c3"])
def test_a_credential_answers_to_its_id_and_its_inference_id(archive, name) -> None:
    archive.keep(read_credential(RAW))
    assert archive.find(name).raw == RAW


def test_a_credential_answers_to_the_beginning_of_its_digest(archive) -> None:
    held = read_credential(RAW)
    archive.keep(held)
    assert archive.find(held.digest[:16]) == held


def test_the_prefix_that_all_digests_share_is_no_name(archive) -> None:
    archive.keep(read_credential(RAW))
    with pytest.raises(UnknownCredentialError, match="list"):
        archive.find("uEi")


def test_a_name_that_two_credentials_answer_to_is_refused(archive) -> None:
    archive.keep(read_credential(RAW))
    archive.keep(read_credential(json.dumps(json.loads(RAW)).encode()))
    with pytest.raises(UnknownCredentialError, match="2 credentials"):
        archive.find(INFERENCE)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"not json", ParsingError),
        (b'{"type":["VerifiableCredential"],"type":[]}', ParsingError),
        (b'{"type":["VerifiableCredential"]}', NotACredentialError),
        (b'{"type":["VerifiablePresentation"],"proof":{}}', NotACredentialError),
        (b'{"type":"Other","proof":{}}', NotACredentialError),
        (b"[]", ParsingError),
        (b'{"a":' * 20 + b"1" + b"}" * 20, ResourceLimitError),
    ],
)
def test_what_is_no_signed_credential_is_not_read(raw, error) -> None:
    with pytest.raises(error):
        read_credential(raw)


def test_the_facts_of_a_credential_are_read_from_its_own_members() -> None:
    held = read_credential(json.dumps(World().credential()).encode())
    assert held.types == ["GreenComputeCredential"]
    assert held.issuer == "did:web:oracle.example"
    assert held.claim("energyKwh") == "0.000729"
    assert held.claim("jobId") == ""


def test_an_issuer_may_be_an_object_and_an_id_may_be_missing() -> None:
    held = read_credential(b'{"type":"VerifiableCredential","issuer":{"id":"did:key:z"},"proof":{}}')
    assert (held.issuer, held.id, held.types) == ("did:key:z", held.digest, [])


def test_a_folder_that_cannot_be_written_is_not_hidden(archive, tmp_path) -> None:
    (tmp_path / "credentials").write_text("a file stands in the way")
    with pytest.raises(OSError, match="exists"):
        archive.keep(read_credential(RAW))
