"""One good presentation (P2), and what becomes of it when it is changed."""

from tests.attacks.catalogue import of_call
from tests.fakes.verifier import EXPECTED, Signatory, World, edited, judge_presentation, presentation, signer

WORLD = World()
EVIDENCE = WORLD.evidence()
GOOD = WORLD.credential()
SHOWN = presentation(GOOD)
OTHER_HOLDER = Signatory(signer(4))


def verdict(value, expectation=EXPECTED, evidence=EVIDENCE):
    return of_call(lambda: judge_presentation(WORLD, value, expectation, evidence))


def shown(*changes, **options):
    """What becomes of the good presentation, changed and then signed by its holder."""
    return verdict(presentation(GOOD, change=lambda value: [change(value) for change in changes], **options))


def changed(*changes):
    """What becomes of the good presentation, changed after it was signed."""
    return verdict(edited(SHOWN, *changes))
