"""``green-agent settings``: what is set, and where."""

from __future__ import annotations

import json

import msgspec

from agent.cli.call import Call
from agent.config import PREFIX


def settings(call: Call) -> int:
    """Show every setting, its value, and the variable that sets it."""
    values = msgspec.to_builtins(call.settings)
    if call.options.json:
        print(json.dumps(values))
        return 0
    print(f"# {call.home.settings_file}, then the environment")
    for name, value in values.items():
        print(f"{name} = {json.dumps(value)}  # {PREFIX}{name.upper()}")
    return 0
