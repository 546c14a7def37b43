"""Alerts: which there are, when they fire, the same as Prometheus rules, and how Alertmanager hears of them."""
