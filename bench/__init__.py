"""Benchmarks: each figure beside its peers' in the same run. `make bench` runs them; nothing here is a test."""
