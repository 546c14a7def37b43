"""Polls the platform: the schedule, sweeps over the users, discovery, and the exporter's own token."""
