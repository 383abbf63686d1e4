"""Files that are read up to a limit and replaced as a whole."""

import os
import stat

import pytest

from verifier.errors import ResourceLimitError
from verifier.whole_files import read_whole, replace_whole


def test_a_file_of_just_the_limit_is_read_and_a_larger_one_is_not(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert read_whole(tmp_path / "file", max_bytes=3) == b"abc"
    with pytest.raises(ResourceLimitError, match="more than 2 bytes"):
        read_whole(tmp_path / "file", max_bytes=2)


def test_a_file_is_replaced(tmp_path):
    for content in (b"one", b"two"):
        replace_whole(tmp_path / "file", content)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two"]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "link").symlink_to("victim")
    replace_whole(tmp_path / "link", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_the_mode_is_that_of_the_umask_or_stricter(tmp_path):
    before = os.umask(0o027)
    try:
        replace_whole(tmp_path / "shared", b"")
        replace_whole(tmp_path / "own", b"", mode=0o600)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("shared", "own")]
    assert modes == [0o640, 0o600]


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        replace_whole(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
