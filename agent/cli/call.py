"""What a command is called with."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from agent.config import Settings
from agent.home import Home


@dataclass(frozen=True, slots=True)
class Call:
    """The options of a command, what stood after ``--``, and the agent that it concerns."""

    options: argparse.Namespace
    work: list[str]
    settings: Settings
    home: Home
    environment: Mapping[str, str]
