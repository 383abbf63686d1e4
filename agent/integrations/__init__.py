"""Where engines meet the agent: a log of steps, and what feeds it."""
