"""Freed memory goes back to the system."""

from __future__ import annotations

import json
import subprocess
import sys

CHILD = """
import json, re
from exporter.common.allocator import return_memory

def resident():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmRSS:\\s+(\\d+) kB", file.read())[1]) / 1024

# Too long for Python's own allocator, too short for mappings of their own. Those that stay hold the end of the heap.
blocks = [bytes(4096) for _ in range(25_000)]
before = resident()
kept = blocks[::250]
del blocks
freed = resident()
return_memory()
print(json.dumps([before - freed, before - resident()]))
"""


def test_memory_between_blocks_in_use_is_returned() -> None:
    """100 MB in 25,000 blocks of 4 KiB, of which every 250th stays in use."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=60)
    freed, returned = json.loads(done.stdout)
    assert freed < 10
    assert returned > 80
