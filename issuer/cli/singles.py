"""Making the credential of one inference of a window, as the service does when somebody asks for it."""

from __future__ import annotations

from decimal import Decimal

from issuer.addresses import Addresses
from issuer.claims.completeness import CompletenessPolicy
from issuer.cli.opened import Opened
from issuer.clock import SystemClock
from issuer.completion import Completion
from issuer.keyring import Keyring
from issuer.store.errors import NotFoundError
from issuer.windows.reading import WindowReading
from verifier.case import Engines
from verifier.rdf.canonicalize import InProcess


async def make_single(issuer: Opened, addresses: Addresses, tenant_id: str, inference_id: str) -> str:
    """Return the id of the credential of a window's inference, made and signed now.

    Raises NotFoundError, and as WindowReading.credential.
    """
    clock, settings = SystemClock(), issuer.settings
    keyring = Keyring(issuer.store, clock)
    # Nothing of a stranger's is made here, so nothing has to be canonicalized apart.
    engines = Engines(closed=InProcess(), general=InProcess())
    completion = Completion(issuer.store, keyring, clock, engines, self_verify=settings.self_verify == "always")
    reading = WindowReading(
        issuer.store,
        keyring,
        clock,
        addresses,
        completion,
        context_form=settings.context_form,
        # Made to be revoked or suspended: that an inference was badly measured is no reason why it could not be.
        completeness=CompletenessPolicy(least=Decimal(0)),
    )
    made = await reading.credential(tenant_id, inference_id)
    if made is None:
        raise NotFoundError(f"no window has the inference {inference_id!r}")
    return made.id
