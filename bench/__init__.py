"""The published figures: measured in one run on one machine, peers beside us. `make bench`."""
