"""Providers of grid data: who says what a kilowatt-hour of a zone emitted, slot by slot, behind one protocol."""
