"""What a command names must be there, and what it makes must not: said before the database would, by name.

The database's constraints still decide; here stand the words, and the command that lists what there is.
"""

from __future__ import annotations

from issuer.store import Store
from issuer.store.errors import ConflictError, NotFoundError


async def check_tenant(store: Store, tenant_id: str | None) -> None:
    """Raise NotFoundError where there is no such tenant. None names no tenant and passes."""
    if tenant_id is not None and await store.tenants.get(tenant_id) is None:
        raise NotFoundError(f"there is no tenant {tenant_id!r}; see green-issuer tenants list")


async def check_issuer(store: Store, slug: str) -> None:
    """Raise NotFoundError where there is no such issuer."""
    if await store.issuers.get(slug) is None:
        raise NotFoundError(f"there is no issuer {slug!r}; see green-issuer issuers list")


async def check_new_tenant(store: Store, tenant_id: str) -> None:
    """Raise ConflictError where the tenant exists."""
    if await store.tenants.get(tenant_id) is not None:
        raise ConflictError(
            f"there is a tenant {tenant_id!r} already; see green-issuer tenants list, or tenants set to change it"
        )


async def check_new_issuer(store: Store, slug: str) -> None:
    """Raise ConflictError where the issuer exists."""
    if await store.issuers.get(slug) is not None:
        raise ConflictError(f"there is an issuer {slug!r} already; see green-issuer issuers list")


async def check_new_node(store: Store, node_id: str, key_uri: str | None = None) -> None:
    """Raise ConflictError where a node, a revoked one too, has this id or this key."""
    if await store.nodes.get(node_id) is not None:
        raise ConflictError(f"there is a node {node_id!r} already; see green-issuer nodes show {node_id}")
    if key_uri is not None and await store.nodes.node_key(key_uri) is not None:
        raise ConflictError(f"another node has the key {key_uri} already; see green-issuer nodes list")


async def check_invited(store: Store, node_id: str) -> None:
    """Raise ConflictError where the node exists, unless it is bound to a TPM: that one may enrol again, with a new key."""
    node = await store.nodes.get(node_id)
    if node is None or node.attestation is None:
        await check_new_node(store, node_id)
