"""Documents for tests: the examples of the format, and graphs made to cost."""

from __future__ import annotations

import json
from typing import Any

from tests.vectors import FORMATS

W3C = "https://www.w3.org/2018/credentials/v1"


def example(name: str) -> dict[str, Any]:
    """Return an example of the format (``credential.vc11``, ``presentation.vc11``, …), a fresh copy."""
    return json.loads((FORMATS / f"{name}.json").read_bytes())


def unsecured(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an example without its proof, and the proof options: contexts, and the proof without signature."""
    document = example(name)
    proof = document.pop("proof")
    options = {key: value for key, value in proof.items() if key not in {"jws", "proofValue"}}
    return document, {"@context": document["@context"], **options}


def clique(size: int) -> dict[str, Any]:
    """Return a document of blank nodes that all know each other: exponential work for a canonicalizer."""
    nodes = [f"_:n{number}" for number in range(size)]
    graph = [{"@id": node, "urn:knows": [{"@id": other} for other in nodes if other != node]} for node in nodes]
    return {"@context": W3C, "@graph": graph}


def ring(size: int) -> dict[str, Any]:
    """Return a document of blank nodes in a ring: quadratic work for a canonicalizer, and deep recursion."""
    graph = [{"@id": f"_:n{number}", "urn:next": {"@id": f"_:n{(number + 1) % size}"}} for number in range(size)]
    return {"@context": W3C, "@graph": graph}
