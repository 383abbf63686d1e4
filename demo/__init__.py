"""The whole way on one machine: `make demo`. It starts the real programs and talks to them as a user would."""
