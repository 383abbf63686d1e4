"""What a provider's server may do other than answer: each trap turns the honest answer into another one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Answer:
    """What is sent. ``cut``: the connection ends in the middle of the body; ``slow``: nothing comes until it is closed."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    slow: bool = False


Trap = Callable[[Answer], Answer]


def status(code: int, **headers: str) -> Trap:
    """Another status; header names with _ for -: retry_after="7"."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: replace(answer, status=code, body=b'{"message":"no"}', headers={**answer.headers, **named})


def redirect(to: str) -> Trap:
    return lambda answer: replace(answer, status=302, body=b"", headers={"location": to})


def content_type(found: str) -> Trap:
    return lambda answer: replace(answer, content_type=found)


def body(raw: bytes) -> Trap:
    return lambda answer: replace(answer, body=raw)


def swapped(old: str, new: str) -> Trap:
    """The honest body with one text in place of another; fails where it is not there."""

    def swap(answer: Answer) -> Answer:
        text = answer.body.decode()
        assert old in text, f"{old!r} is not in {text[:300]!r}"
        return replace(answer, body=text.replace(old, new).encode())

    return swap


def edited(change: Callable[[dict], object]) -> Trap:
    """The honest JSON after ``change`` worked on it."""

    def edit(answer: Answer) -> Answer:
        members = json.loads(answer.body)
        change(members)
        return replace(answer, body=json.dumps(members).encode())

    return edit


def huge(size: int) -> Trap:
    return lambda answer: replace(answer, body=b" " * size + answer.body)


GARBAGE = body(b"<html>Bad Gateway")
NO_BODY = body(b"")


def slow(answer: Answer) -> Answer:
    return replace(answer, slow=True)


def cut(answer: Answer) -> Answer:
    return replace(answer, cut=True)


def compressed(answer: Answer) -> Answer:
    return replace(answer, headers={**answer.headers, "content-encoding": "gzip"})
