"""The wall clock of the daemons, which can be set while they run; monotonic time is not affected."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARIES = sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"))


class SteppedClock:
    """An offset in a file that libfaketime reads once a second.

    With version 0.9.10 `time.sleep` fails with EINVAL after the clock has been set. The exporter only waits with
    `threading`, `select` and `asyncio`, which work.

    Args:
        file: is created.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.offset = 0
        self.works = bool(_LIBRARIES)
        self._write()

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of a process that uses this clock."""
        if not self.works:
            return {}
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step(self, seconds: int) -> None:
        """Set the clock forward, or back if negative."""
        self.offset += seconds
        self._write()

    def now(self) -> float:
        """The time that the daemons see, at the latest one second after a step."""
        return time.time() + self.offset

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.offset:+d}\n", encoding="ascii")
        new.replace(self._file)


def forget(pid: int) -> None:
    """Remove what libfaketime leaves in shared memory for a process that was killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        with contextlib.suppress(OSError):
            (Path("/dev/shm") / name).unlink()
