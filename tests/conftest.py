"""What holds for every test."""

from hypothesis import settings

# A busy machine is slow at times, and a property does not fail for that.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")
