"""The shipped table, computed anew from the certificates."""

from importlib import resources

from tests.fakes import tpm_maker as maker
from tests.verifier.endorsement.bundles import authorities, roots_csv, self_signed
from verifier.endorsement.roots import shipped_roots, trust_of
from verifier.endorsement.trust import TrustedRoot

ROOT = maker.authority("Root")


def data(name):
    return resources.files("verifier.endorsement").joinpath("data", name).read_text(encoding="utf-8")


def test_the_shipped_table_is_what_the_certificates_give():
    assert data("roots.csv") == roots_csv()


def test_every_shipped_root_is_a_self_signed_ca():
    for row in shipped_roots():
        root = authorities()[row.sha256]
        assert root.extensions.is_ca
        assert self_signed(root)


def test_the_table_is_well_formed_and_its_sources_are_explained():
    rows = shipped_roots()
    assert len({row.sha256 for row in rows}) == len(rows) == 30
    notice = data("NOTICE.txt")
    for row in rows:
        assert len(bytes.fromhex(row.sha256)) == 32
        assert row.sha256 == row.sha256.lower()
        assert row.not_before < row.not_after
        assert all(source in notice for source in row.source.split())


def test_clouds_are_virtual_and_no_emulator_is_shipped():
    assert {row.manufacturer for row in shipped_roots() if row.root_class == "virtual"} == {"GOOG"}
    assert {row.root_class for row in shipped_roots()} == {"hardware", "virtual"}


def test_what_a_shipped_root_vouches_for_cannot_be_changed():
    row = next(row for row in shipped_roots() if row.root_class == "virtual")
    claimed = TrustedRoot(fingerprint=row.sha256, root_class="hardware")
    assert trust_of([claimed])[row.sha256].root_class == "virtual"


def test_an_operators_root_is_trusted_beside_the_shipped_ones():
    added = TrustedRoot(fingerprint=ROOT.fingerprint, root_class="emulated", manufacturer="IBM")
    trust = trust_of([added])
    assert trust[ROOT.fingerprint] == added
    assert len(trust) == len(shipped_roots()) + 1
    assert ROOT.fingerprint not in trust_of()
