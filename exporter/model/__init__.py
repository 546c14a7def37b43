"""Frozen values and pure functions; imports the standard library only."""
