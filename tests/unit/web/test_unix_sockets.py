"""Addresses of unix sockets; the sockets are in the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.web.unix_sockets import UnixAddress


def test_an_absolute_path() -> None:
    address = UnixAddress.parse("unix:/run/exporter/web.sock")
    assert address == UnixAddress(Path("/run/exporter/web.sock"))
    assert str(address) == "unix:/run/exporter/web.sock"


@pytest.mark.parametrize("text", ["unix:", "unix:web.sock", "unix:./web.sock", "unix:@web", "unix:/run/", "unix:/a\0b"])
def test_other_paths_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="use an absolute path, such as unix:/run/"):
        UnixAddress.parse(text)


def test_a_path_is_at_most_as_long_as_linux_allows() -> None:
    # sun_path has 108 bytes, the last one is NUL.
    assert UnixAddress.parse("unix:/" + "x" * 106)
    with pytest.raises(ValueError, match="longer than the 107 bytes"):
        UnixAddress.parse("unix:/" + "é" * 54)
