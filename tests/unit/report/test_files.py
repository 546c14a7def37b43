"""The file that a report is written to."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from exporter.report.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_new_file_is_private_and_an_existing_one_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    replace_file(file, "first")
    assert mode(file) == 0o600
    file.chmod(0o644)
    replace_file(file, "second\n")
    assert (mode(file), file.read_text(), [one.name for one in tmp_path.iterdir()]) == (
        0o644,
        "second\n",
        ["report.html"],
    )


def test_a_new_file_for_others_gets_the_given_mode(tmp_path: Path) -> None:
    file = tmp_path / "overview.json"
    replace_file(file, "{}", 0o644)
    assert mode(file) == 0o644


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("target")
    replace_file(link, "new")
    assert (link.is_symlink(), (tmp_path / "target").read_text()) == (True, "new")


def test_a_link_that_points_at_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        replace_file(tmp_path / "loop", "x")
