"""The signature fits many spellings of the same JSON-LD: every one but ours is refused, member by member."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.credential import decode
from schemas.errors import FormatError
from tests.schemas.documents import CREDENTIALS, at, changed, example, leaves, objects, refused, renamed

SUBJECT = "credentialSubject"

EVERY_LEAF = [(name, path) for name in CREDENTIALS for path in leaves(example(name))]
EVERY_OBJECT = [(name, path) for name in CREDENTIALS for path in objects(example(name))]


@pytest.mark.parametrize(("name", "path"), EVERY_LEAF)
def test_no_leaf_can_be_spelled_in_another_way_that_the_signature_would_fit(name, path):
    document = example(name)
    value = at(document, path)
    for other in (
        None,
        [value],
        [value, value],
        {"@value": value},
        {"@id": value},
        {"@set": [value]},
        [],
        {},
        True,
        1,
        0.5,
    ):
        refused(changed(document, path, other), path[0])


@pytest.mark.parametrize(("name", "path"), EVERY_LEAF)
def test_no_leaf_can_have_another_lexical_form(name, path):
    document = example(name)
    value = at(document, path)
    for other in ("", value + "\n", value + "\x00", "\x7f" + value, value + "\ud800"):
        with pytest.raises(FormatError):
            decode(changed(document, path, other))


@pytest.mark.parametrize(
    ("name", "path"),
    [(n, p) for n, p in EVERY_LEAF if "Kwh" in str(p[-1]) or "Percent" in str(p[-1]) or p[-1] == "pue"],
)
def test_no_decimal_can_be_spelled_otherwise(name, path):
    document = example(name)
    value = at(document, path)
    arabic = value.translate({ord(digit): 0x660 + int(digit) for digit in "0123456789"})
    spellings = (
        value + ("0" if "." in value else ".0"),
        "0" + value,
        "+" + value,
        value + "e0",
        value.replace(".", ","),
    )
    for other in (*spellings, " " + value, arabic, "1" * 40, "NaN", "-" + value, "1_0", float(value)):
        if other == value:
            continue
        refused(changed(document, path, other), SUBJECT)


@pytest.mark.parametrize(("name", "path"), [case for case in EVERY_LEAF if isinstance(case[1][-1], str)])
def test_no_member_can_stand_under_another_spelling_of_its_name(name, path):
    document = example(name)
    for key in (f"https://w3id.org/green-compute#{path[-1]}", f"gc:{path[-1]}", f"{path[-1]} ", f"@{path[-1]}"):
        refused(renamed(document, path, key), "")


@pytest.mark.parametrize(("name", "path"), EVERY_OBJECT)
def test_no_object_takes_an_extra_member(name, path):
    document = example(name)
    for key in (
        "extra",
        "@type",
        "@id",
        "@nest",
        "@graph",
        "@included",
        "@reverse",
        "@context",
        "gc:nodeId",
        "@foo",
        "kwh:x",
        "",
    ):
        if key not in at(document, path):
            refused(changed(document, (*path, key), "x"), path[0])
            refused(changed(document, (*path, key), None), path[0])


@pytest.mark.parametrize("name", CREDENTIALS)
def test_the_document_takes_no_extra_member(name):
    for key in ("name", "@type", "@id", "validFrom", "termsOfUse", "holder", "@graph", "gc:nodeId", "@foo"):
        refused(changed(example(name), (key,), "x"), f"{key}: no such member")


@pytest.mark.parametrize(("name", "path"), EVERY_OBJECT)
def test_no_object_can_be_an_array_a_string_or_null(name, path):
    document = example(name)
    value = at(document, path)
    for other in ([value], [value, value], "x", None, {}):
        refused(changed(document, path, other), path[0])


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(EVERY_LEAF), ANY_JSON)
def test_any_other_json_in_any_place_decodes_or_is_one_of_our_errors(case, value):
    name, path = case
    with contextlib.suppress(FormatError):
        decode(changed(example(name), path, value))


@given(st.dictionaries(st.sampled_from(["type", "@context", "id", "evidence", "credentialSubject"]), ANY_JSON))
def test_any_object_that_names_our_type_decodes_or_is_one_of_our_errors(document):
    with pytest.raises(FormatError):
        decode({**document, "type": ["VerifiableCredential", "GreenComputeCredential"]})
