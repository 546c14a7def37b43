"""Alerts: their definitions and conditions, the same as Prometheus rules, and the delivery of notifications."""
