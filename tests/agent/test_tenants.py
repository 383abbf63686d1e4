"""Whom the records of a node may name, as the issuer told."""

import json

import pytest

from agent.errors import SettingsError
from agent.tenants import MAX_NAMES, TenantNames


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tenants.json"


def names(path):
    return TenantNames(path, "node-7")


def told(tenants):
    return json.dumps({"window": "u", "tenants": tenants}).encode()


def test_nobody_and_the_names_that_were_told_pass_and_others_do_not(path):
    found = names(path)
    found.learn(told(["acme", "did:web:acme.example"]))
    for tenant in (None, "acme", "did:web:acme.example"):
        found.check(tenant)
    with pytest.raises(SettingsError, match=r'may not name "umbra", only acme, did:web:acme\.example'):
        found.check("umbra")


def test_what_was_told_before_the_start_refuses_nothing_and_spares_the_warning(path, caplog):
    names(path).learn(told(["acme"]))
    found = names(path)
    found.check("acme")
    assert not caplog.messages
    found.check("umbra")
    assert "has not told yet that this node may name this tenant" in caplog.text
    found.learn(told(["acme"]))
    with pytest.raises(SettingsError):
        found.check("umbra")


def test_the_refusal_has_the_operators_command_and_for_a_subject_one_with_a_place_for_the_id(path):
    found = names(path)
    found.learn(told(["acme"]))
    with pytest.raises(SettingsError, match="green-issuer nodes tenants allow node-7 umbra;"):
        found.check("umbra")
    with pytest.raises(SettingsError, match="green-issuer nodes tenants allow node-7 TENANT;"):
        found.check("did:web:umbra.example")


def test_the_refusal_shows_a_few_of_many_names(path):
    found = names(path)
    found.learn(told([f"tenant-{number}" for number in range(9)]))
    with pytest.raises(SettingsError, match="tenant-4 and 4 more"):
        found.check("umbra")


def test_while_nothing_is_known_every_name_passes_and_is_warned_of_once(path, caplog):
    found = names(path)
    found.check("umbra")
    found.check("umbra")
    (line,) = caplog.messages
    assert "the issuer has not told yet that this node may name this tenant" in line
    assert "nodes tenants allow node-7 umbra" in line


@pytest.mark.parametrize("answer", [b'{"window":"u"}', b"no", b"[]", b'{"tenants":'])
def test_an_answer_that_does_not_tell_changes_nothing(path, answer):
    found = names(path)
    found.learn(told(["acme"]))
    found.learn(answer)
    assert found.known == frozenset({"acme"})


@pytest.mark.parametrize("tenants", [None, "acme", {"acme": 1}, ["a b"], ["a"] * (MAX_NAMES + 1)])
def test_names_that_are_too_many_or_none_at_all_are_not_known(path, tenants):
    found = names(path)
    found.learn(told(["acme"]))
    found.learn(told(tenants))
    assert found.known is None
    assert names(path).known is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'["a b"]'])
def test_a_damaged_file_says_nothing(path, content):
    path.write_bytes(content)
    assert names(path).known is None


def test_a_disk_that_is_full_costs_the_file_alone(tmp_path, caplog):
    found = TenantNames(tmp_path / "away" / "tenants.json", "node-7")
    found.learn(told(["acme"]))
    assert found.known == frozenset({"acme"})
    assert "could not be written" in caplog.text
