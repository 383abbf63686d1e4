import pytest

from contexts import green_compute
from schemas.terms import ASSURANCES, METHODS, NAMESPACE, TERMS, in_place
from tests.vectors import ROOT

FORMATS_MD = (ROOT / "docs" / "formats.md").read_text()


def rows(heading):
    """Return the cells of the table under ``heading``; the last cell keeps its own bars."""
    section = FORMATS_MD.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return {line.split("`")[1]: [cell.strip() for cell in line.strip("|").strip().split("|", 4)] for line in lines}


DOCUMENTED = rows("Terms")


def test_the_table_has_the_documented_terms_in_their_order():
    assert list(TERMS) == list(DOCUMENTED)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_has_its_documented_datatype_and_place(name):
    _, datatype, where, *_ = DOCUMENTED[name]
    assert (TERMS[name].datatype, TERMS[name].where) == (datatype, where)


@pytest.mark.parametrize("name", [name for name, term in TERMS.items() if term.values])
def test_a_term_with_fixed_values_has_the_documented_ones(name):
    definition = DOCUMENTED[name][4]
    assert definition.startswith(" | ".join(TERMS[name].values))
    rest = definition.removeprefix(" | ".join(TERMS[name].values))
    assert not rest.startswith(" | ")


def test_every_documented_choice_is_in_the_table():
    choices = [name for name, cells in DOCUMENTED.items() if " | " in cells[4] and "||" not in cells[4]]
    assert [name for name in choices if not TERMS[name].values] == []


@pytest.mark.parametrize("name", TERMS)
def test_the_context_maps_each_term_to_its_iri_and_datatype(name):
    definition = green_compute.CONTEXT[name]
    iri, datatype = (definition["@id"], definition["@type"]) if isinstance(definition, dict) else (definition, "string")
    outside = {
        "digestMultibase": "https://w3id.org/security#digestMultibase",
        "mediaType": "https://schema.org/encodingFormat",
    }
    assert iri == outside.get(name, f"gc:{name}")
    assert datatype.replace("https://w3id.org/security#", "") == TERMS[name].datatype


def test_the_context_has_no_other_terms():
    types = set(rows("Types"))
    others = {"@version", "@protected", "gc", "xsd"}
    assert set(green_compute.CONTEXT) - set(TERMS) == types | others
    assert green_compute.CONTEXT["gc"] == NAMESPACE


@pytest.mark.parametrize("place", ["credential", "window", "summary", "evidence", "status", "schema"])
def test_a_place_has_the_terms_that_name_it(place):
    expected = [name for name, cells in DOCUMENTED.items() if place in cells[2].replace("*", "").split(", ")]
    assert [term.name for term in in_place(place)] == expected


def test_the_ladders_start_with_the_lowest():
    assert METHODS[0] == "modelled"
    assert METHODS[-1] == "metered"
    assert ASSURANCES[0] == "simulated"
    assert ASSURANCES[-1] == "tpm-hardware"
