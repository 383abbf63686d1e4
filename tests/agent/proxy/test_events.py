"""Streams of events, however they are cut: nothing is lost, nothing is held, the end is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.measurement import UNCOUNTED, Counts
from agent.proxy import events
from agent.proxy.events import EventStream

DONE = b"data: [DONE]\n\n"
LINES = [
    b"data: x\n",
    b"data: [DONE]\n",
    b"data:[DONE]\r\n",
    b"\n",
    b"\r\n",
    b": ping\n",
    b"data: [DON",
    b"data",
    b"x\r",
    b"",
]


def watch(pieces):
    """Return what passed before the end, what came with it, and whether a comment may stand where the stream ended."""
    stream, now = EventStream(), b""
    for number, piece in enumerate(pieces):
        passed = stream.feed(piece)
        now += passed.now
        if passed.rest is not None:
            return stream, now, passed.rest + b"".join(pieces[number + 1 :]), True
    held, may = stream.end()
    return stream, now, held, may


@given(st.lists(st.sampled_from(LINES)).map(b"".join), st.lists(st.integers(1, 9)))
def test_nothing_is_lost_and_the_cut_changes_nothing(content, sizes):
    pieces, begin = [], 0
    for size in sizes:
        pieces.append(content[begin : begin + size])
        begin += size
    pieces.append(content[begin:])
    _, now, rest, may = watch(pieces)
    _, whole_now, whole_rest, whole_may = watch([content])

    assert now + rest == content
    assert (now, rest, may) == (whole_now, whole_rest, whole_may)


@given(st.lists(st.sampled_from(LINES)).map(b"".join))
def test_no_more_is_held_than_the_line_that_may_be_the_end(content):
    stream = EventStream()
    passed = stream.feed(content)
    if passed.rest is None:
        assert len(content) - len(passed.now) <= 13


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n"])
def test_the_end_is_found_at_the_beginning_of_an_event_alone(end):
    assert watch([b"data: x\n\n", end])[1:] == (b"data: x\n\n", end, True)
    inside = b"data: x\n" + end
    assert watch([inside])[1:] == (inside, b"", True)


def test_an_end_without_its_line_end_is_still_the_end():
    assert watch([b"data: x\n\ndata: [DONE]"])[1:] == (b"data: x\n\n", b"data: [DONE]", True)


@pytest.mark.parametrize("torn", [b"data: x\n", b"data: x", b"data: x\n\ndata: [DO"])
def test_a_torn_event_may_have_no_comment(torn):
    assert watch([torn])[3] is False


def test_the_last_tokens_count_and_what_is_no_usage_does_not_take_them_away():
    stream = watch(
        [
            b'data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
            b'data: {"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
            b'data: {"usage":null}\n\n',
            b'data: {"usage": no json\n\n',
        ]
    )[0]
    assert stream.counts == Counts(1, 2)


def test_a_line_too_long_to_be_read_passes_and_counts_nothing(monkeypatch):
    monkeypatch.setattr(events, "MAX_LINE_BYTES", 100)
    line = b'data: {"usage":{"prompt_tokens":1},"x":"' + b"y" * 200 + b'"}\n'
    stream, now, rest, may = watch([line[:50], line[50:120], line[120:], b"\n", b"data: x\n\n", DONE])

    assert stream.counts == UNCOUNTED
    assert now == line + b"\ndata: x\n\n"
    assert (rest, may) == (DONE, True)
