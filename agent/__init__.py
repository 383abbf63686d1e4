"""The agent: measures the energy of AI work on a node, signs it, keeps it, and has it made into credentials.

import agent

with agent.measure(model_id="meta-llama/Llama-3.1-8B"):
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.api import measure

__all__ = ["measure"]


def __getattr__(name: str) -> object:
    # On first use: the meters and the verifier's formats alone need neither threads nor a session.
    if name == "measure":
        from agent.api import measure

        return measure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
