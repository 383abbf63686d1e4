"""A chain under a software key goes by numbers and times alone, and never mixes with a TPM's."""

import pytest

from did import jws
from did.signers import SoftwareSigner
from schemas.window_header import SOFTWARE_TYP
from tests.fakes.did import signer
from tests.fakes.soft_tpm import Node, canonical
from tests.fakes.window_chain import LATER_US, taken
from verifier.attestation import chain
from verifier.attestation.chain_state import FlagKind
from verifier.attestation.errors import (
    ChainIdentityError,
    RollbackError,
)
from verifier.attestation.software import check_software_window


def software(node, key: SoftwareSigner, start, **changes):
    uri = key.public_key.thumbprint_uri
    members = node.header([], **({"ak": ..., "boot": {"start": start}, "key": uri} | changes))
    raw = canonical(members)
    node.sequence, node.wall_us = members["sequence"] + 1, members["end_us"]
    node.counter_mj = members["accelerators"][-1]["counter_end_mj"]
    token = jws.sign_compact(raw, {"typ": SOFTWARE_TYP, "kid": uri}, key, "ES256")
    checked = check_software_window(token, key.public_key)
    node.previous = checked.digest
    return checked


def test_windows_of_a_software_key_follow_each_other():
    node, key = Node(), signer("ES256")
    state = chain.begin_software("node-7", key.public_key, start=12)
    for _ in range(3):
        step = chain.advance(state, software(node, key, 12), now_us=LATER_US)
        assert step.flags == ()
        state = step.state
    assert (state.epoch, state.clock_ms, state.chain_value) == ((12,), None, None)


def test_a_new_start_of_an_agent_with_a_software_key_is_told():
    node, key = Node(), signer("ES256")
    state = chain.begin_software("node-7", key.public_key, start=12)
    step = chain.advance(state, software(node, key, 14), now_us=LATER_US)
    assert [(flag.kind, flag.detail) for flag in step.flags] == [(FlagKind.EPOCH_CHANGED, "from 12 to 14")]
    assert step.state.epoch == (14,)


def test_a_start_counter_that_went_back_is_refused():
    node, key = Node(), signer("ES256")
    state = chain.begin_software("node-7", key.public_key, start=12)
    with pytest.raises(RollbackError):
        chain.advance(state, software(node, key, 11), now_us=LATER_US)


def test_a_chain_under_a_tpm_takes_no_software_window():
    node, key = Node(), signer("ES256")
    state = node.begun()
    with pytest.raises(ChainIdentityError):
        chain.advance(state, software(node, key, 1), now_us=LATER_US)


def test_a_chain_under_a_software_key_takes_no_quote():
    node, key = Node(), signer("ES256")
    state = chain.begin_software("node-7", key.public_key, start=1)
    with pytest.raises(ChainIdentityError):
        taken(state, node.window())
