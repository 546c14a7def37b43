"""Runs the real daemon under a seeded schedule of faults and checks its invariants continuously: `make soak`."""
