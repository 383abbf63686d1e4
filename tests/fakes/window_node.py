"""A node with a software key that posts windows, honest unless it is told otherwise."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any

from did import jws
from did.signing import Signer
from schemas import digests
from schemas.window_header import SOFTWARE_TYP
from tests.fakes import soft_tpm
from tests.fakes.issuer import node_signer
from tests.fakes.soft_tpm import canonical, domain, lines

HEADERS = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
PLAIN = {"content-type": "application/x-ndjson"}


class WindowNode:
    """Node-``number`` with its windows in a chain; each call makes the next one."""

    def __init__(self, number: int = 7, *, signer: Signer | None = None, start: int = 1) -> None:
        self.signer = signer or node_signer(number)
        self.start = start
        self.chain = soft_tpm.Node(node_id=f"node-{number}")

    def records(self, count: int = 2, **changes: Any) -> list[dict[str, Any]]:
        """Return records of the next window, of the node's own tenant unless changed."""
        return [one | {"tenant_id": ...} | changes for one in self.chain.own_records(count)]

    def header(self, records: Sequence[Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
        """Return the next window's header, chained."""
        honest = {
            "ak": ...,
            "boot": {"start": self.start},
            "key": self.signer.public_key.thumbprint_uri,
            "freshness": "chained",
            "nonce": ...,
        }
        return self.chain.header(records, **(honest | changes))

    def body(self, records: Sequence[Mapping[str, Any]] | None = None, **changes: Any) -> bytes:
        """Return the request for the next window, not compressed; ``changes`` are those of its header."""
        own = [self._complete(one) for one in (self.records() if records is None else records)]
        members = self.header(own, **changes)
        raw = canonical(members)
        self.chain.sequence = members["sequence"] + 1
        self.chain.previous = digests.encode(domain("window", raw))
        self.chain.wall_us, self.chain.counter_mj = members["end_us"], members["accelerators"][-1]["counter_end_mj"]
        return self.request(raw, lines(*own))

    def request(self, header: bytes, records: bytes) -> bytes:
        """Return a request for a header and the lines of its records."""
        return canonical({"evidence": {"jws": self.token(header)}}) + b"\n" + records

    def token(self, header: bytes) -> str:
        """Return the header, signed."""
        key = self.signer.public_key
        members = {"typ": SOFTWARE_TYP, "kid": key.thumbprint_uri}
        return jws.sign_compact(header, members, self.signer, key.algorithms[0])

    def zipped(self, records: Sequence[Mapping[str, Any]] | None = None, **changes: Any) -> bytes:
        """Return the request for the next window in gzip."""
        return gzip.compress(self.body(records, **changes), 1, mtime=0)

    @staticmethod
    def _complete(record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in record.items() if value is not ...}


async def post_window(site: Any, body: bytes, headers: Mapping[str, str] = HEADERS) -> Any:
    """Post a request to a site."""
    return await site.client.post("/api/v1/windows", content=body, headers=dict(headers))
