"""Kinds of phantoms: a file each, found by its name."""
