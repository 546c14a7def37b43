"""Helpers that import nothing of the exporter's other packages."""
