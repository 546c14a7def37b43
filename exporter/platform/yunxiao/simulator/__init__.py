"""A simulated enterprise that speaks the platform's API over real HTTP on loopback, for demo, tests and benchmarks."""
