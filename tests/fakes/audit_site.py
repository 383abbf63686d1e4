"""A running service as an auditor meets it: its pages asked with a key, what documents name fetched without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas import times
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.site import bearer
from verifier.audit_bundle import write_bundle
from verifier.audit_issuer import Period, refusal, take_windows
from verifier.audit_make import Collected, complete
from verifier.errors import FetchFailedError
from verifier.evidence import Fetched, absent


class SiteAuditor:
    """Asks a site's pages with the key of a tenant ("all": of the operator), and fetches what is public."""

    def __init__(self, site: Any, tenant: str = "all") -> None:
        self.site, self.headers = site, bearer(tenant, "read")
        self.asked: list[str] = []

    async def get(self, url: str, accept: Sequence[str]) -> Fetched:
        self.asked.append(url)
        answer = await self.site.client.get(url.removeprefix(PUBLIC_URL), headers=self.headers)
        if answer.status_code != 200:
            raise refusal(answer.status_code, answer.headers, answer.content)
        return Fetched(url=url, origin="network", body=answer.content, media_type=accept[0])

    async def fetch(self, url: str, accept: Sequence[str]) -> Fetched:
        answer = await self.site.client.get(url.removeprefix(PUBLIC_URL))
        if answer.status_code != 200 or answer.headers["content-type"].partition(";")[0] not in accept:
            return absent(
                url, FetchFailedError(f"the host answered with status {answer.status_code}"), origin="network"
            )
        return Fetched(url=url, origin="network", body=answer.content, media_type=accept[0])


async def packed(site: Any, path: Path, node_id: str, *, tenant: str = "all", since: str | None = None) -> Path:
    """Return the bundle of a node's windows, made as ``audit-bundle make --from-issuer`` makes it."""
    auditor, collected = SiteAuditor(site, tenant), Collected(spool=path.parent)
    told = await take_windows(PUBLIC_URL, Period(node_id, since), auditor, collected)
    assert [*told, *await complete(collected, auditor)] == []
    write_bundle(path, collected.files, created=times.render_seconds(site.clock.now()))
    return path
