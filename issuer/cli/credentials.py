"""``revoke``, ``suspend``, ``reinstate`` and ``certificates list``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final, NamedTuple

from issuer.addresses import Addresses
from issuer.cli.arguments import Commands, positive, shown_name, slug
from issuer.cli.opened import ACTOR, Opened, opened
from issuer.cli.output import Answer, cell
from issuer.credential_view import claim_status, credential_id, credential_view
from issuer.store import Store
from issuer.store.errors import NotFoundError
from issuer.store.records import StoredCredential
from issuer.store.selections import MEASURED_TYPE, WINDOW_TYPE

_COLUMNS = ("id", "inference_id", "period_end", "energy_kwh", "operational_emissions_gco2e", "assurance", "status")
_TYPES: Final = {"window": WINDOW_TYPE, "inference": MEASURED_TYPE}


class _Change(NamedTuple):
    summary: str
    done: str
    before: str


_CHANGES: Final = {
    "revoke": _Change(
        "revoke a credential, for good",
        "is revoked; verifiers see it as soon as they fetch the list",
        "was revoked before",
    ),
    "suspend": _Change("suspend a credential, until it is reinstated", "is suspended", "was suspended before"),
    "reinstate": _Change("end the suspension of a credential", "is valid again", "was not suspended"),
}


def register(commands: Commands) -> None:
    """Add the commands of this module."""
    for name, change in _CHANGES.items():
        parser = commands.add(
            name,
            _change_status,
            summary=change.summary,
            example=f"green-issuer {name} inference-42 --tenant acme --reason 'meter was miswired'",
        )
        parser.set_defaults(action=name)
        parser.add_argument("target", metavar="CREDENTIAL|INFERENCE", help="URL or id of a credential, or inference id")
        parser.add_argument("--tenant", type=slug, help="whose it is; needed for an inference id")
        parser.add_argument("--reason", type=shown_name, help="for the audit log")
    credentials = commands.group("credentials", "one credential", example="green-issuer credentials show inference-42")
    parser = credentials.add(
        "show",
        _show,
        summary="show a credential, its status, and what it supersedes or is superseded by",
        example="green-issuer credentials show inference-42 --tenant acme",
    )
    parser.add_argument("target", metavar="CREDENTIAL|INFERENCE", help="URL or id of a credential, or inference id")
    parser.add_argument("--tenant", type=slug, help="whose it is; needed for an inference id")
    certificates = commands.group(
        "certificates", "the credentials that were issued", example="green-issuer certificates list"
    )
    parser = certificates.add(
        "list",
        _list,
        summary="list issued credentials, newest period first",
        example="green-issuer certificates list --tenant acme --limit 20",
    )
    parser.add_argument("--tenant", type=slug, help="only this tenant's")
    parser.add_argument("--model", help="only this model's")
    parser.add_argument("--node", help="only this node's")
    parser.add_argument(
        "--kind", choices=tuple(_TYPES), help="only those of windows, or only those of single inferences"
    )
    parser.add_argument("--limit", type=positive, default=50, help="how many, at most 1000 (default: 50)")
    parser.add_argument("--cursor", help="where to go on, as the answer before said")


async def _change_status(arguments: argparse.Namespace) -> Answer:
    change = _CHANGES[arguments.action]
    async with opened(arguments) as issuer:
        addresses = Addresses(issuer.settings.public_url)
        made = await _make_single(issuer, addresses, arguments)
        found = made or await find(issuer.store, addresses, arguments.target, arguments.tenant)
        changed = await _apply(issuer, arguments, found)
        row = await issuer.store.credentials.by_id(found, tenant_id=None)
        window = None if row is None else await _window_url(issuer.store, addresses, row)
    url = addresses.credential(found)
    return Answer(
        value={
            "id": url,
            "action": arguments.action,
            "changed": changed,
            "window_credential": window,
            "made": made is not None,
        },
        heading=f"{url} {change.done if changed else change.before}.",
        advice=_advice(arguments.action, url, window, made=made is not None),
    )


def _advice(action: str, url: str, window: str | None, *, made: bool) -> Sequence[str]:
    """Return what else happened, or did not, where a window is behind a credential."""
    if window is None:
        return ()
    if window == url:
        return (
            "So are the credentials made for its inferences, of every tenant; its receipts stand and fall with it.",
        )
    first = ("The inference had no credential of its own; this one was made for it.",) if made else ()
    if action == "reinstate":
        return first
    return (
        *first,
        "No receipt of the inference is handed out now. One that was before has no status of its own: it verifies until",
        f"the credential of its window is not valid either, with all its inferences: green-issuer {action} {window}",
    )


async def _window_url(store: Store, addresses: Addresses, row: StoredCredential) -> str | None:
    """Return the URL of the credential of the window that a credential is of or was made from, or None."""
    of_window = None if row.window_id is None else await store.windows.credential_id(row.window_id)
    return None if of_window is None else addresses.credential(of_window)


async def _make_single(issuer: Opened, addresses: Addresses, arguments: argparse.Namespace) -> str | None:
    """Return the id of the credential made for an inference of a window that has none yet, or an outdated one; else None.

    A decision on one inference has to stand somewhere, and that is the bit of its own credential. Raises NotFoundError
    where there is nothing to reinstate, and as WindowReading.credential.
    """
    tenant, target = arguments.tenant, arguments.target
    own = None if tenant is None else await issuer.store.credentials.by_inference(tenant, target)
    if tenant is None or (own is not None and not own.is_outdated):
        return None
    place = await issuer.store.windows.place(tenant, target)
    if place is None:
        return None
    if arguments.action == "reinstate":
        window = await issuer.store.windows.credential_id(place[0])
        raise NotFoundError(
            f"the inference {target!r} has no credential of its own that could be suspended; it is record {place[1]} "
            f"of the window of {addresses.credential(window or '')}"
        )
    # The other commands sign nothing, and need not wait until what canonicalizes is loaded.
    from issuer.cli.singles import make_single

    return await make_single(issuer, addresses, tenant, target)


async def _apply(issuer: Opened, arguments: argparse.Namespace, found: str) -> bool:
    status = issuer.store.status
    act = {"revoke": status.revoke, "suspend": status.suspend, "reinstate": status.reinstate}[arguments.action]
    return await act(found, arguments.reason or "", ACTOR, issuer.now_us, tenant_id=arguments.tenant)


async def find(store: Store, addresses: Addresses, target: str, tenant: str | None) -> str:
    """Return the id of the credential that ``target`` names: an inference of the tenant, or a credential.

    An inference id may look like a credential's, so with a tenant the inference comes first. Raises NotFoundError.
    """
    if tenant is not None:
        row = await store.credentials.by_inference(tenant, target)
        if row is not None:
            return row.id
    named = credential_id(target, addresses)
    if named is None:
        hint = "see green-issuer certificates list" if tenant else "an inference id needs --tenant"
        raise NotFoundError(f"{target!r} names no credential of this issuer; {hint}")
    return named


async def _show(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        addresses = Addresses(issuer.settings.public_url)
        found = await find(issuer.store, addresses, arguments.target, arguments.tenant)
        row = await issuer.store.credentials.by_id(found, tenant_id=arguments.tenant)
        if row is None:
            raise NotFoundError(f"{arguments.target!r} names no credential of this issuer; see certificates list")
        successor = await issuer.store.credentials.successor(row.id)
        window = await _window_url(issuer.store, addresses, row)
    view = credential_view(row, addresses) | {
        "claim_status": claim_status(row),
        "superseded_by": None if successor is None else addresses.credential(successor),
        "window_credential": window,
    }
    return Answer(value=view, heading="\n".join(f"{name}: {cell(value)}" for name, value in view.items()))


async def _list(arguments: argparse.Namespace) -> Answer:
    async with opened(arguments) as issuer:
        page = await issuer.store.credentials.page(
            arguments.tenant,
            min(arguments.limit, 1000),
            arguments.cursor,
            model_id=arguments.model,
            node_id=arguments.node,
            credential_type=None if arguments.kind is None else _TYPES[arguments.kind],
        )
        addresses = Addresses(issuer.settings.public_url)
    rows = [credential_view(row, addresses) for row in page.rows]
    more = () if page.next_cursor is None else (f"There is more: --cursor {page.next_cursor}",)
    return Answer(value={"items": [*rows], "next_cursor": page.next_cursor}, columns=_COLUMNS, advice=more)
