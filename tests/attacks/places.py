"""What stands for the parts of a path that a test does not care about."""

from typing import Final

PLACES: Final = {"node_id": "node-7", "epoch": "1", "sequence": "0", "enrolment_id": "none"} | {
    "digest": "uEiD5Pw7tWsUQ-8SOEetUlqtG5K1r2glGxyfohLSjAqoP4w"
}
