"""The rest of the windows that have to be refused: by what went before, by their JSON, records and energy.

``ATTACKS`` are all of them, those of window_attacks too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import digests, merkle
from tests.fakes import window_attacks
from tests.fakes.soft_tpm import Node, SoftTpm, canonical
from tests.fakes.window_attacks import Attack, Sent, chained, lie, sent

ATTACKS: list[Attack] = window_attacks.ATTACKS
ACCELERATOR_MJ = 70_000_000
"""More than an accelerator of 5.6 kW draws in ten seconds."""

_OTHER = digests.digest(b"another window")


def _moved(node: Node, wall_us: int) -> Sent:
    """Return the next window with everything in it at another time."""
    node.wall_us += wall_us
    return sent(node)


def _epoch(reset: int, restart: int) -> dict[str, Any]:
    return {"header": {"boot": {"reset": reset, "restart": restart}}, "attested": {"reset": reset, "restart": restart}}


# --- clocks, places, times ---------------------------------------------------------------------------------

_BACK = "resetCount or clock going back"
chained(_BACK, "resetCount", "CLOCK_ROLLBACK", lambda node: sent(node, **_epoch(0, 0)))
chained(_BACK, "restartCount", "CLOCK_ROLLBACK", lambda node: sent(node, **_epoch(0, 99)))
chained(_BACK, "clock", "CLOCK_ROLLBACK", lambda node: sent(node, attested={"clock_ms": 1}))
chained(_BACK, "clock stands still", "CLOCK_ROLLBACK", lambda node: sent(node, attested={"clock_ms": node.clock_ms}))
chained(_BACK, "unsafe clock", "CLOCK_ROLLBACK", lambda node: sent(node, attested={"clock_ms": 1, "safe": 0}))

_EPOCH = "undeclared epoch change"
chained(_EPOCH, "after a reset", "BOOT_EPOCH_UNDECLARED", lambda node: sent(node, **_epoch(2, 0)))
chained(_EPOCH, "after a resume", "BOOT_EPOCH_UNDECLARED", lambda node: sent(node, **_epoch(1, 1)))
lie(_EPOCH, "in the header alone", "BOOT_EPOCH_UNDECLARED", header={"boot": {"reset": 2, "restart": 0}})
lie(_EPOCH, "in the quote alone", "BOOT_EPOCH_UNDECLARED", attested={"reset": 2})

_SEQUENCE = "sequence gap or reuse"
chained(_SEQUENCE, "gap", "WINDOW_SEQUENCE_GAP", lambda node: sent(node, header={"sequence": node.sequence + 1}))
chained(_SEQUENCE, "gap to the last", "WINDOW_SEQUENCE_GAP", lambda node: sent(node, header={"sequence": 2**53 - 1}))
chained(_SEQUENCE, "reuse of the last", "WINDOW_FORK", lambda node: sent(node, header={"sequence": node.sequence - 1}))
chained(
    _SEQUENCE,
    "reuse of the first",
    "WINDOW_SEQUENCE_REUSED",
    lambda node: sent(node, header={"sequence": 0, "previous": ...}),
    # It looks the place up first, and says what stands there.
    "WINDOW_FORK",
)
chained("wrong prev", "another window's", "WINDOW_FORK", lambda node: sent(node, header={"previous": _OTHER}))
lie("wrong prev", "none", "SCHEMA_INVALID", header={"previous": ...})
lie("wrong prev", "of the first window", "SCHEMA_INVALID", header={"sequence": 0})


def _hidden(node: Node) -> Sent:
    """Return the next window after one that the TPM signed, and nobody sees."""
    place, chain = node.sequence, node.previous
    sent(node)
    node.sequence, node.previous = place, chain
    return sent(node)


chained("fork", "a window hidden before it", "WINDOW_FORK", _hidden)
chained("fork", "a register that did not move", "WINDOW_FORK", lambda node: sent(node, pcrs={15: node.pcrs[15]}))

_TIMES = "overlapping or future times"
chained(_TIMES, "by a microsecond", "WINDOW_OVERLAP", lambda node: _moved(node, -1))
chained(_TIMES, "by a whole window", "WINDOW_OVERLAP", lambda node: _moved(node, -10_000_000))
chained(_TIMES, "in the future", "CLOCK_SKEW", lambda node: _moved(node, 10**9))

# --- JSON --------------------------------------------------------------------------------------------------

_JSON = "non-canonical or duplicate-key JSON"


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return the edit that puts ``new`` in the first place of ``old``."""

    def edit(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    return edit


for what, edit in {
    "a space": swap(b',"ak"', b', "ak"'),
    "another order": lambda raw: b'{"v":1,' + raw[1:].replace(b',"v":1}', b"}"),
    "an escape": swap(b"green-agent", b"\\u0067reen-agent"),
    "a member twice": swap(b',"v":1}', b',"v":1,"v":1}'),
    "a second node": swap(b'"node_id"', b'"node_id":"node-8","node_id"'),
    "a line feed": lambda raw: raw + b"\n",
}.items():
    lie(_JSON, f"header: {what}", "PARSING_ERROR", edit_header=edit)
for what, edit in {
    "a space": swap(b'{"ak"', b'{ "ak"'),
    "a member twice": lambda raw: raw[:-1] + b',"signature":["application/octet-stream","AAAA"]}',
}.items():
    lie(_JSON, f"evidence: {what}", "PARSING_ERROR", edit_evidence=edit)
for what, edit in {
    "a space": swap(b'{"acc', b'{ "acc'),
    "a member twice": swap(b',"v":1}', b',"v":1,"v":1}'),
    "an escape": swap(b"inference-", b"\\u0069nference-"),
    "no last line feed": lambda raw: raw[:-1],
    "an empty line": lambda raw: raw + b"\n",
}.items():
    lie(_JSON, f"record: {what}", "PARSING_ERROR", edit_records=edit)

lie("floats", "header", "SCHEMA_INVALID", header={"network_mj": 0.5})
lie("floats", "header, of a whole number", "PARSING_ERROR", edit_header=swap(b'"network_mj":0', b'"network_mj":0.0'))
lie("floats", "accelerator", "SCHEMA_INVALID", edit_header=swap(b'"counter_start_mj":', b'"counter_start_mj":0.5,"d":'))
lie("floats", "record", "SCHEMA_INVALID", edit_records=swap(b'"requests":1', b'"requests":1.5'))
lie("floats", "record, of a whole number", "SCHEMA_INVALID", edit_records=swap(b'"requests":1', b'"requests":1.0'))
lie("floats", "record, in powers", "SCHEMA_INVALID", edit_records=swap(b'"requests":1', b'"requests":1e0'))

# --- records -----------------------------------------------------------------------------------------------

_MISMATCH = "WINDOW_RECORDS_MISMATCH"


def resalted(raw: bytes) -> bytes:
    """Return the lines with another salt in the first."""
    at = raw.index(b'"salt":"') + 8
    return raw[:at] + b"A" * 22 + raw[at + 22 :]


_ALTERED = "a record altered"
for what, edit in {
    "its work": swap(b'"output_tokens":20', b'"output_tokens":21'),
    "its salt": resalted,
    "its name": swap(b'"inference_id":"inference-', b'"inference_id":"inference-9'),
    "in another order": lambda raw: b"".join(raw.splitlines(keepends=True)[::-1]),
}.items():
    lie(_ALTERED, what, _MISMATCH, edit_records=edit)


_COUNTED = "dropped or counted wrong"
lie(_COUNTED, "dropped", _MISMATCH, edit_records=lambda raw: b"".join(raw.splitlines(keepends=True)[:-1]))
lie(_COUNTED, "all of them", _MISMATCH, edit_records=lambda raw: b"")
lie(_COUNTED, "one too many", _MISMATCH, edit_records=lambda raw: raw + resalted(raw[: raw.index(b"\n") + 1]))
lie(_COUNTED, "counted as three", _MISMATCH, header={"records": 3})
lie(_COUNTED, "counted as none", "SCHEMA_INVALID", header={"records": 0})


def _inner(node: Node) -> Sent:
    """Return a window that counts the inner nodes of its tree as its two records."""
    return sent(node, records=node.own_records(4), header={"records": 2})


def _one_inner(node: Node) -> Sent:
    """Return a window whose root is that of the nodes over its records, taken for leaves."""
    own = [{name: value for name, value in one.items() if name != "tenant_id"} for one in node.own_records(4)]
    leaves = [merkle.leaf_hash(canonical(one)) for one in own]
    pairs = [merkle.node_hash(*leaves[index : index + 2]) for index in (0, 2)]
    root = digests.encode(merkle.root([merkle.leaf_hash(pair) for pair in pairs]))
    return sent(node, records=own, header={"merkle_root": root})


ATTACKS.append(Attack("an inner node used as a leaf", "two counted of four", _MISMATCH, _inner))
ATTACKS.append(Attack("an inner node used as a leaf", "hashed as a leaf", _MISMATCH, _one_inner))

# --- keys and energy ---------------------------------------------------------------------------------------

_NAMED = "a header naming another AK"
lie(_NAMED, "ak", "WINDOW_SIGNER_MISMATCH", header={"ak": SoftTpm(seed=8).ak})
lie(_NAMED, "key", "WINDOW_SIGNER_MISMATCH", header={"key": SoftTpm(seed=8).uri})
lie(_NAMED, "both", "WINDOW_SIGNER_MISMATCH", header={"ak": SoftTpm(seed=8).ak, "key": SoftTpm(seed=8).uri})


def _stranger(node: Node) -> Sent:
    node.tpm = SoftTpm(seed=8)
    return sent(node)


_ENROLLED = "an AK not enrolled or revoked"
chained(_ENROLLED, "another TPM's", "CHAIN_OF_ANOTHER_NODE", _stranger, "WINDOW_SIGNER_MISMATCH")
chained(
    _ENROLLED,
    "in the name of another node",
    "CHAIN_OF_ANOTHER_NODE",
    lambda node: sent(node, header={"node_id": "node-7"}),
    # Node-7 is there, with a software key.
    "WINDOW_SIGNER_MISMATCH",
)

_ENERGY = "energy negative or above TDP × Δt"
for name in ("accelerator_idle_mj", "host_cpu_mj"):
    lie(_ENERGY, f"header: {name}", "SCHEMA_INVALID", header={name: -1})
lie(_ENERGY, "a counter's", "SCHEMA_INVALID", edit_header=swap(b'"energy_mj":', b'"energy_mj":-'))
lie(_ENERGY, "record", "SCHEMA_INVALID", edit_records=swap(b'"host_cpu_mj":3000', b'"host_cpu_mj":-3000'))


def _hot(node: Node) -> Sent:
    own = node.own_records(1)
    own[0]["accelerator_active_mj"] = ACCELERATOR_MJ
    return sent(node, records=own)


chained(_ENERGY, "7 kW of an accelerator", "CLAIM_IMPLAUSIBLE", _hot)

_LABELLED = "software evidence labelled TPM"
_SOFTWARE = {"ak": ..., "boot": {"start": 1}}
lie(_LABELLED, "a software key's header under a quote", "WINDOW_SIGNER_MISMATCH", header=_SOFTWARE)
lie(_LABELLED, "a JWS for a quote", "NOT_A_QUOTE", attest=lambda raw: b"eyJ0eXAiOiJlY3ctd2luZG93K2p3cyJ9.e30.AAAA")
