"""Evidence folders: recognized by content, written so that a verdict can be made again."""

import json

import pytest

from schemas import digests
from tests.fakes.grid_documents import posted, raw_of, slots_from, straddling
from tests.fakes.verifier import INDEX, LISTS, NODE, Signatory, World, drop, edited, fetched, put, signer
from verifier import folder
from verifier.errors import FetchBlockedError, FetchFailedError, UsageError
from verifier.evidence import Evidence, absent, name_of_list
from verifier.folder import load_folder, save
from verifier.policy import Policy
from verifier.report import Outcome


@pytest.fixture(scope="module")
def world():
    return World(origin="folder", policy=Policy(trust_evidence=True))


def write(path, value):
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def test_a_folder_made_by_hand_is_recognized_by_what_is_in_it(tmp_path, world):
    value = world.credential()
    write(tmp_path / "anything.json", world.issuer.document())
    write(tmp_path / "b.json", world.status_list("revocation"))
    write(tmp_path / "c.json", world.status_list("suspension"))
    write(tmp_path / "node.jwk", {**NODE.public_key.jwk})
    write(tmp_path / "record", next(iter(world.evidence().attachments.values())).body)
    write(tmp_path / "credential.json", value)
    write(tmp_path / "notes.txt", b"\xff not json")
    evidence = load_folder(tmp_path)
    assert set(evidence.did_documents) == {world.issuer.did}
    assert set(evidence.status_lists) == set(LISTS.values())
    assert NODE.public_key.thumbprint_uri in evidence.attachments
    assert world.report(value, evidence).outcome is Outcome.VERIFIED


def test_every_file_counts_under_the_digest_of_its_bytes(tmp_path):
    write(tmp_path / "record.json", b'{"a": 1}')
    assert load_folder(tmp_path).attachments[digests.digest(b'{"a": 1}')].body == b'{"a": 1}'


def test_what_comes_from_a_folder_says_so(tmp_path, world):
    save(World().evidence(), tmp_path)
    assert {entry.origin for _, _, entry in load_folder(tmp_path).items()} == {"folder"}


def test_a_saved_verdict_is_made_again_byte_for_byte(tmp_path, world):
    value, gathered = world.credential(), world.evidence()
    save(gathered, tmp_path / "a" / "b")
    first = world.report(value, load_folder(tmp_path / "a" / "b"))
    again = world.report(value, load_folder(tmp_path / "a" / "b"))
    assert first.outcome is Outcome.VERIFIED
    assert first.to_json() == again.to_json()
    assert {entry.retrieved_at for entry in first.evidence} == {entry.retrieved_at for _, _, entry in gathered.items()}


def test_a_failed_fetch_is_saved_as_evidence_of_absence(tmp_path, world):
    url = LISTS["revocation"]
    failed = absent(url, FetchFailedError("no answer"), origin="network", retrieved_at="2026-11-20T20:59:59Z")
    save(Evidence(status_lists={url: failed}), tmp_path)
    entry = load_folder(tmp_path).status_lists[url]
    assert (entry.body, entry.problem, entry.detail) == (None, "FETCH_FAILED", "no answer")


def test_the_manifest_cannot_say_what_a_file_is(tmp_path, world):
    save(world.evidence(), tmp_path)
    manifest = json.loads((tmp_path / folder.MANIFEST).read_bytes())
    for entry in manifest["entries"]:
        entry["name"] = "did:web:evil.example"
    write(tmp_path / folder.MANIFEST, manifest)
    assert set(load_folder(tmp_path).did_documents) == {world.issuer.did}


def test_of_two_versions_of_a_list_the_one_issued_later_counts(tmp_path, world):
    older = world.status_list("revocation")
    newer = world.status_list("revocation", put("issuanceDate", "2026-11-20T20:30:00Z"))
    write(tmp_path / "a.json", newer)
    write(tmp_path / "b.json", older)
    body = load_folder(tmp_path).status_lists[LISTS["revocation"]].body
    assert json.loads(body)["issuanceDate"] == "2026-11-20T20:30:00Z"


def test_of_two_versions_of_a_did_document_the_one_retrieved_later_counts(tmp_path, world):
    did, url = world.issuer.did, "https://oracle.example/.well-known/did.json"
    older = fetched(url, edited(world.issuer.document(), drop("authentication")))
    save(Evidence(did_documents={did: older}), tmp_path)
    write(tmp_path / "zz.json", world.issuer.document())
    assert "authentication" in json.loads(load_folder(tmp_path).did_documents[did].body)


def test_a_file_that_is_too_large_is_left_out(tmp_path):
    write(tmp_path / "large.json", b" " * (folder.MAX_FILE_BYTES + 1))
    assert not load_folder(tmp_path).attachments


def test_a_private_key_in_the_folder_is_no_nodes_key(tmp_path):
    write(tmp_path / "key.jwk", {**NODE.public_key.jwk, "d": "AAAA"})
    assert NODE.public_key.thumbprint_uri not in load_folder(tmp_path).attachments


@pytest.mark.parametrize("content", [b"{", b'{"version": 1}', b'{"version": 1, "entries": [{"part": "x"}]}'])
def test_a_manifest_that_cannot_be_read_is_said_to_be_wrong(tmp_path, content):
    write(tmp_path / folder.MANIFEST, content)
    with pytest.raises(UsageError, match="list of evidence"):
        load_folder(tmp_path)


def test_a_folder_that_is_not_there_is_said_to_be_wrong(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_folder(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_said_to_be_wrong(tmp_path, world):
    write(tmp_path / "file", b"")
    with pytest.raises(UsageError, match="cannot be saved"):
        save(world.evidence(), tmp_path / "file")


def test_the_evidence_of_a_second_document_leaves_that_of_the_first(tmp_path, world):
    value, first = world.credential(), world.evidence()
    save(first, tmp_path)
    other = World(origin="folder", issuer=Signatory(signer(9), "did:web:other.example"), base="https://other.example")
    save(other.evidence(), tmp_path)
    assert world.report(value, load_folder(tmp_path)).outcome is Outcome.VERIFIED
    assert load_folder(tmp_path).did_documents.keys() == {world.issuer.did, "did:web:other.example"}


def test_what_was_absent_and_is_there_now_is_no_longer_listed_as_absent(tmp_path, world):
    url = LISTS["revocation"]
    save(Evidence(status_lists={url: absent(url, FetchFailedError("down"), origin="network")}), tmp_path)
    save(world.evidence(), tmp_path)
    assert load_folder(tmp_path).status_lists[url].body is not None


# --- what was remembered -------------------------------------------------------------------------------------


def remembered(world, *, bits=()):
    """Evidence in which a later list is remembered than the one that is offered."""
    later = "2026-11-20T20:30:00Z"
    newer = World(bits={"revocation": set(bits)}).status_list("revocation", put("issuanceDate", later), created=later)
    entry = fetched(LISTS["revocation"], newer, origin="memory")
    name = name_of_list(world.issuer.did, LISTS["revocation"], "revocation")
    return Evidence(remembered={name: entry}).joined(world.evidence())


def test_what_was_remembered_is_saved_apart_from_what_was_offered(tmp_path, world):
    evidence = remembered(world, bits={INDEX})
    save(evidence, tmp_path)
    loaded = load_folder(tmp_path)
    assert set(loaded.remembered) == set(evidence.remembered)
    url = LISTS["revocation"]
    assert loaded.status_lists[url].body == evidence.status_lists[url].body
    value = world.credential()
    assert world.report(value, loaded).checks == world.report(value, evidence).checks
    assert world.report(value, loaded).problem == "REVOKED"


def test_what_is_remembered_as_it_was_offered_is_one_file(tmp_path, world):
    evidence = world.evidence()
    entry = evidence.status_lists[LISTS["revocation"]]
    name = name_of_list(world.issuer.did, LISTS["revocation"], "revocation")
    save(Evidence(remembered={name: entry}).joined(evidence), tmp_path)
    assert not load_folder(tmp_path).remembered
    assert not list(tmp_path.glob("known-list-*"))


def test_a_manifest_that_calls_a_list_remembered_can_only_make_the_verdict_stricter(tmp_path, world):
    save(world.evidence(), tmp_path)
    manifest = json.loads((tmp_path / folder.MANIFEST).read_bytes())
    for entry in manifest["entries"]:
        entry["part"] = "remembered"
    write(tmp_path / folder.MANIFEST, manifest)
    loaded = load_folder(tmp_path)
    assert set(loaded.did_documents) == {world.issuer.did}
    assert world.report(world.credential(), loaded).problem == "STATUS_RETRIEVAL_ERROR"


# --- what somebody else put there ----------------------------------------------------------------------------


def test_a_manifest_that_is_too_large_is_not_read_whole(tmp_path):
    with (tmp_path / folder.MANIFEST).open("wb") as file:
        file.truncate(64 * 1024**3)
    with pytest.raises(UsageError, match="list of evidence"):
        load_folder(tmp_path)


def test_a_folder_that_holds_too_much_is_said_to_rather_than_read_in_part(tmp_path):
    for number in range(folder.MAX_FOLDER_BYTES // folder.MAX_FILE_BYTES + 1):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(folder.MAX_FILE_BYTES)
    with pytest.raises(UsageError, match="a folder of its own"):
        load_folder(tmp_path)


def test_a_folder_of_too_many_files_is_said_to_be_one(tmp_path):
    for number in range(folder.MAX_FILES + 1):
        (tmp_path / f"{number}").touch()
    with pytest.raises(UsageError, match="a folder of its own"):
        load_folder(tmp_path)


def test_links_in_the_folder_are_replaced_and_not_followed(tmp_path, world):
    save(world.evidence(), tmp_path / "kept")
    names = [path.name for path in (tmp_path / "kept").iterdir()]
    (tmp_path / "trap").mkdir()
    for name in names:
        (tmp_path / "victims").mkdir(exist_ok=True)
        (tmp_path / "trap" / name).symlink_to(tmp_path / "victims" / name)
    save(world.evidence(), tmp_path / "trap")
    assert not list((tmp_path / "victims").iterdir())
    assert load_folder(tmp_path / "trap").did_documents.keys() == {world.issuer.did}


def test_what_was_never_asked_for_is_not_saved(tmp_path):
    over = absent("https://a.example/1", FetchFailedError("over budget"), origin="network")
    asked = absent(
        "https://a.example/2", FetchFailedError("404"), origin="network", retrieved_at="2026-11-20T20:59:59Z"
    )
    blocked = absent("https://a.example/3", FetchBlockedError("private"), origin="network")
    save(Evidence(attachments={one.url: one for one in (over, asked, blocked)}), tmp_path)
    assert load_folder(tmp_path).attachments.keys() == {asked.url, blocked.url}


def test_the_evidence_of_a_thousand_credentials_can_be_read_again_and_added_to(tmp_path):
    many = {f"u{number:044}": fetched(f"https://a.example/{'x' * 400}/{number}", b"{}") for number in range(2000)}
    for _ in range(2):
        save(Evidence(attachments=many), tmp_path)
    assert (tmp_path / folder.MANIFEST).stat().st_size > 1024 * 1024
    assert load_folder(tmp_path).attachments


def test_slots_of_a_carbon_intensity_are_found_by_their_digest(tmp_path):
    place = straddling()
    place.policy = Policy(trust_evidence=True, require_grid_data=True)
    slots = slots_from("2026-11-20T20:00:00Z", ["300", "420.5"])
    value, base = posted(place, slots), place.evidence()
    save(base, tmp_path)
    assert place.report(value, load_folder(tmp_path)).outcome is Outcome.INCONCLUSIVE
    write(tmp_path / "from-the-auditor.json", raw_of(slots))
    report = place.report(value, load_folder(tmp_path))
    assert (report.outcome, report.grid.slots) == (Outcome.VERIFIED, 2)
