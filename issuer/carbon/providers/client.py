"""One exchange with a provider: bounded in time and bytes, no redirect followed, no proxy, errors told apart.

The base URL is the operator's own setting, so addresses are not judged as they are for a stranger's URL; but a token
goes over https alone, except to this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpx
from msgspec import Struct

from issuer.carbon.providers.errors import (
    NoGridDataError,
    ProviderError,
    ProviderForbiddenError,
    ProviderRateLimitedError,
    ProviderRefusedError,
    ProviderSettingsError,
    ProviderUnauthorizedError,
    ProviderUnavailableError,
)
from schemas import digests
from schemas.errors import GreenError
from schemas.lexical import shown
from verifier.fetch import network

MAX_BYTES: Final = 4 * 1024 * 1024
TIMEOUT_S: Final = 20.0
CONNECT_TIMEOUT_S: Final = 5.0
JSON: Final = frozenset({"application/json"})
XML: Final = frozenset({"application/xml", "text/xml"})

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_FAULTS: Final = range(500, 600)
_REQUEST_TIMEOUT: Final = 408
_BASE_URL: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?|https?://\[::1\](?::[0-9]{1,5})?"
)
_PIECES_IN_A_TURN: Final = 32


class Reply(Struct, frozen=True, kw_only=True):
    """An answer's status and body, and the body's digest: ``replyDigest`` of every slot read from it."""

    status: int
    body: bytes
    digest: str


class Client:
    """Asks one provider. Keeps no connection and no state, so any event loop may use it."""

    def __init__(self, name: str, base_url: str, *, timeout_s: float = TIMEOUT_S, max_bytes: int = MAX_BYTES) -> None:
        """Raises ProviderSettingsError for a base URL that is not https, nor http of this machine's loopback."""
        self._name = name
        self._base_url = checked_base_url(base_url)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        media_types: frozenset[str] = JSON,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset({_OK}),
    ) -> Reply:
        """Return the whole answer, of one of ``statuses`` and ``media_types``. Raises ProviderError."""
        url = f"{self._base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(url, media_types, headers or {}, statuses)
        except TimeoutError as error:
            raise ProviderUnavailableError(f"{self._name} gave no whole answer within {self._timeout_s:g} s") from error
        except httpx.InvalidURL as error:
            raise ProviderSettingsError(f"{self._name} cannot be asked for this: the zone makes no URL") from error
        except httpx.HTTPError as error:
            # Its text may hold the URL, and a URL a token.
            raise ProviderUnavailableError(
                f"{self._name} cannot be reached, or broke off: {type(error).__name__}"
            ) from None
        except ProviderError:
            raise
        except GreenError as error:
            # From the transport, whose bounds are on what stands around a body.
            raise ProviderRefusedError(f"{self._name}: {error.detail}") from error

    async def _exchange(
        self, url: str, media_types: frozenset[str], headers: Mapping[str, str], statuses: frozenset[int]
    ) -> Reply:
        timeout = httpx.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S)
        request = httpx.Request(
            "GET",
            url,
            headers={
                "Accept": ", ".join(sorted(media_types)),
                "Accept-Encoding": "identity",
                "User-Agent": "green-issuer",
                "Connection": "close",
                **headers,
            },
            extensions={"timeout": timeout.as_dict()},
        )
        async with network(max_bytes=self._max_bytes) as transport:
            response = await transport.handle_async_request(request)
            try:
                if response.status_code not in statuses:
                    raise self._refusal(response)
                self._check_head(response, media_types)
                body = await self._body(response)
            finally:
                await response.aclose()
        return Reply(status=response.status_code, body=body, digest=digests.digest(body))

    def _refusal(self, response: httpx.Response) -> ProviderError:
        """Return the error of a status that is no answer. Bodies are not quoted: they may repeat the token."""
        status, name = response.status_code, self._name
        retry_after_s = retry_after(response.headers)
        if status == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2
            return ProviderUnauthorizedError(f"{name} does not accept the token (status 401): renew it in token_file")
        if status == 403:  # noqa: PLR2004 - RFC 9110 §15.5.4
            return ProviderForbiddenError(
                f"{name} does not give this to the token's holder (status 403): see the contract"
            )
        if status == 404:  # noqa: PLR2004 - RFC 9110 §15.5.5
            return NoGridDataError(f"{name} has nothing of the kind (status 404)")
        if status == 429:  # noqa: PLR2004 - RFC 6585 §4
            return ProviderRateLimitedError(f"{name} was asked too often (status 429)", retry_after_s=retry_after_s)
        if status in _FAULTS or status == _REQUEST_TIMEOUT:
            detail = f"{name} is out of order (status {status})"
            return ProviderUnavailableError(detail, retry_after_s=retry_after_s)
        if status in _REDIRECTS:
            return ProviderRefusedError(
                f"{name} redirects (status {status}), and a token is not carried along: set base_url"
            )
        return ProviderRefusedError(
            f"{name} does not take the request (status {status}): see the zone and the settings"
        )

    def _check_head(self, response: httpx.Response, media_types: frozenset[str]) -> None:
        found = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found not in media_types:
            wanted = " or ".join(sorted(media_types))
            raise ProviderRefusedError(f"{self._name} answers with {shown(found)}, not {wanted}")
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ProviderRefusedError(f"{self._name} answers compressed, which was not asked for")

    async def _body(self, response: httpx.Response) -> bytes:
        body, pieces = bytearray(), 0
        async for piece in response.aiter_raw():
            pieces += 1
            if pieces % _PIECES_IN_A_TURN == 0:
                await asyncio.sleep(0)
            body += piece
            if len(body) > self._max_bytes:
                raise ProviderRefusedError(f"{self._name} answers with more than {self._max_bytes} bytes")
        return bytes(body)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the seconds of a Retry-After header, None without a readable one (RFC 9110 §10.2.3).

    A date is taken relative to the answer's own Date, so that no clock needs to agree.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return int(text)
    try:
        return max(0, round((parsedate_to_datetime(text) - parsedate_to_datetime(headers["date"])).total_seconds()))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def checked_base_url(base_url: str) -> str:
    """Return a base URL without its last slash. Raises ProviderSettingsError, for http beyond this machine too."""
    if not _BASE_URL.fullmatch(base_url):
        raise ProviderSettingsError(
            f'base_url {shown(base_url)} is not a plain https URL such as "https://api.example": no user, query or fragment'
        )
    parts = urlsplit(base_url)
    try:
        (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError as error:
        raise ProviderSettingsError(f"base_url {shown(base_url)} has a host or port that cannot be: {error}") from error
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ProviderSettingsError(f"base_url {shown(base_url)}: http is for this machine's loopback only; use https")
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
