"""Whose energy it is, where several measurements run at once. Exact in integers: the shares are the whole.

Until an engine says what it computed for whom, concurrent measurements in one process share each stretch evenly, and
what was shared is graded "partition-estimate". The energy of a nested measurement is the inner one's, not the outer
one's too: credentials must add up to what the meter counted.
"""

from __future__ import annotations


def even_shares(total: int, count: int) -> list[int]:
    """Return ``count`` integers that differ by at most one and sum to ``total``; the first get the remainder."""
    whole, rest = divmod(total, count)
    return [whole + (1 if index < rest else 0) for index in range(count)]
