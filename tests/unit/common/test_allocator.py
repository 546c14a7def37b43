from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import TYPE_CHECKING

from exporter.common.allocator import return_memory

if TYPE_CHECKING:
    import pytest


def test_a_c_library_without_the_function_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    return_memory()


def test_a_system_that_loads_no_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError("dynamic loading is not supported")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    return_memory()
