import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import json_schema
from schemas.credential import decode
from schemas.digests import digest
from schemas.errors import FormatError, SchemaInvalidError
from schemas.json_schema import SCHEMA_URLS
from schemas.quantities import Quantity
from schemas.telemetry import SHAPE as TELEMETRY
from tests.schemas.documents import at, changed, example, leaves, objects, renamed, without

NAMES = list(SCHEMA_URLS)
EXAMPLES = {
    "credential.vc11": "credential-v1",
    "credential-minimal.vc11": "credential-v1",
    "window.vc11": "window-v1",
    "summary.vc11": "summary-v1",
}


def no_retrieval(url):
    raise AssertionError(url)


VALIDATORS = {
    name: jsonschema_rs.Draft202012Validator(
        json.loads(json_schema.schema_bytes(name)), validate_formats=True, retriever=no_retrieval
    )
    for name in NAMES
}


@pytest.mark.parametrize("name", NAMES)
def test_the_published_file_is_what_the_shapes_give(name):
    assert json_schema.schema_bytes(name) == json_schema.generate(name), "run python -m schemas.json_schema"


def test_writing_gives_the_published_files(tmp_path):
    files = json_schema.write(tmp_path)
    assert {file.name: file.read_bytes() for file in files} == {
        f"{name}.json": json_schema.schema_bytes(name) for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_draft_2020_12_and_names_itself(name):
    schema = json.loads(json_schema.schema_bytes(name))
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == SCHEMA_URLS[name] == f"https://w3id.org/green-compute/schema/{name}.json"


@pytest.mark.parametrize("name", NAMES)
def test_every_object_of_a_schema_is_closed_and_refers_to_itself_only(name):
    pending = [json.loads(json_schema.schema_bytes(name))]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            assert ("properties" in item and item.get("type") == "object") <= (
                item.get("additionalProperties") is False
            )
            assert item.get("$ref", "#/$defs/").startswith("#/$defs/")
            pending.extend(item.values())
        if isinstance(item, list):
            pending.extend(item)


@pytest.mark.parametrize("name", NAMES)
def test_no_schema_lets_a_float_be_signed(name):
    if name != "telemetry-v1":
        assert b'"number"' not in json_schema.schema_bytes(name)
        assert b'"integer"' not in json_schema.schema_bytes(name).replace(b'"integer": {', b"")


def test_digests_are_those_of_the_published_bytes():
    for name, url in SCHEMA_URLS.items():
        assert json_schema.schema_digest(url) == digest(json_schema.schema_bytes(name))
        assert json_schema.schema_digest(url) in json_schema.known_digests(url)


@pytest.mark.parametrize("url", ["", "credential-v1", "https://evil.example/schema/credential-v1.json"])
def test_an_unknown_schema_has_no_digest(url):
    assert json_schema.known_digests(url) == frozenset()
    with pytest.raises(SchemaInvalidError):
        json_schema.schema_digest(url)


@pytest.mark.parametrize("name", ["", "credential-v2", "../credential", "credential-v1.json"])
def test_an_unknown_name_has_no_file(name):
    with pytest.raises(SchemaInvalidError):
        json_schema.schema_bytes(name)
    with pytest.raises(SchemaInvalidError):
        json_schema.generate(name)


@pytest.mark.parametrize(("document", "name"), [*EXAMPLES.items(), ("telemetry", "telemetry-v1")])
def test_a_reference_document_is_valid(document, name):
    VALIDATORS[name].validate(example(document))


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_unsecured_document_is_valid_too(document):
    VALIDATORS[EXAMPLES[document]].validate(without(example(document), ("proof",)))


@pytest.mark.parametrize("document", EXAMPLES)
def test_a_document_is_not_valid_by_the_schema_of_another_type(document):
    others = [name for name in NAMES if name != EXAMPLES[document]]
    assert not any(VALIDATORS[name].is_valid(example(document)) for name in others)


# What compares two values, which a schema cannot: the decoder alone refuses these.
ONLY_CODE_COMPARES = ("credentialStatus.id: ", "credentialStatus.suspension", "id: two objects")


def agree(name, document):
    """Hold that decoder and schema say the same of ``document``, but for what only code can compare."""
    valid = VALIDATORS[name].is_valid(document)
    try:
        decode(document)
    except FormatError as error:
        decoded, detail = False, error.detail
    else:
        decoded, detail = True, ""
    assert valid == decoded or (valid and detail.startswith(ONLY_CODE_COMPARES)), (detail, valid)


PATHS = [(name, path) for name in EXAMPLES for path in leaves(example(name))]
OBJECTS = [(name, path) for name in EXAMPLES for path in objects(example(name))]


@pytest.mark.parametrize(("name", "path"), PATHS)
def test_decoder_and_schema_agree_on_every_leaf(name, path):
    document = example(name)
    value = at(document, path)
    for other in (
        None,
        [value],
        {"@value": value},
        1,
        0.5,
        True,
        "",
        value + "\n",
        value + "0",
        "0" + value,
        value + " ",
        "x" * 300,
    ):
        agree(EXAMPLES[name], changed(document, path, other))
    agree(EXAMPLES[name], without(document, path))
    if isinstance(path[-1], str):
        agree(EXAMPLES[name], renamed(document, path, f"gc:{path[-1]}"))


@pytest.mark.parametrize(("name", "path"), OBJECTS)
def test_decoder_and_schema_agree_on_every_object(name, path):
    document = example(name)
    for other in (None, [at(document, path)], {}, [], "x"):
        agree(EXAMPLES[name], changed(document, path, other))
    agree(EXAMPLES[name], changed(document, (*path, "extra"), "x"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LIKELY = st.sampled_from(
    ["0", "1.5", "1.50", "-1", "simulated", "tpm-hardware", "2026-11-20T20:00:11Z", "2026-02-30T20:00:11Z", "2028-02-29T00:00:00.5Z",
     "https://oracle.example/x", "did:web:x", "_:b0", "gc:x", digest(b"x"), "u" + "A" * 46, "AA", "12.0", "2023", "a" * 256, "a" * 257]
)  # fmt: skip
VALUES = (
    LIKELY
    | TEXTS
    | st.none()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(LIKELY, max_size=2)
)


@given(st.sampled_from(PATHS), VALUES)
def test_decoder_and_schema_agree_on_any_value(case, value):
    name, path = case
    agree(EXAMPLES[name], changed(example(name), path, value))


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_decoder_and_schema_agree_on_any_choice_of_members(name, data):
    document = example(name)
    members = sorted(document["credentialSubject"])
    missing = data.draw(st.sets(st.sampled_from(members), max_size=4))
    agree(EXAMPLES[name], without(document, *(("credentialSubject", member) for member in missing)))


QUANTITIES = {name for name, value in TELEMETRY.members.items() if isinstance(value, Quantity)}


@given(st.sampled_from(sorted(set(TELEMETRY.members) - QUANTITIES)), VALUES)
def test_decoder_and_schema_agree_on_telemetry(member, value):
    body = changed(example("telemetry"), (member,), value)
    assert VALIDATORS["telemetry-v1"].is_valid(body) == fits(body)


@given(st.sampled_from(sorted(QUANTITIES)), VALUES | st.integers(-(10**6), 10**6))
def test_a_posted_quantity_that_decodes_is_valid(member, value):
    # Not the other way: a schema can neither count a number's decimals nor weigh a string.
    body = changed(example("telemetry"), (member,), value)
    assert VALIDATORS["telemetry-v1"].is_valid(body) >= fits(body)


@pytest.mark.parametrize("value", [-1, "-1", "1.50", "1e3", True, None, "0.0000000000001", 10**13])
def test_a_posted_energy_that_no_schema_should_take(value):
    assert not VALIDATORS["telemetry-v1"].is_valid(changed(example("telemetry"), ("energy_kwh",), value))


def fits(body):
    try:
        TELEMETRY.check(body, "")
    except FormatError:
        return False
    return True
