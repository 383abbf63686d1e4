import copy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import digests, jcs, merkle
from schemas.errors import FormatError, MalformedValueError, ParsingError, ResourceLimitError, SchemaInvalidError
from schemas.receipt import Inclusion, build_receipt, parse_receipt, tenant_commitment
from schemas.window_record import decode_records
from tests.fakes.soft_tpm import lines, record
from tests.vectors import FORMATS

RAW = (FORMATS / "receipt.json").read_bytes()
EXAMPLE = json.loads(RAW)


def changed(edit):
    members = copy.deepcopy(EXAMPLE)
    edit(members)
    return json.dumps(members).encode()


def refused(edit, error=FormatError):
    with pytest.raises(error):
        parse_receipt(changed(edit))


def test_the_example_leads_to_its_root():
    receipt = parse_receipt(RAW)
    header = json.loads((FORMATS / "window-header.json").read_bytes())
    assert (receipt.merkle_root, receipt.inclusion.tree_size) == (header["merkle_root"], header["records"])


def test_the_example_is_what_the_credentials_name():
    receipt = parse_receipt(RAW)
    claims = json.loads((FORMATS / "credential.vc11.json").read_bytes())
    entry, subject = claims["evidence"][0], claims["credentialSubject"]
    assert (receipt.record_digest, str(receipt.inclusion.index)) == (entry["recordDigest"], entry["recordIndex"])
    assert receipt.window_digest == entry["windowDigest"]
    assert receipt.window_credential == subject["windowCredential"]
    assert tenant_commitment(receipt.record.tenant_id, receipt.tenant_salt) == subject["tenantCommitment"]


def test_a_receipt_is_read_as_it_was_written():
    receipt = parse_receipt(RAW)
    raw = build_receipt(receipt)
    assert parse_receipt(raw) == receipt
    assert raw == jcs.canonical_bytes(EXAMPLE)


def test_the_salt_of_the_tenant_may_be_absent():
    assert parse_receipt(changed(lambda members: members.pop("tenant_salt"))).tenant_salt is None


@pytest.mark.parametrize("name", [name for name in EXAMPLE if name != "tenant_salt"])
def test_everything_else_is_required(name):
    refused(lambda members: members.pop(name), SchemaInvalidError)


@pytest.mark.parametrize(
    "edit",
    [
        lambda members: members.update(note="x"),
        lambda members: members["record"].update(note="x"),
        lambda members: members["inclusion"].update(note="x"),
        lambda members: members.update(v=2),
        lambda members: members.update(record=None),
        lambda members: members.update(tenant_salt=None),
        lambda members: members["record"].update(requests=1.0),
        lambda members: members["inclusion"].update(index=1.0),
        lambda members: members["inclusion"].update(index=True),
        lambda members: members["inclusion"].update(tree_size=0),
        lambda members: members["inclusion"].update(path="x"),
        lambda members: members["inclusion"].update(path=["x"]),
        lambda members: members["inclusion"].update(path=EXAMPLE["inclusion"]["path"] * 9),
        lambda members: members.update(window_credential="no address"),
    ],
)
def test_another_shape_is_refused(edit):
    refused(edit)


@pytest.mark.parametrize("path", ["x", {}, EXAMPLE["inclusion"]["path"] * 9], ids=["text", "object", "too long"])
def test_a_path_is_a_list_no_longer_than_a_tree_is_high(path):
    with pytest.raises(MalformedValueError, match="an array of at most 16"):
        parse_receipt(changed(lambda members: members["inclusion"].update(path=path)))


@pytest.mark.parametrize("name", [name for name, value in EXAMPLE["record"].items() if isinstance(value, int)])
def test_an_altered_record_does_not_lead_to_the_root(name):
    refused(lambda members: members["record"].update({name: members["record"][name] + 1}))


@pytest.mark.parametrize(
    "edit",
    [
        lambda members: members["inclusion"].update(index=0),
        lambda members: members["inclusion"].update(index=2),
        lambda members: members["inclusion"].update(index=3),
        lambda members: members["inclusion"].update(tree_size=1),
        lambda members: members["inclusion"].update(tree_size=2),
        lambda members: members["inclusion"].update(tree_size=5),
        lambda members: members["inclusion"].update(path=[]),
        lambda members: members["inclusion"]["path"].reverse(),
        lambda members: members["inclusion"]["path"].pop(),
        lambda members: members["inclusion"]["path"].append(members["inclusion"]["path"][0]),
        lambda members: members.update(merkle_root=members["window_digest"]),
    ],
)
def test_a_bad_path_index_or_size_is_refused(edit):
    refused(edit, MalformedValueError)


def test_an_inner_node_is_no_leaf():
    # The path of the node above two leaves, given as if it were a leaf's own: a record's bytes are hashed behind
    # 0x00 and a node's behind 0x01, so no record has that hash.
    leaves = decode_records(lines(*map(record, range(4)))).leaves
    inner, root = merkle.node_hash(leaves[0], leaves[1]), merkle.root(leaves)
    above = merkle.node_hash(leaves[2], leaves[3])
    assert merkle.root_from_path(inner, 0, 2, [above]) == root
    for one in range(4):
        shortened = {"index": one // 2, "tree_size": 2, "path": [digests.encode(above if one < 2 else inner)]}
        own = {"record": record(one), "inclusion": shortened, "merkle_root": digests.encode(root)}
        refused(lambda members, own=own: members.update(own), MalformedValueError)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_every_record_of_a_window_has_a_receipt(size):
    records = decode_records(lines(*map(record, range(size))))
    tree = merkle.levels(records.leaves)
    for index, one in enumerate(records.records):
        path = tuple(digests.encode(node) for node in merkle.path_in(tree, index))
        inclusion = Inclusion(index=index, tree_size=size, path=path)
        receipt = msgspec.structs.replace(
            parse_receipt(RAW), record=one, inclusion=inclusion, merkle_root=records.merkle_root
        )
        assert parse_receipt(build_receipt(receipt)) == receipt


def test_what_would_be_refused_is_not_written():
    with pytest.raises(MalformedValueError):
        build_receipt(msgspec.structs.replace(parse_receipt(RAW), merkle_root=digests.digest(b"")))


def test_a_receipt_that_cannot_be_read_is_refused():
    for raw in (b"", b"[]", RAW + RAW, RAW.replace(b'"v": 1,', b'"v": 1, "v": 1,', 1)):
        with pytest.raises(ParsingError):
            parse_receipt(raw)
    with pytest.raises(ResourceLimitError):
        parse_receipt(b" " * 65537)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=20), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(offset, noise, length):
    try:
        parse_receipt(RAW[:offset] + noise + RAW[offset + length :])
    except FormatError:
        return
