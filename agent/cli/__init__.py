"""The command line ``green-agent``."""

from agent.cli.entry import main

__all__ = ["main"]
