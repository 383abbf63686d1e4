"""What is said of the distribution: its version, and how to install what is missing from where it came, never by name."""

import importlib
import json
from importlib import metadata

import pytest

from schemas import distribution
from tests.vectors import ROOT

PROGRAMS = {name: ROOT / name for name in ("agent", "issuer", "verifier", "wallet") if (ROOT / name).exists()}


class Installed:
    """A distribution that was installed from somewhere; PEP 610 says from where."""

    def __init__(self, origin):
        self.origin = origin

    def read_text(self, name):
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


def absent(_):
    raise metadata.PackageNotFoundError


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_tells_its_version(name, capsys):
    main = importlib.import_module("issuer.command" if name == "issuer" else f"{name}.cli").main
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code in {None, 0}
    assert capsys.readouterr().out == f"green-{name} {metadata.version('green-compute-oracle')}\n"


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({"url": "file:///src/oracle", "dir_info": {"editable": True}}, "[issuer] @ file:///src/oracle'"),
        ({"url": "file:///tmp/oracle-1.whl", "archive_info": {}}, "[issuer] @ file:///tmp/oracle-1.whl'"),
        ({"url": "https://git.example/o", "vcs_info": {"vcs": "git"}}, "[issuer] @ git+https://git.example/o'"),
    ],
)
def test_an_extra_is_installed_from_where_the_distribution_came_from(monkeypatch, origin, command):
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(origin))
    assert distribution.how_to_install("issuer") == f"pip install 'green-compute-oracle{command}"


@pytest.mark.parametrize("found", [absent, lambda _: Installed(None)], ids=["a checkout", "of an index"])
def test_nobody_is_told_to_install_by_name_alone(monkeypatch, found):
    monkeypatch.setattr(metadata, "distribution", found)
    assert distribution.how_to_install("issuer").startswith("pip install 'PATH[issuer]', where PATH is")


def test_a_bare_checkout_has_no_version(monkeypatch):
    monkeypatch.setattr(metadata, "version", absent)
    assert "without a version" in distribution.version()


def test_what_lacks_an_extra_says_so_in_a_line_and_ends_with_70(capsys):
    error = ModuleNotFoundError("No module named 'sqlalchemy.orm'", name="sqlalchemy.orm")
    assert distribution.lacking("green-issuer", "issuer", error) == 70
    said = capsys.readouterr().err
    assert said.startswith(
        "green-issuer: the package sqlalchemy is missing, which the extra 'issuer' brings: pip install"
    )
    assert said.count("\n") == 1


def test_a_module_of_ours_that_is_missing_is_no_matter_of_an_extra():
    with pytest.raises(ModuleNotFoundError):
        distribution.lacking("green-issuer", "issuer", ModuleNotFoundError("x", name="issuer.store.gone"))


def test_no_text_of_ours_says_to_install_by_name_alone():
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for folder in (*PROGRAMS.values(), ROOT / "did", ROOT / "schemas"):
        texts += folder.rglob("*.py")
    for text in texts:
        if text.exists():
            found = text.read_text()
            assert "install green-compute-oracle" not in found, text
            assert "install 'green-compute-oracle" not in found, text
