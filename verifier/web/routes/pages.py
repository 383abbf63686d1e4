"""The page at ``/``, its style and script, and ``/healthz``."""

from __future__ import annotations

from importlib import resources

from litestar import MediaType, Response, get

_FOLDER = resources.files("verifier.web") / "page"


def _file(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


@get("/", include_in_schema=False, sync_to_thread=False)
def page() -> Response[bytes]:
    """Return the page: what this service is, and a place to paste a credential."""
    return Response(_file("index.html"), media_type="text/html")


@get("/page.css", include_in_schema=False, sync_to_thread=False)
def style() -> Response[bytes]:
    """Return the page's style."""
    return Response(_file("page.css"), media_type="text/css")


@get("/page.js", include_in_schema=False, sync_to_thread=False)
def script() -> Response[bytes]:
    """Return the page's script."""
    return Response(_file("page.js"), media_type="text/javascript")


@get("/healthz", media_type=MediaType.JSON, sync_to_thread=False)
def healthz() -> dict[str, str]:
    """Return that the service answers. It has no store that could be down."""
    return {"status": "ok"}
