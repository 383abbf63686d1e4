import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import digests, jcs, merkle
from schemas.errors import MalformedValueError
from tests.schemas.documents import example

RECEIPT = example("receipt")
PATH = [digests.decode(sibling) for sibling in RECEIPT["inclusion"]["path"]]
LEAF = merkle.leaf_hash(jcs.canonical_bytes(RECEIPT["record"]))
ROOT = digests.decode(RECEIPT["merkle_root"])

LEAVES = st.lists(st.binary(max_size=4).map(merkle.leaf_hash), min_size=1, max_size=40)


def tree_hash(leaves):
    """Return MTH as RFC 9162 §2.1.1 defines it, by recursion: the largest power of two splits."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_root_is_that_of_the_definition(leaves):
    assert merkle.root(leaves) == tree_hash(leaves)


@given(LEAVES, st.data())
def test_every_leaf_leads_to_the_root(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(leaves, index)
    assert merkle.root_from_path(leaves[index], index, len(leaves), path) == merkle.root(leaves)


@given(LEAVES, st.data())
def test_another_leaf_index_or_sibling_leads_elsewhere(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(leaves, index)
    root = merkle.root(leaves)
    assert merkle.root_from_path(merkle.leaf_hash(b"another"), index, len(leaves), path) != root
    for place in range(len(path)):
        forged = [*path[:place], bytes(32), *path[place + 1 :]]
        assert merkle.root_from_path(leaves[index], index, len(leaves), forged) != root


@given(LEAVES, st.data())
def test_a_path_of_another_length_is_malformed(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.inclusion_path(leaves, index)
    with pytest.raises(MalformedValueError, match="too long"):
        merkle.root_from_path(leaves[index], index, len(leaves), [*path, bytes(32)])
    if path:
        with pytest.raises(MalformedValueError, match="too short"):
            merkle.root_from_path(leaves[index], index, len(leaves), path[:-1])


def test_the_reference_receipt_leads_to_the_signed_root():
    inclusion = RECEIPT["inclusion"]
    assert merkle.root_from_path(LEAF, inclusion["index"], inclusion["tree_size"], PATH) == ROOT


def test_receipt_header_and_window_credential_name_one_root():
    header = example("window-header")
    subject = example("window.vc11")["credentialSubject"]
    assert RECEIPT["merkle_root"] == header["merkle_root"] == subject["recordsMerkleRoot"]
    assert header["records"] == RECEIPT["inclusion"]["tree_size"] == int(subject["recordCount"])


def test_the_leaf_is_the_record_digest_of_the_evidence():
    assert digests.encode(LEAF) == example("credential.vc11")["evidence"][0]["recordDigest"]
    assert merkle.leaf_hash(jcs.canonical_bytes(example("record"))) == LEAF


@pytest.mark.parametrize("index", [0, 2])
def test_the_reference_record_is_at_no_other_index(index):
    path = PATH if index == 0 else PATH[:1]
    assert merkle.root_from_path(LEAF, index, 3, path) != ROOT


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (5, 3)])
def test_an_index_outside_the_tree_is_malformed(index, size):
    with pytest.raises(MalformedValueError, match="not in a tree"):
        merkle.root_from_path(LEAF, index, size, PATH)
    with pytest.raises(MalformedValueError, match="not in a tree"):
        merkle.inclusion_path([LEAF] * size, index)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_malformed(length):
    with pytest.raises(MalformedValueError, match="32 bytes"):
        merkle.root_from_path(LEAF, 1, 3, [PATH[0], bytes(length)])
    with pytest.raises(MalformedValueError, match="32 bytes"):
        merkle.root_from_path(bytes(length), 1, 3, PATH)


def test_an_inner_node_is_no_leaf():
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(4)]
    inner = merkle.node_hash(leaves[0], leaves[1])
    assert merkle.leaf_hash(leaves[0] + leaves[1]) != inner


def test_a_tree_without_leaves_has_the_root_of_the_rfc():
    assert merkle.root([]) == merkle.EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_many_proofs_can_be_taken_from_one_tree():
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(100)]
    tree = merkle.levels(leaves)
    assert [merkle.path_in(tree, index) for index in range(100)] == [
        merkle.inclusion_path(leaves, i) for i in range(100)
    ]
