"""What is not a regular file is refused, and never waited for."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from exporter.common.files import FileError, read_regular_file


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"12345")
    assert read_regular_file(file, 5) == b"12345"
    (tmp_path / "link").symlink_to("x")
    assert read_regular_file(tmp_path / "link", 5) == b"12345"
    with pytest.raises(FileError, match="is larger than 0 KiB"):
        read_regular_file(file, 4)


def test_files_that_could_block_are_refused_immediately(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        paths = [*(tmp_path / name for name in ("pipe", "link", "folder", "socket")), Path("/dev/zero")]
        start = time.monotonic()
        for path in paths:
            with pytest.raises(FileError, match="is not a regular file; name a file"):
                read_regular_file(path, 100)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere/x", "cannot be read: No such file or directory; check the path"),
        ("/dev/null/x", "cannot be read: Not a directory; check the path"),
        ("/" + "x" * 300, "cannot be read: File name too long; check the path"),
        ("a\0b", "is not a valid path"),
        ("\ud800", "is not a valid path"),
    ],
)
def test_errors_have_a_hint(path: str, words: str) -> None:
    with pytest.raises(FileError, match=words):
        read_regular_file(Path(path), 100)


def test_a_symbolic_link_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="Too many levels of symbolic links; check the path"):
        read_regular_file(tmp_path / "loop", 100)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x" * 10)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for name, limit in (("pipe", 10), ("file", 10), ("file", 5), ("none", 5)):
        for _ in range(10):
            try:
                read_regular_file(tmp_path / name, limit)
            except FileError:
                continue
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
