"""``python -m issuer.cli``: the same as ``green-issuer``."""

from __future__ import annotations

import sys

from issuer.command import main

sys.exit(main())
