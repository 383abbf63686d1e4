"""The only document loader that PyLD gets here: pinned contexts, nothing else, no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypedDict

from pyld import jsonld

from contexts.errors import UnknownContextError
from contexts.pinned import JsonObject, load


class LoadedContext(TypedDict):
    """What PyLD expects of a document loader."""

    contentType: str
    contextUrl: None
    documentUrl: str
    document: JsonObject
    tag: str


Loader: TypeAlias = Callable[[str, Mapping[str, object]], LoadedContext]


def document_loader(source: Callable[[str], JsonObject] = load) -> Loader:
    """Return a PyLD document loader that serves what ``source`` knows: by default the pinned contexts.

    Tests give a source of their own. Any other URL ends as PyLD's JsonLdError with the
    UnknownContextError as its cause.
    """

    def loader(url: str, _options: Mapping[str, object]) -> LoadedContext:
        try:
            document = source(url)
        except UnknownContextError as error:
            raise jsonld.JsonLdError(
                str(error), "jsonld.LoadDocumentError", {"url": url}, code="loading document failed"
            ) from error
        # "static" lets PyLD keep the processed context: a pinned document never changes.
        return LoadedContext(
            contentType="application/ld+json", contextUrl=None, documentUrl=url, document=document, tag="static"
        )

    return loader


# PyLD's own default loader fetches from the web; no call without our loader may ever reach it.
jsonld.set_document_loader(document_loader())
