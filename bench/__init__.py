"""Benchmarks that compare the exporter with other tools in the same run. `make bench` runs them. They are not tests."""
