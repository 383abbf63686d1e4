"""The archive of an audit bundle: read within bounds, whatever a stranger put in it."""

import struct
import zipfile

import pytest

from tests.verifier.bundles import CREATED, bundled, files_of, node_of
from verifier import audit_bundle
from verifier.audit_bundle import entry_of, open_bundle, write_bundle
from verifier.audit_errors import BundleDamagedError, BundleError
from verifier.errors import ResourceLimitError, UsageError

KEY = entry_of("key", b"{}")


def written(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def opened(path):
    with open_bundle(path) as bundle:
        return bundle.manifest


MANIFEST = b'{"v":1,"created":"2026-11-20T21:00:00Z","files":[]}'


def test_what_was_written_is_read_back(tmp_path):
    path = tmp_path / "b.zip"
    manifest = write_bundle(path, {KEY: b"{}"}, created=CREATED)
    with open_bundle(path) as bundle:
        assert bundle.manifest == manifest
        assert bundle.read(KEY) == b"{}"


def test_a_bundle_is_never_overwritten(tmp_path):
    write_bundle(tmp_path / "b.zip", {KEY: b"{}"}, created=CREATED)
    with pytest.raises(UsageError, match="exists already"):
        write_bundle(tmp_path / "b.zip", {KEY: b"{}"}, created=CREATED)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "x" * 200, "ü.json"])
def test_a_name_with_a_path_is_refused(tmp_path, name):
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", MANIFEST)
        archive.writestr(name, b"x")
    with pytest.raises(BundleError):
        opened(path)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", MANIFEST)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("manifest.json", MANIFEST)
    with pytest.raises(BundleError, match="twice"):
        opened(path)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b'{"v":2,"created":"x","files":[]}',
        b'{"v":1,"created":"x","files":[{"name":"../x","kind":"key","digest":"u","size":1}]}',
        b'{"v":1,"created":"x","files":[{"name":"x","kind":"other","digest":"u","size":1}]}',
        b'{"v":1,"created":"x","files":[{"name":"manifest.json","kind":"key","digest":"u","size":1}]}',
        b'{"v":1,"created":"x","files":[],"more":1}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_manifest_of_another_form_is_refused(tmp_path, manifest):
    with pytest.raises(BundleError):
        opened(written(tmp_path / "b.zip", manifest__json=manifest))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", MANIFEST])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(BundleError):
        opened(tmp_path / "b.zip")


def test_an_archive_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        opened(written(tmp_path / "b.zip", x__json=b"{}"))


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        opened(tmp_path / "nowhere.zip")


def test_a_bomb_is_refused_by_what_it_says(tmp_path):
    path = written(tmp_path / "b.zip", manifest__json=MANIFEST, x__json=bytes(80 * 1024 * 1024))
    assert path.stat().st_size < 100_000
    with pytest.raises(ResourceLimitError, match="inflates to"):
        opened(path)


def test_a_bomb_that_lies_about_its_size_is_read_no_further_than_it_says(tmp_path):
    honest = written(tmp_path / "a.zip", manifest__json=MANIFEST, x__json=bytes(10 * 1024 * 1024)).read_bytes()
    size = struct.pack("<I", 10 * 1024 * 1024)
    path = tmp_path / "b.zip"
    path.write_bytes(honest.replace(size, struct.pack("<I", 2)))
    liar = audit_bundle.Entry(name="x.json", kind="key", digest=KEY.digest, size=2)
    with open_bundle(path) as bundle, pytest.raises(BundleDamagedError):
        bundle.read(liar)


def test_a_file_larger_than_its_kind_may_be_is_damaged(tmp_path):
    large = entry_of("key", b"x" * 20_000)
    write_bundle(tmp_path / "b.zip", {large: b"x" * 20_000}, created=CREATED)
    with open_bundle(tmp_path / "b.zip") as bundle, pytest.raises(BundleDamagedError, match="may have"):
        bundle.read(large)


def test_more_files_than_are_read_are_refused(tmp_path):
    members = {f"x{number}__json": b"{}" for number in range(4)}
    path = written(tmp_path / "b.zip", manifest__json=MANIFEST, **members)
    with pytest.raises(ResourceLimitError, match="5 files"), open_bundle(path, max_files=2):
        pass
    three = {entry_of("key", bytes([n])): bytes([n]) for n in range(3)}
    with pytest.raises(UsageError, match="3 files"):
        write_bundle(tmp_path / "c.zip", three, created=CREATED, max_files=2)
    write_bundle(tmp_path / "d.zip", three, created=CREATED, max_files=3)
    with open_bundle(tmp_path / "d.zip", max_files=3) as bundle:
        assert len(bundle.manifest.files) == 3


def test_a_file_that_is_changed_while_it_is_packed_is_told(tmp_path):
    (tmp_path / "x").write_bytes(b"{}")
    (tmp_path / "y").write_bytes(b"{} ")
    write_bundle(tmp_path / "b.zip", {KEY: tmp_path / "x"}, created=CREATED)
    with open_bundle(tmp_path / "b.zip") as bundle:
        assert bundle.read(KEY) == b"{}"
    with pytest.raises(UsageError, match="was changed"):
        write_bundle(tmp_path / "c.zip", {KEY: tmp_path / "y"}, created=CREATED)


def test_a_directory_that_says_to_be_huge_is_not_read(tmp_path):
    raw = bytearray(written(tmp_path / "b.zip", manifest__json=MANIFEST).read_bytes())
    end = raw.rfind(b"PK\x05\x06")
    raw[end + 12 : end + 16] = struct.pack("<I", 2**31)
    (tmp_path / "b.zip").write_bytes(raw)
    with pytest.raises(ResourceLimitError, match="directory"):
        opened(tmp_path / "b.zip")


def test_the_64_bit_form_is_not_read(tmp_path):
    raw = written(tmp_path / "b.zip", manifest__json=MANIFEST).read_bytes()
    end = raw.rfind(b"PK\x05\x06")
    (tmp_path / "b.zip").write_bytes(raw[:end] + b"PK\x06\x07" + bytes(16) + raw[end:])
    with pytest.raises(ResourceLimitError, match="64-bit"):
        opened(tmp_path / "b.zip")


def test_an_encrypted_file_is_refused(tmp_path):
    raw = bytearray(written(tmp_path / "b.zip", manifest__json=MANIFEST).read_bytes())
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(raw)
    with pytest.raises(BundleError, match="encrypted"):
        opened(tmp_path / "b.zip")


def test_a_bundle_cut_off_at_any_place_is_refused_without_a_crash(tmp_path):
    raw = bundled(tmp_path, files_of(node_of(1))).read_bytes()
    for length in (*range(0, len(raw), 997), len(raw) - 1):
        (tmp_path / "cut.zip").write_bytes(raw[:length])
        with pytest.raises(BundleError):
            opened(tmp_path / "cut.zip")


def test_any_byte_of_a_bundle_changed_gives_an_answer(tmp_path):
    raw = bundled(tmp_path, {**files_of(node_of(1))}).read_bytes()
    for position in range(0, len(raw), 211):
        changed = bytearray(raw)
        changed[position] ^= 0x41
        (tmp_path / "changed.zip").write_bytes(changed)
        try:
            with open_bundle(tmp_path / "changed.zip") as bundle:
                for entry in bundle.manifest.files:
                    try:
                        bundle.read(entry)
                    except BundleDamagedError:
                        continue
        except (BundleError, ResourceLimitError):
            continue


def test_what_the_caller_does_wrong_is_not_told_as_the_bundles_fault(tmp_path):
    write_bundle(tmp_path / "b.zip", {KEY: b"{}"}, created=CREATED)
    with pytest.raises(OSError, match="mine"), open_bundle(tmp_path / "b.zip"):
        raise OSError("mine")
