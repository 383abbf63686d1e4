"""Rows VJ003 to VJ020, VJ035 to VJ042: JSON-LD that says one thing to its reader and another to the signature."""

import math
import struct

from contexts import green_compute
from tests.attacks.catalogue import attack, of_call
from tests.attacks.edits import (
    EVIDENCE,
    GOOD,
    ORDER,
    WORLD,
    at_top,
    encoded,
    hostile,
    ours,
    put_into,
    raw,
    strange,
    verdict,
    within,
)
from tests.fakes.foreign import foreign
from tests.fakes.verifier import drop, edited, put
from verifier import document

# --- what is not signed --------------------------------------------------------------------------------------


@attack("VJ003", "reject:UNSIGNED_CLAIM")
def test_a_member_like_a_keyword_inside_of_a_strangers_document_is_no_statement(expected):
    evidence = {"id": "urn:x:evidence", "https://example.org/says": "x"}
    value = foreign(WORLD, put("evidence", evidence))
    expected.met_by(
        verdict(edited(value, put_into("evidence", "@foo", "x"))),
        verdict(edited(value, put_into("evidence", "@FOO", {"id": "urn:x:y"}))),
        verdict(edited(value, put_into("evidence", "@ignoreMe", ["x"]))),
    )


@attack("VJ003", "reject:SCHEMA_INVALID", differs=ORDER)
def test_a_member_like_a_keyword_is_outside_our_shape_and_outside_every_envelope(expected):
    members = [("@foo", "x"), ("@vocab", "x"), ("@Id", "urn:x:y"), ("@", "x")]
    for change in within(*members):
        expected.met_by(ours(change), strange(change))
    for path in ("evidence.0", "credentialStatus", "credentialSchema", "proof"):
        expected.met_by(ours(put_into(path, "@foo", "x")))


@attack("VJ004", "reject:UNSIGNED_CLAIM")
def test_a_null_in_a_strangers_document_is_seen_though_it_is_not_signed(expected):
    for name in ("expirationDate", "credentialStatus", "evidence", "termsOfUse", "verified"):
        expected.met_by(strange(put(name, None)))
    expected.met_by(
        strange(put_into("credentialSubject", "tokens", None)),
        strange(put_into("credentialSubject", "nodeId", None)),
        strange(put_into("credentialSubject", "nodeId", [None])),
        strange(put_into("credentialSubject", "nodeId", {"@value": None})),
    )


@attack("VJ004", "reject:SCHEMA_INVALID", differs=ORDER)
def test_a_null_is_outside_our_shape_wherever_it_stands(expected):
    for name in ("expirationDate", "credentialStatus", "evidence", "name", "issuer"):
        expected.met_by(ours(put(name, None)))
    for name in ("tenantId", "energyKwh", "invented"):
        expected.met_by(ours(put_into("credentialSubject", name, None)))


@attack("VJ005", "reject:SCHEMA_INVALID")
def test_energy_under_a_nest_is_not_where_it_is_read(expected):
    def nested(target):
        subject = target["credentialSubject"]
        subject["@nest"] = {"energyKwh": subject.pop("energyKwh")}

    def doubled(target):
        target["credentialSubject"]["@nest"] = {"energyKwh": "0.000001"}

    def whole(target):
        target["@nest"] = {"credentialSubject": target.pop("credentialSubject")}

    expected.met_by(ours(nested), ours(doubled), ours(whole), ours(put_into("credentialSubject", "@nest", [])))


@attack("VJ007", "reject:SCHEMA_INVALID")
def test_a_list_of_one_or_of_the_same_twice_is_another_shape(expected):
    for name in ("energyKwh", "modelId", "id", "assurance", "operationalEmissionsGco2e"):
        value = GOOD["credentialSubject"][name]
        for other in ([value], [value, value], [[value]], {"@value": value}, {"@list": [value]}):
            expected.met_by(ours(put(f"credentialSubject.{name}", other)))
    for name in ("issuer", "issuanceDate", "credentialSubject", "credentialStatus", "proof"):
        expected.met_by(ours(put(name, [GOOD[name]])))
    expected.met_by(
        ours(put("type", "GreenComputeCredential")),
        ours(put("type", [*GOOD["type"], GOOD["type"][1]])),
        ours(put("type", GOOD["type"][::-1])),
        ours(put("evidence", GOOD["evidence"][0])),
        ours(put("evidence", GOOD["evidence"] * 2)),
    )


# --- numbers -------------------------------------------------------------------------------------------------


@attack("VJ010", "reject:SCHEMA_INVALID")
def test_a_double_and_its_neighbour_are_both_no_figure(expected):
    for number in (0.1, math.nextafter(0.1, 1), math.nextafter(0.1, 0), struct.unpack("<d", b"\x01" + b"\0" * 7)[0]):
        expected.met_by(ours(put("credentialSubject.energyKwh", number)))
    expected.met_by(hostile(put("credentialSubject.energyKwh", 0.1)))


@attack("VJ011", "reject:SCHEMA_INVALID")
def test_no_float_is_ever_a_claim_whoever_signed_it(expected):
    for name in ("energyKwh", "acceleratorActiveKwh", "operationalEmissionsGco2e", "durationSeconds"):
        number = float(GOOD["credentialSubject"][name])
        typed = {"@value": number, "@type": "http://www.w3.org/2001/XMLSchema#decimal"}
        for value in (number, 2.005, typed, {"@value": number}):
            expected.met_by(hostile(put(f"credentialSubject.{name}", value)))


@attack("VJ012", "reject:SCHEMA_INVALID")
def test_a_number_that_engines_take_for_an_integer_or_a_double_is_no_figure(expected):
    text = encoded()
    for number in (b"1e20", b"1E20", b"100000000000000000000", b"1.0", b"-0.0", b"0", b"1e-7"):
        changed = text.replace(b'"energyKwh": "0.000729"', b'"energyKwh": ' + number)
        assert changed != text
        expected.met_by(of_call(lambda changed=changed: WORLD.report(document.parse(changed).value, EVIDENCE)))


@attack("VJ014", "reject:PARSING_ERROR")
def test_not_a_number_and_infinity_are_not_json(expected):
    text = encoded()
    for token in (
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"nan",
        b"-NaN",
        b"1e999",
        b"-1e999",
        b"0x10",
        b"1_0",
        b"+1",
        b".5",
    ):
        expected.met_by(raw(text.replace(b'"0.000729"', token)), raw(b'{"a":[' + token + b"]}"))


# --- characters ----------------------------------------------------------------------------------------------


@attack("VJ016", "reject:MALFORMED_VALUE_ERROR")
def test_a_control_character_written_as_an_escape_is_malformed(expected):
    text = encoded()
    for code in (
        *(f"\\u{number:04x}" for number in range(32)),
        "\\u007f",
        "\\n",
        "\\t",
        "\\b",
        "\\f",
        "\\uffff",
        "\\ud800",
    ):
        changed = text.replace(b"meta-llama", f"meta{code}llama".encode())
        named = text.replace(b'"modelId"', f'"model{code}Id"'.encode())
        expected.met_by(raw(changed), raw(named))


@attack(
    "VJ016",
    "reject:PARSING_ERROR",
    differs="parsing comes before the values; RFC 8259 §7 has no raw control character in a string",
)
def test_a_control_character_that_stands_raw_in_a_string_is_not_json(expected):
    text = encoded()
    for code in (b"\x00", b"\x01", b"\n", b"\x1b", b"\x1f"):
        expected.met_by(raw(text.replace(b"meta-llama", b"meta" + code + b"llama")))


@attack("VJ018", "reject:PARSING_ERROR")
def test_bytes_that_are_not_utf_8_are_refused(expected):
    text = encoded()
    for sequence in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"):
        expected.met_by(raw(text.replace(b"meta-llama", b"meta" + sequence)))
    expected.met_by(
        raw(b"\xef\xbb\xbf" + text),
        *(raw(text.decode().encode(name)) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        raw(b""),
        raw(b"\x00" + text),
    )


@attack("VJ020", "reject:PROOF_VERIFICATION_ERROR")
def test_a_name_in_another_normal_form_is_another_name(expected):
    composed = WORLD.credential(put("credentialSubject.acceleratorModel", "Acc\u00e9l\u00e9rateur"))
    parts = WORLD.credential(put("credentialSubject.acceleratorModel", "Acce\u0301le\u0301rateur"))
    expected.met_by(
        verdict(edited(composed, put("credentialSubject.acceleratorModel", "Acce\u0301le\u0301rateur"))),
        verdict(edited(parts, put("credentialSubject.acceleratorModel", "Acc\u00e9l\u00e9rateur"))),
        strange(put("credentialSubject.modelId", "\uff41ny")),
    )


@attack("VJ021", "accept-with-warning:SUSPICIOUS_TEXT")
def test_a_name_that_turns_round_or_mixes_scripts_is_pointed_out(expected):
    for text in ("H100 \u202e001H", "\u2067abc\u2069", "N\u0412IDIA", "\u200fabc", "meta-ll\u0430ma", "\u0391MD"):
        value = WORLD.credential(put("credentialSubject.acceleratorModel", text))
        expected.met_by(verdict(value))


# --- identifiers and keywords --------------------------------------------------------------------------------

BAD_IRIS = [
    "https://h/a b",
    "https://h/<x>",
    'https://h/"',
    "https://h/{x}",
    "https://h/a|b",
    "https://h/\\x",
    "https://h/^",
    "https://h/`",
]


@attack("VJ035", "reject:MALFORMED_VALUE_ERROR")
def test_an_iri_with_a_character_that_none_may_have_is_malformed(expected):
    for iri in BAD_IRIS:
        expected.met_by(
            ours(put("id", iri)),
            ours(put("credentialSubject.id", iri)),
            ours(put("credentialStatus.statusListCredential", iri)),
            strange(put("credentialSubject.id", iri)),
            strange(put("id", iri)),
            ours(put("evidence.0.id", iri)),
        )
    text = encoded()
    expected.met_by(
        *(
            raw(text.replace(b"https://oracle.example/cred", f"https://oracle{code}".encode()))
            for code in ("\\u0000", "\\n", "\\u007f")
        )
    )


@attack(
    "VJ036",
    "reject:PROOF_VERIFICATION_ERROR",
    differs="of an unknown type no claim is read; kwh:x is an absolute IRI, so it is signed, and adding it breaks "
    "the signature",
)
def test_a_member_named_by_a_scheme_breaks_a_strangers_signature(expected):
    expected.met_by(
        strange(put_into("credentialSubject", "kwh:x", "0.1")),
        strange(put_into("credentialSubject", "energyKwh:x", "0.1")),
        strange(put_into("credentialSubject", "gc:energyKwh", "0.1")),
    )


@attack("VJ036", "reject:SCHEMA_INVALID", differs=ORDER)
def test_a_member_named_by_a_scheme_is_outside_our_shape_and_outside_every_envelope(expected):
    for name in ("kwh:x", "energyKwh:x", "gc:energyKwh", f"{green_compute.NAMESPACE}energyKwh", "cred:expirationDate"):
        expected.met_by(*(ours(change) for change in within((name, "x"))), strange(at_top(name, "x")))


def test_a_member_that_is_named_by_no_scheme_and_no_term_is_unsigned():
    assert strange(put_into("credentialSubject", "kwh", "0.1")).meets("reject:UNSIGNED_CLAIM")


@attack("VJ038", "reject:SCHEMA_INVALID")
def test_keywords_that_move_what_they_hold_are_refused(expected):
    node = {"id": "urn:x:y", "https://example.org/p": "x"}
    for keyword in ("@included", "@graph", "@reverse", "@nest", "@index", "@set", "@list", "@value", "@id", "@type"):
        for change in within((keyword, [node]), (keyword, {"https://example.org/p": node})):
            expected.met_by(ours(change), strange(change))


@attack("VJ041", "reject:SCHEMA_INVALID")
def test_lists_sets_indexes_and_language_maps_are_outside_our_shape(expected):
    for value in (
        {"@list": [["x"]]},
        {"@list": [{"@list": ["x"]}]},
        {"@set": ["meta-llama/Llama-3.1-70B-Instruct"]},
        {"@value": "x", "@index": "1"},
        {"@value": "x", "@language": "en"},
        {"en": "x", "de": "y"},
        {"@value": "x", "@direction": "rtl"},
        [["x"]],
    ):
        expected.met_by(ours(put("credentialSubject.modelId", value)))
    expected.met_by(hostile(put("credentialSubject.modelId", {"@set": ["x"]})))


@attack("VJ042", "reject:SCHEMA_INVALID")
def test_our_nodes_have_iris_and_no_labels(expected):
    for path in ("id", "credentialSubject.id", "credentialStatus.id", "evidence.0.id", "credentialSchema.id", "issuer"):
        for label in ("_:b0", "_:c14n0", "_:"):
            expected.met_by(ours(put(path, label)))
        expected.met_by(ours(put(path, "")))
        if path != "issuer":
            expected.met_by(ours(drop(path)))
