"""Canonical N-Quads of JSON-LD documents (RDFC-1.0, the former URDNA2015), in safe mode, over PyLD.

The only file of the verifier that knows PyLD. Three things are added to it: nothing is lost in expansion or
in RDF (``safe_mode``, ``quads``), N-Quads are escaped as RDFC-1.0 asks, and blank nodes have a budget of
steps, so that a poison graph ends after the same work on every machine. Contexts come from the pinned set;
a context that comes with a document is refused, unless it is our own.
"""

from __future__ import annotations

import functools
import hashlib
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pyld import jsonld
from pyld.canon import URDNA2015

from contexts import green_compute
from contexts.errors import UnknownContextError
from contexts.loader import document_loader
from contexts.pinned import load
from schemas.errors import GreenError
from schemas.strict_json import Json, JsonObject
from verifier.errors import ProofTransformationError, ResourceLimitError, UnsignedClaimError, UntrustedContextError
from verifier.rdf import nquads, safe_mode
from verifier.rdf.quads import Quad, Term, quads_of

_MAX_QUADS: Final = 200_000
_MAX_STEPS: Final = 2_000
_MAX_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may cost: statements, steps of the search among alike blank nodes, bytes of N-Quads.

    Each statement repeats its subject, so a document of half a megabyte could have gigabytes of canonical form.
    """

    max_quads: int = _MAX_QUADS
    max_steps: int = _MAX_STEPS
    max_bytes: int = _MAX_BYTES


class Canonicalizer(Protocol):
    """The seam between proof suites and what makes canonical bytes: in process, in a worker, compiled."""

    def canonicalize(self, document: JsonObject) -> bytes:
        """Return the canonical N-Quads (UTF-8, sorted, at least one) of a JSON-LD object.

        Raises UnsignedClaimError, MalformedTermError, UntrustedContextError, ResourceLimitError or
        ProofTransformationError; never loads anything.
        """
        ...


class InProcess:
    """Canonicalizes in this process. May be shared by threads. Documents of strangers belong in a worker."""

    def __init__(
        self,
        *,
        limits: Limits = Limits(),
        source: Callable[[str], JsonObject] = load,
        inline_contexts: bool = False,
    ) -> None:
        """Take contexts from ``source``; ``inline_contexts`` lets a document bring its own, which only tests do."""
        prove_safe_mode()
        self._limits = limits
        self._loader = document_loader(source)
        self._inline_contexts = inline_contexts
        self._cache: dict[str, Any] = {}
        self._lock = threading.Lock()

    def canonicalize(self, document: JsonObject, *, limits: Limits | None = None) -> bytes:
        """Return the canonical N-Quads, within ``limits`` if others are given; as Canonicalizer.canonicalize."""
        limits = limits or self._limits
        try:
            quads = quads_of(self.expand(document), max_quads=limits.max_quads)
            if not quads:
                raise UnsignedClaimError("the document makes no statement at all, so nothing in it is signed")
            return canonical(quads, max_steps=limits.max_steps, max_bytes=limits.max_bytes)
        except RecursionError as error:
            raise ResourceLimitError("the document nests too deeply") from error

    def expand(self, document: JsonObject) -> list[Json]:
        """Return the expanded form, nothing dropped. Raises as Canonicalizer.canonicalize."""
        prepared = document if self._inline_contexts else _with_pinned_urls(document)
        # Only pinned contexts meet the cache, so it stays small; and PyLD changes a cached one where another
        # context imports it.
        cache = {} if self._inline_contexts else self._cache
        options = {
            "base": safe_mode.RELATIVE_BASE,
            "documentLoader": self._loader,
            "contextResolver": jsonld.ContextResolver(cache, self._loader),
            "processingMode": "json-ld-1.1",
            "extractAllScripts": False,
        }
        with self._lock:
            return _expanded(prepared, options)


def canonical_nquads(document: JsonObject, *, limits: Limits | None = None) -> bytes:
    """Return the canonical N-Quads of a document in this process; as Canonicalizer.canonicalize."""
    return _default().canonicalize(document, limits=limits)


@functools.cache
def _default() -> InProcess:
    return InProcess()


def canonical(
    quads: Sequence[Quad], *, max_steps: int = _MAX_STEPS, max_bytes: int = _MAX_BYTES, hash_name: str = "sha256"
) -> bytes:
    """Return quads as canonical N-Quads (RDFC-1.0 §4.4): blank nodes labelled ``_:c14n0``…, lines sorted.

    ``hash_name`` as hashlib names it. Raises ResourceLimitError where alike blank nodes need more than
    ``max_steps``, or the lines take more than ``max_bytes``.
    """
    # Before anything is written or hashed: the lines have at least as many bytes as the terms have characters.
    if sum(map(_characters, quads)) > max_bytes:
        raise _too_long(max_bytes)
    labels = _Labelling(quads, max_steps, hash_name).labels()
    # The order of UTF-8 is that of the code points.
    return b"".join(sorted(_lines(quads, labels.__getitem__, max_bytes)))


def _characters(quad: Quad) -> int:
    terms = (quad.subject, quad.object) if quad.graph is None else (quad.subject, quad.object, quad.graph)
    return len(quad.predicate) + sum(len(term.value) for term in terms)


def _lines(quads: Sequence[Quad], label: Callable[[str], str], max_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    for quad in quads:
        line = _line(quad, label).encode("utf-8")
        left -= len(line)
        if left < 0:
            raise _too_long(max_bytes)
        yield line


def _too_long(max_bytes: int) -> ResourceLimitError:
    return ResourceLimitError(f"the document's signed statements take more than {max_bytes} bytes")


def _line(quad: Quad, label: Callable[[str], str]) -> str:
    def written(term: Term) -> str:
        if term.kind == "literal":
            return nquads.literal(term.value, term.datatype, term.language)
        return f"<{term.value}>" if term.kind == "IRI" else label(term.value)

    return nquads.line(
        written(quad.subject), quad.predicate, written(quad.object), None if quad.graph is None else written(quad.graph)
    )


class _Labelling(URDNA2015):  # type: ignore[misc]  # PyLD has no types
    """PyLD's algorithm, of which only the labels are used: statements are hashed and written by ``nquads``."""

    def __init__(self, quads: Sequence[Quad], max_steps: int, hash_name: str) -> None:
        super().__init__()
        self._steps_left = max_steps
        self._hash_name = hash_name
        self._mentions: defaultdict[str, dict[Quad, None]] = defaultdict(dict)
        self._dataset: defaultdict[str, list[dict[str, dict[str, str]]]] = defaultdict(list)
        for quad in quads:
            nodes = [term for term in (quad.subject, quad.object, quad.graph) if term and term.kind == "blank node"]
            for term in nodes:
                self._mentions[term.value][quad] = None
            if nodes:
                self._dataset[quad.graph.value if quad.graph else "@default"].append(_pyld(quad))

    def labels(self) -> dict[str, str]:
        """Return the canonical label of each blank node."""
        if self._mentions:
            self.main(self._dataset, {"format": "application/n-quads"})
        issued: dict[str, str] = self.canonical_issuer.existing
        return issued

    def create_hash(self) -> Any:
        """Return a new hash: SHA-256 but in the tests of other ones."""
        return hashlib.new(self._hash_name)

    def hash_first_degree_quads(self, id_: str) -> str:
        """Return the hash of the statements that mention a blank node. RDFC-1.0 §4.6."""
        info: dict[str, str] = self.blank_node_info[id_]
        if "hash" not in info:
            lines = [_line(quad, lambda label: "_:a" if label == id_ else "_:z") for quad in self._mentions[id_]]
            info["hash"] = self.hash_nquads(sorted(lines))
        return info["hash"]

    def hash_n_degree_quads(self, id_: str, issuer: Any) -> Any:
        """Return PyLD's result, for one step of the budget. RDFC-1.0 §4.8."""
        self._spend(1)
        return super().hash_n_degree_quads(id_, issuer)

    def create_hash_to_related(self, id_: str, issuer: Any) -> Any:
        """Return PyLD's groups of alike neighbours, for as many steps as they have orders. RDFC-1.0 §4.8.2."""
        related = super().create_hash_to_related(id_, issuer)
        self._spend(sum(_orders(group) for group in related.values() if len(group) > 1))
        return related

    def _spend(self, steps: int) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise ResourceLimitError("the document's blank nodes are too alike to be told apart at a bounded cost")


def _orders(group: Sequence[str]) -> int:
    # A node that is mentioned five times is no five nodes: to exchange it with itself is not tried.
    alike = math.prod(math.factorial(count) for count in Counter(group).values())
    return math.factorial(len(group)) // alike


def _pyld(quad: Quad) -> dict[str, dict[str, str]]:
    return {
        "subject": {"type": quad.subject.kind, "value": quad.subject.value},
        "predicate": {"type": "IRI", "value": quad.predicate},
        "object": {"type": quad.object.kind, "value": quad.object.value, "datatype": quad.object.datatype},
    }


class _LosslessExpansion(jsonld.JsonLdProcessor):  # type: ignore[misc]  # PyLD has no types
    """PyLD's expansion, watched: ``safe_mode`` sees each element before and what became of it after."""

    def _expand(
        self,
        active_ctx: Any,
        active_property: str | None,
        element: Json,
        options: Any,
        inside_list: bool = False,  # noqa: FBT001, FBT002  # PyLD's signature
        **scope: Any,
    ) -> Any:
        result = super()._expand(active_ctx, active_property, element, options, inside_list, **scope)
        if result is None or result == []:
            in_list = inside_list or "@list" in _containers(active_ctx, active_property)
            safe_mode.dropped(element, result, in_list=in_list)
        return result

    def _expand_object(
        self,
        active_ctx: Any,
        active_property: str | None,
        expanded_active_property: Any,
        element: JsonObject,
        *rest: Any,
    ) -> None:
        safe_mode.members(
            element,
            lambda key: self._expand_iri(active_ctx, key, vocab=True),
            functools.partial(_containers, active_ctx),
        )
        super()._expand_object(active_ctx, active_property, expanded_active_property, element, *rest)


def _containers(active_ctx: Any, term: str | None) -> list[str]:
    containers = jsonld.JsonLdProcessor.get_context_value(active_ctx, term, "@container")
    return jsonld.JsonLdProcessor.arrayify(containers) if containers else []


def _expanded(document: JsonObject, options: dict[str, Any]) -> list[Json]:
    try:
        expanded: list[Json] = _LosslessExpansion().expand(document, options)
    except (GreenError, RecursionError, MemoryError):
        raise
    except jsonld.JsonLdError as error:
        if any(isinstance(cause, UnknownContextError) for cause in _causes(error)):
            raise UntrustedContextError("a context is not pinned, and nothing is fetched") from error
        raise ProofTransformationError(f"the document is not JSON-LD: {error.code or 'invalid'}") from error
    except Exception as error:  # PyLD answers some malformed documents with KeyError or TypeError
        raise ProofTransformationError("the document is not JSON-LD that can be processed") from error
    return expanded


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _with_pinned_urls(document: JsonObject) -> JsonObject:
    """Return the document with our inline context written as its URL, which PyLD keeps processed.

    Raises UntrustedContextError for another inline context. Contexts deeper than those of the document
    and of the credentials in a presentation are refused too: they would change the meaning of a part.
    """
    prepared: JsonObject = {}
    for key, value in document.items():
        if key == "@context":
            prepared[key] = [_pinned_url(entry) for entry in (value if isinstance(value, list) else [value])]
        elif key == "verifiableCredential" and isinstance(value, list):
            prepared[key] = [_with_pinned_urls(item) if isinstance(item, dict) else item for item in value]
        elif key == "verifiableCredential" and isinstance(value, dict):
            prepared[key] = _with_pinned_urls(value)
        else:
            _refuse_contexts(value)
            prepared[key] = value
    return prepared


def _pinned_url(entry: Json) -> str:
    if green_compute.is_ours(entry):
        return green_compute.URL
    if not isinstance(entry, str):
        raise UntrustedContextError("the document brings a context of its own; only our own may stand inline")
    return entry


def _refuse_contexts(value: Json) -> None:
    if isinstance(value, dict):
        if "@context" in value:
            raise UntrustedContextError("a context stands inside the document, where it would change a part's meaning")
        for member in value.values():
            _refuse_contexts(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_contexts(member)


@functools.cache
def prove_safe_mode(processor: type[jsonld.JsonLdProcessor] = _LosslessExpansion) -> None:
    """Return if nothing slips through ``processor``; raises ImportError where something does.

    The safe mode watches methods of PyLD that another release may rename, and would then see nothing: so
    no canonicalizer is made before a member that is undefined and a value out of place have been refused.
    """
    for lossy in ({"undefined": "x", "urn:p": "y"}, {"@graph": ["out of place", {"urn:p": "y"}]}):
        try:
            processor().expand(lossy, {"base": safe_mode.RELATIVE_BASE, "documentLoader": document_loader()})
        except UnsignedClaimError:
            continue
        raise ImportError("the safe mode has no hold on this release of PyLD; nothing can be verified with it")
