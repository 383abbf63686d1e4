"""The command line's words for what people hand to it by mistake."""

import json

import pytest

from verifier import cli


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to stand in; no GREEN_VERIFIER_ variables."""
    for name in ("SETTINGS", "POLICY", "DEVELOPMENT", "ALLOW_SIMULATED", "STATE_DIR"):
        monkeypatch.delenv(f"GREEN_VERIFIER_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verify(*arguments):
    return cli.main(["verify", *arguments])


HINT = "--development allows this machine"


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/x", "http://127.0.0.1/x", "http://localhost:8080/x", "http://[::1]/x", "http://a.localhost/"],
)
def test_an_address_of_this_machine_gets_the_hint_that_helps_once(capsys, url):
    assert verify(url) == 64
    assert capsys.readouterr().err.count(HINT) == 1


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "http://10.0.0.1/", "ftp://127.0.0.1/"])
def test_what_no_option_allows_gets_no_hint(capsys, url):
    assert verify(url) == 64
    assert "--development" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "the document is empty"),
        (b" \n\t ", "the document is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"eyJhbGciOiJFUzI1NiJ9.eyJ2YyI6e319.c2ln\n", "compact token"),
        (b"eyJhbGciOiJFUzI1NiJ9..c2ln", "compact token"),
        (b"ewogImFsZyI6IDF9.e30.c2ln~WyJhIl0~", "compact token"),
        (b"PK\x03\x04" + b"\x00" * 600_000, "green-verifier audit-bundle verify"),
    ],
)
def test_what_people_take_for_a_document_is_refused_by_what_it_is(here, capsysbinary, content, word):
    (here / "given").write_bytes(content)
    assert verify("given", "--json", "--offline") == 1
    report = json.loads(capsysbinary.readouterr().out)
    assert (report["problem"], word in report["detail"]) == ("PARSING_ERROR", True), report["detail"]
