"""What is exposed: the table of families, the samples of the state, and the exporter's own counters."""
