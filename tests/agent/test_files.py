import stat

import pytest

from agent.files import make_folder, write_file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_written_file_is_whole_and_its_owners_alone(tmp_path):
    write_file(tmp_path / "x.json", b"content")

    assert (tmp_path / "x.json").read_bytes() == b"content"
    assert mode(tmp_path / "x.json") == 0o600


def test_writing_again_replaces(tmp_path):
    write_file(tmp_path / "x.json", b"old and long")
    write_file(tmp_path / "x.json", b"new")

    assert (tmp_path / "x.json").read_bytes() == b"new"


def test_nothing_is_left_beside_the_file(tmp_path):
    write_file(tmp_path / "x.json", b"content")

    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path):
    (tmp_path / "x.json").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path / "x.json", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_folders_are_made_with_their_parents_for_their_owner_alone(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")

    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
