"""Whose energy it is, where several measurements or requests run at once. Exact in integers, and pure.

- ``steps``: what an engine computed, step by step.
- ``fit``: what a step costs, learnt from the counters. The one place with floats; what it learns is then integers.
- ``shares``: each tick of the counters among the requests that ran in it. Σ requests + idle + unattributed = Δ counter.
- ``phase``: the same without steps, by tokens. Coarser, and graded lower.
"""
