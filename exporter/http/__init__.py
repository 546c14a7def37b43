"""Outgoing requests with a limit on their total time."""
