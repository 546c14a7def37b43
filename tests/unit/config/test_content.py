from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.config.content import FileContent

if TYPE_CHECKING:
    from pathlib import Path

# From FIPS 180-2, appendix B.1: SHA-256 of "abc".
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("name", ["file", "link"])
def test_a_content_is_that_of_the_file_or_of_the_target_of_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("abc")
    (tmp_path / "link").symlink_to("file")
    content = FileContent.of(tmp_path / name)
    assert content == FileContent(tmp_path / name, ABC)
    assert content.readable


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_has_no_digest(tmp_path: Path, name: str) -> None:
    content = FileContent.of(tmp_path / name)
    assert content == FileContent(tmp_path / name, "")
    assert not content.readable
