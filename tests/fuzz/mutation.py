"""Edits of valid examples: small programs that break a document where its reader may be weak.

An ``Edit`` is four numbers, so that hypothesis can draw and shrink it, a seeded generator can make ten thousand, and
the fuzzer can read it from bytes. Edits of JSON keep its structure and go deep; edits of bytes break the encoding.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

from tests.fuzz.nasty import NASTY_BYTES, NASTY_TEXTS, NASTY_VALUES

_MOST_BYTES: Final = 1024 * 1024
# One edit in so many breaks the encoding: what is no JSON any more is refused at once, and nothing else is tried.
_MOSTLY_VALUES: Final = 12
_NEST: Final = (1, 3, 15, 16, 17, 18, 60, 400)


class Edit(NamedTuple):
    """Which edit, where, and two numbers that it reads as it likes; all taken modulo what there is."""

    kind: int
    place: int
    first: int
    second: int


def edited(raw: bytes, edits: Iterable[Edit], others: Sequence[bytes] = ()) -> bytes:
    """Return ``raw`` after all edits; ``others`` are documents that parts are taken from."""
    for edit in edits:
        raw = _apply(raw, edit, others)[:_MOST_BYTES]
    return raw


def random_edits(random: Random, most: int = 4) -> list[Edit]:
    """Return one to ``most`` edits."""
    count = random.randint(1, most)
    return [Edit(*(random.randrange(1 << 16) for _ in range(4))) for _ in range(count)]


def _apply(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    kind, of_bytes = edit.kind // _MOSTLY_VALUES, edit.kind % _MOSTLY_VALUES == 0
    if of_bytes:
        return _OF_BYTES[kind % len(_OF_BYTES)](raw, edit, others)
    try:
        holder = [json.loads(raw)]
        spots = list(_spots(holder))
        parent, key = spots[edit.place % len(spots)]
        _OF_VALUES[kind % len(_OF_VALUES)](parent, key, edit, others)
        # Escaped only now and then, so that the characters themselves travel too.
        text = json.dumps(holder[0] if holder else None, ensure_ascii=edit.second % 2 == 0)
    except (ValueError, RecursionError):
        return _OF_BYTES[kind % len(_OF_BYTES)](raw, edit, others)
    return text.encode("utf-8", "surrogatepass")


def _spots(holder: list[Any]) -> Iterator[tuple[Any, Any]]:
    pending: list[Any] = [holder]
    while pending:
        container = pending.pop()
        entries = enumerate(container) if isinstance(container, list) else container.items()
        for key, item in list(entries):
            yield container, key
            if isinstance(item, dict | list):
                pending.append(item)


# --- edits of a JSON value: (container, key or index, the edit, other documents) ---------------------------


def _delete(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    del parent[key]


def _replace(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    parent[key] = copy.deepcopy(NASTY_VALUES[edit.first % len(NASTY_VALUES)])


def _replace_text(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    parent[key] = NASTY_TEXTS[edit.first % len(NASTY_TEXTS)]


def _change_text(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    value = parent[key]
    if not isinstance(value, str):
        parent[key] = str(value)
        return
    at = edit.first % (len(value) + 1)
    piece = NASTY_TEXTS[edit.second % len(NASTY_TEXTS)][:8]
    parent[key] = (value[:at] + piece + value[at:], value[:at], value[at:], value + value, value.swapcase())[
        edit.second % 5
    ]


def _wrap(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    value = parent[key]
    parent[key] = ([value], {"@value": value}, {"id": value}, [value, value], {"@id": value}, str(value))[
        edit.first % 6
    ]


def _nest(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    value = parent[key]
    for _ in range(_NEST[edit.first % len(_NEST)]):
        value = [value] if edit.second % 2 else {"a": value}
    parent[key] = value


def _rename(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    if isinstance(parent, dict):
        names = (NASTY_TEXTS[edit.first % len(NASTY_TEXTS)], f"gc:{key}", f"{key} ", key.upper(), f"@{key}")
        parent[names[edit.second % 5]] = parent.pop(key)


def _add(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    extra = copy.deepcopy(NASTY_VALUES[edit.second % len(NASTY_VALUES)])
    if isinstance(parent, dict):
        parent[NASTY_TEXTS[edit.first % len(NASTY_TEXTS)][:64]] = extra
    else:
        parent.insert(key, extra)


def _repeat(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    value = parent[key]
    if isinstance(value, list) and value:
        parent[key] = value * (2 + edit.first % 300)
    elif isinstance(value, dict):
        value |= {f"x{number}": number for number in range(edit.first % 300)}


def _move(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    spots = list(_spots([parent]))
    there, name = spots[edit.first % len(spots)]
    parent[key] = copy.deepcopy(there[name])


def _splice(parent: Any, key: Any, edit: Edit, others: Sequence[bytes]) -> None:
    if not others:
        return
    try:
        other = json.loads(others[edit.first % len(others)])
    except (ValueError, RecursionError):
        return
    spots = list(_spots([other]))
    there, name = spots[edit.second % len(spots)]
    parent[key] = there[name]


_OF_VALUES: Final[tuple[Callable[[Any, Any, Edit, Sequence[bytes]], None], ...]] = (
    _delete,
    _replace,
    _replace_text,
    _change_text,
    _wrap,
    _nest,
    _rename,
    _add,
    _repeat,
    _move,
    _splice,
)

# --- edits of bytes ----------------------------------------------------------------------------------------


def _flip(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    if not raw:
        return bytes([edit.first % 256])
    at = edit.place % len(raw)
    return raw[:at] + bytes([raw[at] ^ (1 << edit.first % 8)]) + raw[at + 1 :]


def _truncate(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    return raw[: edit.place % (len(raw) + 1)]


def _insert(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    at = edit.place % (len(raw) + 1)
    pieces = NASTY_BYTES + tuple(text.encode("utf-8", "surrogatepass") for text in NASTY_TEXTS)
    return raw[:at] + pieces[edit.first % len(pieces)] + raw[at:]


def _cut(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    at = edit.place % (len(raw) + 1)
    return raw[:at] + raw[at + edit.first % 64 :]


def _double(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    at = edit.place % (len(raw) + 1)
    return raw[: at + edit.first % 64] + raw[at:]


def _join(raw: bytes, edit: Edit, others: Sequence[bytes]) -> bytes:
    other = others[edit.first % len(others)] if others else raw
    return raw[: edit.place % (len(raw) + 1)] + other[edit.second % (len(other) + 1) :]


_OF_BYTES: Final[tuple[Callable[[bytes, Edit, Sequence[bytes]], bytes], ...]] = (
    _flip,
    _truncate,
    _insert,
    _cut,
    _double,
    _join,
)
