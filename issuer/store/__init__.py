"""What the issuer remembers: credentials, status bits, keys, nodes, tenants, and who did what.

Store.open(url) is the way in; records.py holds what goes in and comes out, errors.py what is raised.
"""

from issuer.store.store import Store

__all__ = ["Store"]
