from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import trustme

from exporter.config.authorities import check_authorities

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_with_a_certificate_has_the_digest_of_its_content(tmp_path: Path) -> None:
    content = trustme.CA().cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(content)
    assert check_authorities(tmp_path / "ca.pem") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [b"", b"text", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ValueError, match="contains no certificate in PEM format"):
        check_authorities(tmp_path / "ca.pem")
