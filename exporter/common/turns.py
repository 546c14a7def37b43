"""Turns of threads at the interpreter lock."""

from __future__ import annotations

import time


def give_way() -> None:
    """Let another thread run that waits for the interpreter lock.

    Otherwise it waits for half a millisecond each time that it needs the lock. A scrape gives it up thousands of times,
    around each piece that it compresses, so long computations in the background call this after each small part. Not
    more often than after some tenths of a millisecond: if no thread waits, this takes 75 µs, of which 20 are CPU.
    """
    time.sleep(0)
