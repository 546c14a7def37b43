"""Signals of a real process."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import repeat

import pytest
from support.running import ROOT

BUSY = """
import threading
from exporter.app.process import Signals, Wanted
signals = Signals()
def work():
    while True:
        sum(range(1000))
for _ in range(20):
    threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
while signals.next() is not Wanted.STOP:
    pass
print("stopped", flush=True)
"""


@pytest.mark.parametrize("attempt", range(6))
def test_a_stop_behind_many_reloads_wakes_a_busy_process(attempt: int) -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # The kernel gives each to whichever thread it likes.
        for _ in repeat(None, 20 + attempt):
            process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=8)
        finally:
            process.kill()
    assert output == "stopped\n"
