"""How a chain is looked for among certificates that may be many, alike, or hostile."""

import pytest
from cryptography import x509

from tests.fakes import tpm_maker as maker
from verifier.endorsement.ek_chain import MAX_CHAIN, MAX_SENT, check_endorsement
from verifier.endorsement.errors import EkChainUntrustedError

ROOT = maker.authority("Root", kind="p384")
EK_KEY = maker.private_key("rsa2048", "ek").public_key()
EK = maker.area("L-1", EK_KEY).encode()


def check(certificate, *, sent=(), known=(ROOT,)):
    pool, trusted = maker.pool(*known), maker.trusted(ROOT)
    return check_endorsement(EK, certificate, sent=sent, known=pool, trust=trusted, denied=(), now=maker.NOW)


def tower(height):
    built = [ROOT]
    for floor in range(height):
        built.append(maker.authority(f"Floor {floor}", built[-1]))
    return built


def test_a_chain_longer_than_any_real_one_is_refused():
    highest = tower(MAX_CHAIN - 2)
    assert len(check(maker.ek_certificate(highest[-1], EK_KEY), known=highest).chain) == MAX_CHAIN
    too_high = tower(MAX_CHAIN - 1)
    with pytest.raises(EkChainUntrustedError, match="more than 8"):
        check(maker.ek_certificate(too_high[-1], EK_KEY), known=too_high)


def test_cas_that_sign_each_other_end_the_search():
    names = [maker.name(f"Mesh {number % 2}") for number in range(MAX_SENT)]
    key = maker.private_key("p256", "mesh")
    constraints = [(x509.BasicConstraints(ca=True, path_length=None), True)]
    mesh = [
        maker.certify(own, key.public_key(), names[number - 1], key, constraints, serial=number + 1)
        for number, own in enumerate(names)
    ]
    certificate = maker.ek_certificate(maker.Authority(mesh[0], key), EK_KEY)
    with pytest.raises(EkChainUntrustedError, match="32 signatures were looked at"):
        check(certificate, sent=mesh)


def test_two_keys_under_one_name_are_told_apart_by_the_signature():
    twins = [
        maker.Authority(
            maker.certify(maker.name("Twin"), key.public_key(), ROOT.subject, ROOT.key,
                          [(x509.BasicConstraints(ca=True, path_length=None), True)]), key)
        for key in (maker.private_key("p256", "twin 1"), maker.private_key("p256", "twin 2"))
    ]  # fmt: skip
    for twin in twins:
        assert check(maker.ek_certificate(twin, EK_KEY), known=[ROOT, *twins]).chain[1].raw == twin.raw


def test_of_many_keys_under_one_name_the_one_that_is_hinted_at_is_tried_first():
    key = maker.private_key("p256", "many")
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    others = [
        maker.certify(maker.name("Many"), ROOT.key.public_key(), ROOT.subject, ROOT.key, [constraints], serial=number)
        for number in range(1, 40)
    ]
    own = (x509.SubjectKeyIdentifier(b"the one"), False)
    right = maker.certify(maker.name("Many"), key.public_key(), ROOT.subject, ROOT.key, [constraints, own])
    hint = (x509.AuthorityKeyIdentifier(b"the one", None, None), False)
    known = [ROOT, *(maker.Authority(raw, key) for raw in (*others, right))]
    hinted = maker.ek_certificate(known[-1], EK_KEY, more=[hint])
    assert check(hinted, known=known).chain[1].raw == known[-1].raw
    with pytest.raises(EkChainUntrustedError, match="32 signatures"):
        check(maker.ek_certificate(known[-1], EK_KEY), known=known)
