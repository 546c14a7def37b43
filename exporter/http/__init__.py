"""Outgoing requests, limited in time and memory."""
