"""An emulator's certificates: believed where an operator added their CA as an emulator's, and nowhere else."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.tpm.identity import endorsement_key
from agent.tpm.keys import lent_primary
from agent.tpm.nv import nv_read
from agent.tpm.templates import EK_TEMPLATES
from issuer.tpm.bundle import explicit_root, sort_bundle
from tests.verifier.endorsement.bundles import blocks
from verifier.endorsement.certificate import parse_certificate
from verifier.endorsement.ek_chain import check_endorsement
from verifier.endorsement.errors import EkCertificateMismatchError, EkChainUntrustedError
from verifier.endorsement.roots import trust_of
from verifier.endorsement.trust import CertificatePool

STORED = {template.name: template for template in EK_TEMPLATES if template.name in ("L-1", "H-3")}


@pytest.fixture
def ca(manufactured):
    """Its CA's certificates: root and intermediate, as a bundle; and as they are read."""
    paths = sorted((manufactured.parent / "ca").glob("*cert.pem"))
    content = b"".join(path.read_bytes() for path in paths)
    read = [parse_certificate(raw) for path in paths for raw in blocks(path)]
    assert len(read) == 2
    return content, read


def check(public, certificate, known, trust):
    # swtpm's certificates begin when they are made.
    now = datetime.now(UTC) + timedelta(days=1)
    return check_endorsement(
        public.encode(), certificate, known=CertificatePool(known), trust=trust, denied=(), now=now
    )


@pytest.mark.parametrize("name", STORED)
def test_its_keys_lead_to_its_own_ca_that_was_added(tpm, ca, name):
    template = STORED[name]
    certificate = nv_read(tpm, template.certificate_index)
    with lent_primary(tpm, template.public) as key:
        public = key.public
    content, read = ca
    root = next(certificate for certificate in read if certificate.self_issued)
    trust = trust_of([explicit_root(root, "emulated")])
    bundle = sort_bundle(content, trust)
    assert (len(bundle.roots), len(bundle.intermediates), bundle.refused) == (1, 1, ())
    found = check(public, certificate, [*bundle.roots, *bundle.intermediates], trust)
    assert found.root_class == "emulated"
    assert found.chain[-1].raw == root.raw
    assert found.ek.template == name
    assert found.model == "swtpm"


def test_among_the_makers_roots_they_lead_nowhere(tpm, ca):
    content, read = ca
    ek = endorsement_key(tpm)
    with pytest.raises(EkChainUntrustedError, match="not one that is trusted"):
        check(ek.public, ek.certificate, read, trust_of())
    bundle = sort_bundle(content, trust_of())
    assert bundle.roots == ()
    assert [one.reason.split(";")[0] for one in bundle.refused] == ["a root whose fingerprint is not trusted"]


def test_the_certificate_of_its_other_key_is_told(tpm, ca):
    _, read = ca
    other = nv_read(tpm, STORED["L-1"].certificate_index)
    with pytest.raises(EkCertificateMismatchError):
        check(endorsement_key(tpm).public, other, read, trust_of())
