from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.config.digests import digests_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_digest_follows_the_content_and_symbolic_links(tmp_path: Path) -> None:
    # From FIPS 180-2, appendix B.1: SHA-256 of "abc".
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "file").write_text("abc")
    (tmp_path / "link").symlink_to("file")
    assert digests_of([tmp_path / "file", tmp_path / "link"]) == {tmp_path / "file": abc, tmp_path / "link": abc}


def test_a_file_that_cannot_be_read_has_an_empty_digest(tmp_path: Path) -> None:
    assert digests_of([tmp_path / "missing", tmp_path]) == {tmp_path / "missing": "", tmp_path: ""}
