"""Runs the real daemon under a seeded schedule of faults and checks its promises all the time: `make soak`."""
