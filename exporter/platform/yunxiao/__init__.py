"""Yunxiao / Lingma: the client of its API, its answers as values, and a simulator."""
