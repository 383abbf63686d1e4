"""The canonicalization engines that a verdict uses where its caller brings none."""

from __future__ import annotations

import functools

from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess
from verifier.rdf.worker import WorkerPool


@functools.cache
def default_engines() -> Engines:
    """Return the engines of this process: our closed shapes in it, all else in killable workers.

    Workers start when first needed, so that verifying our own credentials starts no process.
    """
    return Engines(closed=InProcess(), general=WorkerPool())
