"""The agent: measures the energy of AI work on a node, signs it, keeps it, and has it made into credentials.

import agent

with agent.measure(model_id="meta-llama/Llama-3.1-8B"):
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.api import current, measure

__all__ = ["current", "measure"]


def __getattr__(name: str) -> object:
    # On first use: the meters and the verifier's formats alone need neither threads nor a session.
    if name in __all__:
        from agent import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
