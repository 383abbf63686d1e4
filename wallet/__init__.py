"""A customer's archive: import credentials, hold them as they were received, present them for an audit."""
