import msgspec
import pytest

from schemas.subject import GreenComputeSubject, SummarySubject, WindowSubject, json_name
from schemas.terms import TERMS, in_place

SUBJECTS = [(GreenComputeSubject, "credential"), (WindowSubject, "window"), (SummarySubject, "summary")]


@pytest.mark.parametrize(("struct", "place"), SUBJECTS)
def test_a_struct_requires_what_the_table_requires(struct, place):
    required = {field.encode_name for field in msgspec.structs.fields(struct) if field.required}
    assert required == {"id"} | {name for name, term in TERMS.items() if place in term.required_places}


@pytest.mark.parametrize(("struct", "place"), SUBJECTS)
def test_a_struct_has_a_field_for_every_term_of_its_place(struct, place):
    names = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert {term.name for term in in_place(place)} <= names


@pytest.mark.parametrize(("struct", "place"), SUBJECTS)
def test_only_sets_are_tuples(struct, place):
    for field in msgspec.structs.fields(struct):
        if field.encode_name in TERMS:
            assert (field.type == tuple[str, ...]) == TERMS[field.encode_name].is_set


def test_a_field_is_called_as_the_standard_calls_it():
    assert json_name("market_based_intensity_gco2e_per_kwh") == "marketBasedIntensityGco2ePerKwh"
    assert json_name("pue") == "pue"
