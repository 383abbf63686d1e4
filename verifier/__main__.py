"""``python -m verifier`` is ``green-verifier``."""

import sys

from verifier.cli import main

sys.exit(main())
