"""Row VK014: a TPM's quote that is not over what the credential claims, or not by the TPM that is enrolled."""

from dataclasses import replace

from schemas import base64url, digests
from schemas.cmw import build_evidence
from tests.attacks.catalogue import attack, of_report
from tests.fakes.soft_tpm import Node, SoftTpm
from tests.fakes.windows import WindowWorld


def windowed(*, place=None, **lies):
    """The outcome of a window's credential whose quote was made with ``lies``, told consistently."""
    place = place or WindowWorld()
    value = place.credential(place.close(**lies))
    return of_report(place.world.report(value, place.evidence()))


def forged(change):
    """The outcome of a credential whose evidence was changed after the TPM signed it; the issuer signs the digest."""
    place = WindowWorld()
    made = place.close()
    raw = build_evidence(change(made.evidence))
    value = place.unsecured(made)
    value["evidence"][0] |= {"digestMultibase": digests.digest(raw), "inlineEvidence": base64url.encode(raw)}
    return of_report(place.world.report(place.world.issuer.sign(value), place.evidence()))


def hidden():
    """A place whose TPM signed a window between the opening and the one that is shown."""
    place = WindowWorld()
    other = Node(**vars(place.node))
    other.window()
    place.node.pcrs = other.pcrs
    return place


def rewound():
    """A place whose TPM's clock was set back after its enrolment."""
    place = WindowWorld()
    place.node.clock_ms = -10_000 + 1
    return place


def of_another_tpm():
    """A place whose credentials name the enrolment of another TPM."""
    place = WindowWorld()
    place.enrolment = WindowWorld(node=Node(tpm=SoftTpm(seed=11))).enrolment
    return place


@attack("VK014", "reject:EVIDENCE_MISMATCH")
def test_a_quote_over_something_else_or_by_another_key_is_refused(expected):
    expected.met_by(
        windowed(attested={"extra": bytes(32)}),
        windowed(attested={"extra": b""}),
        windowed(attested={"digest": bytes(32)}),
        windowed(attested={"magic": 0}),
        windowed(attested={"kind": 0x8017}),
        windowed(attested={"selection": ()}),
        windowed(attested={"selection": ((0x000B, (0, 1, 2, 3, 4, 5, 6, 7, 10)),)}),
        windowed(attested={"reset": 7}),
        windowed(attested={"restart": 7}),
        windowed(pcrs={15: bytes(32)}),
        windowed(sign=lambda tpm, raw: SoftTpm(seed=9).sign(raw)),
        windowed(place=hidden()),
        windowed(place=rewound()),
        windowed(place=of_another_tpm()),
        forged(lambda evidence: replace(evidence, ak=SoftTpm(seed=9).public)),
        forged(lambda evidence: replace(evidence, pcrs={**evidence.pcrs, 0: bytes([1]) * 32})),
        forged(lambda evidence: replace(evidence, pcrs={**evidence.pcrs, 9: bytes(32)})),
        forged(lambda evidence: replace(evidence, attest=evidence.attest[:-1])),
        forged(lambda evidence: replace(evidence, header=evidence.header.replace(b'"sequence":0', b'"sequence":1'))),
    )


def test_the_unchanged_quote_is_accepted():
    assert windowed().meets("accept")
