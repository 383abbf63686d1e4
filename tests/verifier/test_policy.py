"""Policies: read from TOML or JSON, strict about what they do not know."""

import pytest

from verifier.errors import UsageError
from verifier.policy import Policy, port_hint, reaches, read_policy


def test_an_empty_policy_is_the_default():
    assert read_policy(b"") == Policy()


def test_toml_is_read():
    policy = read_policy(b"""
        trusted_issuers = ["did:web:oracle.example"]
        minimum_assurance = "tpm-hardware"
        [pinned_keys]
        "did:web:oracle.example" = ["urn:ietf:params:oauth:jwk-thumbprint:sha-256:x"]
    """)
    assert policy.trusted_issuers == ("did:web:oracle.example",)
    assert policy.minimum_assurance == "tpm-hardware"
    assert policy.pinned_keys["did:web:oracle.example"][0].endswith(":x")


def test_json_is_read():
    assert read_policy(b'{"require_status": true}').require_status is True


@pytest.mark.parametrize(
    "raw",
    [
        b"allow_simulatd = true",
        b'allow_simulated = "yes"',
        b'minimum_assurance = "gold"',
        b"leeway_s = ",
        b"leeway_s = 1000000",
        b'{"leeway_s": 60, "leeway_s": 90}',
        b"\xff",
        b"trusted_issuers = " + b"[" * 5000,
    ],
    ids=["misspelt", "wrong type", "unknown level", "no TOML", "a leeway of days", "twice", "no UTF-8", "too deep"],
)
def test_what_cannot_be_meant_is_refused(raw):
    with pytest.raises(UsageError):
        read_policy(raw)


@pytest.mark.parametrize(
    ("did", "why"),
    [
        ("did:web:issuer.example%3a8443", "%3A"),
        ("did:web:Issuer.example", "lower-case"),
        ("did:web:issuer.example%3A99999", "%3A"),
        ("https://issuer.example", "is not a DID"),
    ],
)
@pytest.mark.parametrize("form", ['trusted_issuers = ["{}"]', '[pinned_keys]\n"{}" = []'])
def test_an_issuer_that_cannot_be_is_refused_with_the_reason(did, why, form):
    with pytest.raises(UsageError, match="names an issuer that cannot be") as caught:
        read_policy(form.format(did).encode())
    assert why in caught.value.detail


@pytest.mark.parametrize(
    "did", ["did:web:localhost%3A20412", "did:web:a.example:issuers:b", "did:key:z6Mk", "did:ion:x"]
)
def test_other_issuers_are_read(did):
    assert read_policy(f'trusted_issuers = ["{did}"]'.encode()).on_list == {did}


@pytest.mark.parametrize(
    ("listed", "issuer", "hinted"),
    [
        ("did:web:localhost:20412", "did:web:localhost%3A20412", True),
        ("did:web:a.example:8443:issuers:b", "did:web:a.example%3A8443:issuers:b", True),
        ("did:web:localhost:20412", "did:web:localhost%3A20413", False),
        ("did:web:localhost%3A20412", "did:web:localhost%3A20412", False),
        ("did:web:a.example:issuers", "did:web:a.example", False),
    ],
)
def test_a_port_that_was_written_as_a_path_is_pointed_out(listed, issuer, hinted):
    hint = port_hint(Policy(trusted_issuers=(listed,)), issuer)
    assert ("a port is written %3A" in hint, listed in hint) == (hinted, hinted)


def test_a_pinned_issuer_is_a_known_one():
    policy = Policy(trusted_issuers=("did:web:a.example",), pinned_keys={"did:web:b.example": ()})
    assert policy.on_list == {"did:web:a.example", "did:web:b.example"}


@pytest.mark.parametrize(
    ("level", "minimum", "enough"),
    [("software", "software", True), ("simulated", "software", False), ("tpm-hardware", "tpm-virtual", True)],
)
def test_levels_are_ordered(level, minimum, enough):
    assert reaches(level, minimum) is enough
