"""Prometheus exporter for the personal access tokens of a Yunxiao / Lingma enterprise."""

__version__ = "1.0.0"
