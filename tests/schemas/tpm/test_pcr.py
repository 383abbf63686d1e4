import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cmw import parse_evidence
from schemas.tpm import pcr
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.attest import parse_attest
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.pcr import PcrSelection, window_selection
from schemas.tpm.wire import Reader
from schemas.window_header import window_digest
from tests.vectors import FORMATS

EXAMPLE = parse_evidence((FORMATS / "evidence.cmw.json").read_bytes())
SELECTIONS = st.lists(
    st.builds(
        PcrSelection,
        st.sampled_from([TpmAlg.SHA1, TpmAlg.SHA256]),
        st.sets(st.integers(0, 23)).map(lambda indices: tuple(sorted(indices))),
    ),
    max_size=16,
).map(tuple)


@given(SELECTIONS)
def test_selections_are_read_as_they_were_written(selections):
    reader = Reader(pcr.encode_selections(selections), "TPML_PCR_SELECTION")
    assert pcr.read_selections(reader) == selections
    reader.end()


def test_a_windows_selection_is_written_as_the_example_has_it():
    assert pcr.encode_selections(window_selection()) in EXAMPLE.attest


@pytest.mark.parametrize("index", [-1, 24, 255])
def test_a_register_that_there_is_not_is_not_selected(index):
    with pytest.raises(TpmStructureError):
        pcr.encode_selections((PcrSelection(TpmAlg.SHA256, (index,)),))


@pytest.mark.parametrize("index", [-1, 0, 7, 10, 16, 23, 24])
def test_a_register_that_is_taken_or_can_be_reset_holds_no_chain(index):
    with pytest.raises(TpmStructureError):
        window_selection(index)


def test_the_digest_is_over_the_values_in_their_order():
    values = {TpmAlg.SHA256: {0: b"a" * 32, 7: b"b" * 32}, TpmAlg.SHA1: {3: b"c" * 20}}
    selections = (PcrSelection(TpmAlg.SHA1, (3,)), PcrSelection(TpmAlg.SHA256, (0, 7)))
    joined = b"c" * 20 + b"a" * 32 + b"b" * 32
    assert pcr.composite_digest(selections, values, TpmAlg.SHA256) == hashlib.sha256(joined).digest()
    assert pcr.composite_digest(selections, values, TpmAlg.SHA384) == hashlib.sha384(joined).digest()


def test_the_example_quotes_the_digest_of_its_values():
    quoted = parse_attest(EXAMPLE.attest).attested
    assert pcr.composite_digest(quoted.selections, EXAMPLE.banks, TpmAlg.SHA256) == quoted.pcr_digest


@pytest.mark.parametrize(
    "values", [{}, {TpmAlg.SHA256: {}}, {TpmAlg.SHA256: {0: b""}}, {TpmAlg.SHA256: {0: bytes(31)}}]
)
def test_a_missing_value_or_one_of_another_length_has_no_digest(values):
    with pytest.raises(TpmStructureError):
        pcr.composite_digest((PcrSelection(TpmAlg.SHA256, (0,)),), values, TpmAlg.SHA256)


def test_a_bank_without_a_known_hash_has_no_digest():
    with pytest.raises(TpmStructureError):
        pcr.composite_digest((PcrSelection(0x12, (0,)),), {0x12: {0: bytes(32)}}, TpmAlg.SHA256)


def test_the_examples_chain_is_its_window_after_an_empty_register():
    digest = window_digest(EXAMPLE.header)
    assert pcr.extend(bytes(32), digest) == hashlib.sha256(bytes(32) + digest).digest() == EXAMPLE.pcrs[15]
