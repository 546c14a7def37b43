"""The file that a report is written to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.report.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO


def content(text: str) -> Callable[[BinaryIO], object]:
    return lambda stream: stream.write(text.encode())


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_new_file_is_private_and_an_existing_one_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    replace_file(file, content("first"))
    assert mode(file) == 0o600
    file.chmod(0o644)
    replace_file(file, content("second\n"))
    assert (mode(file), file.read_text(), [one.name for one in tmp_path.iterdir()]) == (
        0o644,
        "second\n",
        ["report.html"],
    )


def test_a_new_file_may_be_meant_for_other_users(tmp_path: Path) -> None:
    replace_file(tmp_path / "tokens.prom", content("x"), 0o644)
    assert mode(tmp_path / "tokens.prom") == 0o644


def test_a_text_is_written_as_utf_8_with_its_line_ends(tmp_path: Path) -> None:
    replace_file(tmp_path / "list.ics", "用户\r\n")
    assert (tmp_path / "list.ics").read_bytes() == "用户\r\n".encode()


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("target")
    replace_file(link, content("new"))
    assert (link.is_symlink(), (tmp_path / "target").read_text()) == (True, "new")


def test_a_link_that_points_at_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        replace_file(tmp_path / "loop", content("x"))


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV])
def test_a_mounted_file_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("an old and longer text")
    inode = file.stat().st_ino

    def busy(*_: object) -> Path:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", busy)
    replace_file(file, content("new"))
    assert (file.read_text(), file.stat().st_ino, list(tmp_path.iterdir())) == ("new", inode, [file])


def test_a_writable_file_in_a_read_only_folder_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("old")

    def refused(**_: object) -> tuple[int, str]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("tempfile.mkstemp", refused)
    replace_file(file, content("new"))
    assert file.read_text() == "new"
    with pytest.raises(OSError, match="Read-only"):
        replace_file(tmp_path / "other.csv", content("new"))


def test_a_content_that_cannot_be_written_leaves_the_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("old")

    def full(_: BinaryIO) -> object:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        replace_file(file, full)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])
