"""The HTTP edge: what is checked about a request before any of our routes sees it."""
