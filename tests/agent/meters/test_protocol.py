import pytest

from agent.meters.protocol import METHODS, lowest
from schemas.terms import METHODS as FORMATS_METHODS


def test_the_methods_are_those_of_the_format_in_its_order():
    assert tuple(METHODS) == tuple(FORMATS_METHODS)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (["counter"], "counter"),
        (["counter", "integrated"], "integrated"),
        (["metered", "partition-estimate", "counter"], "partition-estimate"),
        (["modelled", "metered"], "modelled"),
        ([], "modelled"),
    ],
)
def test_a_sum_is_worth_what_its_worst_part_is(methods, expected):
    assert lowest(methods) == expected
