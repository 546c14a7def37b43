"""The memory allocator of the C library."""

from __future__ import annotations

import contextlib
import ctypes


def return_memory() -> None:
    """Return freed memory to the system: otherwise glibc keeps what a peak took, such as a sweep or a large answer."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
