"""Making a bundle: files recognized by what they are, and what is missing fetched."""

import json

import pytest

from schemas import digests
from schemas.window_record import encode_record
from tests.fakes.soft_tpm import Node
from tests.fakes.verifier import MemoryFetcher, telemetry_record
from tests.fakes.windows import CERTIFICATE, CERTIFICATES, WindowWorld, software_header, software_token
from tests.verifier.bundles import boot_event, files_of, folder_of, node_of, nonces
from verifier.audit_make import collect, complete, include, recognize
from verifier.errors import UsageError


@pytest.fixture(scope="module")
def place():
    return node_of(2)


def kind(content):
    found = recognize(content)
    return None if found is None else found.kind


def test_each_file_is_recognized_by_what_it_is(place):
    made = place.made[0]
    world, node = place.world, Node()
    header = software_header()
    cases = {
        "window": json.dumps(place.credential(made)).encode(),
        "credential": json.dumps(place.inference(made)).encode(),
        "receipt": json.dumps(place.receipt(made)).encode(),
        "enrolment": place.enrolment,
        "boot-event": boot_event(WindowWorld(node=node)),
        "nonce-log": nonces(made),
        "ek-certificate": CERTIFICATE,
        "did-document": json.dumps(world.issuer.document()).encode(),
        "status-list": json.dumps(world.status_list("revocation")).encode(),
        "key": json.dumps({"kty": "EC", "crv": "P-256", "x": "", "y": ""}).encode(),
    }
    assert {name: kind(content) for name, content in cases.items()} == {name: name for name in cases}
    assert kind(software_token(json.dumps(header).encode())) == "evidence"
    assert kind(json.dumps(telemetry_record()).encode()) == "evidence"


@pytest.mark.parametrize("count", [1, 2])
def test_records_and_nonces_are_recognized_in_one_line_and_in_many(place, count):
    records = place.made[0].records.records[:count]
    assert kind(b"".join(encode_record(one) + b"\n" for one in records)) == "records"
    assert kind(nonces(*place.made[:count])) == "nonce-log"


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"[]", b"\xff", b'{"id": "x"}', b"{" * 1000, b"a.b"])
def test_what_is_nothing_of_a_bundle_is_not_recognized(content):
    assert recognize(content) is None


def test_what_is_too_large_for_its_kind_is_not_recognized():
    assert recognize(b"\x30\x82" + bytes(100_000)) is None


def test_a_folder_without_windows_makes_no_bundle(tmp_path):
    with pytest.raises(UsageError, match="no window"):
        collect(folder_of(tmp_path / "x", {"a": b"{}"}))


def test_more_files_than_a_bundle_has_are_refused(tmp_path, place):
    with pytest.raises(UsageError, match="several bundles"):
        collect(folder_of(tmp_path / "x", files_of(place)), max_files=3)


def test_links_are_left_out(tmp_path, place):
    folder = folder_of(tmp_path / "x", files_of(place))
    (tmp_path / "secret").write_bytes(CERTIFICATE)
    before = len(collect(folder).files)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to(folder)
    assert len(collect(folder).files) == before


def test_files_and_folders_are_included_besides(tmp_path, place):
    window, own = place.made[0], ("receipt", "credential")
    files = {name: raw for name, raw in files_of(place).items() if name[0] == "w"}
    collected = collect(folder_of(tmp_path / "windows", files))
    assert not any(collected.of(*own))
    (tmp_path / "receipt.json").write_text(json.dumps(place.receipt(window)))
    folder_of(tmp_path / "wallet", {"one": json.dumps(place.inference(window)).encode(), "note": b"nothing"})
    include(collected, tmp_path / "receipt.json")
    include(collected, tmp_path / "wallet")
    assert sorted(entry.kind for entry in collected.of(*own)) == ["credential", "receipt"]
    assert [name.split(".")[0] for name in collected.unknown] == ["note"]
    with pytest.raises(UsageError, match="is no file and no folder"):
        include(collected, tmp_path / "away")


async def test_what_the_folder_does_not_have_is_fetched_once(tmp_path, place):
    windows = {name: raw for name, raw in files_of(place).items() if name.startswith(("w", "r", "i"))}
    enrolment = json.loads(windows["w0"])["evidence"][0]["enrolmentDigest"]
    served = place.world.served() | {f"{place.world.base}/enrolments/{enrolment}": place.enrolment}
    beside = place.attachments | {digests.digest(raw): raw for raw in CERTIFICATES}
    served |= {f"{place.world.base}/evidence/{name}": raw for name, raw in beside.items()}
    fetcher = MemoryFetcher(served)
    collected = collect(folder_of(tmp_path / "x", windows))
    assert await complete(collected, fetcher) == []
    assert len(fetcher.asked) == len(set(fetcher.asked))
    kinds = {entry.kind for entry in collected.files}
    assert {"did-document", "status-list", "enrolment"} <= kinds
    assert {entry.digest for entry in collected.of("ek-certificate")} == set(map(digests.digest, CERTIFICATES))


async def test_the_certificates_of_an_enrolment_in_the_folder_are_fetched_too(tmp_path, place):
    files = {name: raw for name, raw in files_of(place).items() if raw not in CERTIFICATES[1:]}
    served = {f"{place.world.base}/evidence/{digests.digest(raw)}": raw for raw in CERTIFICATES}
    fetcher = MemoryFetcher(served)
    collected = collect(folder_of(tmp_path / "x", files))
    assert await complete(collected, fetcher) == []
    assert fetcher.asked == [f"{place.world.base}/evidence/{digests.digest(raw)}" for raw in CERTIFICATES[1:]]


async def test_what_cannot_be_had_is_told(tmp_path, place):
    collected = collect(folder_of(tmp_path / "x", {"w": files_of(place)["w0"]}))
    failures = await complete(collected, MemoryFetcher({}))
    assert any("did.json" in failure for failure in failures)
