"""Benchmarks that compare the exporter with other tools in the same run. `make bench` runs them. They are not tests."""

import sys
from pathlib import Path

# The collector that is compared with the exporter's own exposition is shared with the tests: `support.collector`.
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
