"""Meters: each file is one way of reading energy or power, behind the protocol of ``agent.meters.protocol``."""
