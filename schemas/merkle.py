"""Merkle trees over records (RFC 9162 §2.1, SHA-256), from leaf hashes of 32 bytes.

Pairing each level from the left and carrying an odd last node up unchanged gives the tree of the RFC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from schemas.errors import MalformedValueError

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry), 32 bytes; ``entry`` is the JCS form of a record."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right), 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the tree's levels, the leaf hashes first and the root last; one empty level without leaves."""
    tree = [list(leaves)]
    # node_hash, ten thousand times over: a copied state saves looking SHA-256 up, a quarter of the time.
    begun = hashlib.sha256(b"\x01")
    while len(tree[-1]) > 1:
        below, above = tree[-1], list[bytes]()
        for left, right in zip(below[::2], below[1::2], strict=False):
            node = begun.copy()
            node.update(left + right)
            above.append(node.digest())
        tree.append(above + below[len(above) * 2 :])
    return tree


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root (32 bytes) over leaf hashes in their order."""
    return levels(leaves)[-1][0] if leaves else EMPTY_ROOT


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the sibling hashes from leaf ``index`` up to the root. Raises MalformedValueError out of range."""
    return path_in(levels(leaves), index)


def path_in(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Return the inclusion path of leaf ``index`` in a tree from levels: for many proofs of one window."""
    if not 0 <= index < len(tree[0]):
        raise MalformedValueError(f"leaf {index} is not in a tree of {len(tree[0])}")
    path = []
    for level in tree[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def root_from_path(leaf: bytes, index: int, tree_size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion path leads to, to be compared with the signed one. RFC 9162 §2.1.3.2.

    Raises MalformedValueError for an index outside the tree or a path of another length than the tree gives.
    """
    if not 0 <= index < tree_size:
        raise MalformedValueError(f"leaf {index} is not in a tree of {tree_size}")
    if any(len(sibling) != len(EMPTY_ROOT) for sibling in (leaf, *path)):
        raise MalformedValueError("a hash of an inclusion path has 32 bytes")
    siblings = iter(path)
    node, position, last = leaf, index, tree_size - 1
    try:
        while last > 0:
            if position % 2:
                node = node_hash(next(siblings), node)
            elif position < last:
                node = node_hash(node, next(siblings))
            position, last = position >> 1, last >> 1
    except StopIteration:
        raise MalformedValueError("the inclusion path is too short for the tree") from None
    if next(siblings, None) is not None:
        raise MalformedValueError("the inclusion path is too long for the tree")
    return node
