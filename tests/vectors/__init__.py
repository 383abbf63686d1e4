"""Where the third-party vectors are, and the reason to skip where they are not."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared"
FORMATS = ROOT / "tests" / "vectors" / "formats"


def shared(path: str) -> Path:
    """Return a file or folder of the reference material beside the checkout; skip where it is missing."""
    target = SHARED / path
    if not target.exists():
        pytest.skip(f"reference material {path} is not beside the checkout", allow_module_level=True)
    return target
