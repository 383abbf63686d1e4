"""The page at ``/``: what this issuer is and where things are. It loads nothing and runs no script."""

from __future__ import annotations

import base64
import hashlib
import html
from http import HTTPStatus
from importlib import resources
from string import Template
from typing import Any, Final

from litestar import Request, Response, get

from issuer.access import Access
from issuer.http.documentation import Produces, documented
from issuer.service import service_of

# The framework adds the charset.
_HTML: Final = "text/html"
_PAGE: Final = Template((resources.files("issuer.routes") / "home.html").read_text("utf-8"))
_STYLE: Final = (resources.files("issuer.routes") / "home.css").read_text("utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@get("/", **documented("Service", Access.PUBLIC, Produces(200, "text/html", "A page for people.")))
async def home(request: Request[Any, Any, Any]) -> Response[str]:
    """Return a page that says what this issuer is, its DIDs, and where things are."""
    service = service_of(request)
    issuers = await service.store.issuers.all()
    rows = "\n".join(
        f"<tr><td>{html.escape(item.name)}</td><td><code>{html.escape(item.did)}</code></td></tr>" for item in issuers
    )
    page = _PAGE.substitute(style=_STYLE, issuers=rows, public_url=html.escape(service.settings.public_url))
    return Response(
        page,
        status_code=int(HTTPStatus.OK),
        media_type=_HTML,
        headers={"content-security-policy": _CONTENT_SECURITY_POLICY, "cache-control": "no-cache"},
    )


HANDLERS: Final = (home,)
