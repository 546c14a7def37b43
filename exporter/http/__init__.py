"""Outgoing HTTP requests with limits on time and memory."""
