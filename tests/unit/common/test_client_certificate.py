"""Which files are a client certificate, and that a replaced one is noticed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from exporter.common.client_certificate import ClientCertificate

if TYPE_CHECKING:
    from pathlib import Path


def a_certificate(folder: Path, issued: trustme.LeafCert | None = None) -> ClientCertificate:
    issued = issued or trustme.CA().issue_cert("exporter")
    (folder / "key.pem").write_bytes(issued.private_key_pem.bytes())
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return ClientCertificate(folder / "cert.pem", folder / "key.pem")


def test_a_certificate_and_its_key_are_accepted(tmp_path: Path) -> None:
    a_certificate(tmp_path).check()


def test_a_key_of_another_certificate_is_refused_without_its_content(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    other = trustme.CA().issue_cert("other").private_key_pem.bytes()
    certificate.key_file.write_bytes(other)
    with pytest.raises(ValueError, match="are not a certificate and its key in PEM format") as raised:
        certificate.check()
    assert other.decode().splitlines()[1] not in str(raised.value)


def test_an_encrypted_key_is_refused_and_nothing_asks_for_its_password(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    key = serialization.load_pem_private_key(certificate.key_file.read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"secret")
    encrypted = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    certificate.key_file.write_bytes(encrypted)
    with pytest.raises(ValueError, match=r"key\.pem is encrypted; write the key without a password"):
        certificate.check()


def test_a_missing_file_and_one_that_would_block_are_refused(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    certificate.cert_file.unlink()
    with pytest.raises(ValueError, match=r"cert\.pem cannot be read: No such file"):
        certificate.check()
    os.mkfifo(certificate.cert_file)
    with pytest.raises(ValueError, match=r"cert\.pem is not a regular file"):
        certificate.check()


def test_a_replaced_file_has_another_stamp(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    before = certificate.stamp
    assert certificate.stamp == before
    (tmp_path / "new.pem").write_bytes(certificate.key_file.read_bytes())
    (tmp_path / "new.pem").rename(certificate.key_file)
    assert certificate.stamp != before
    certificate.key_file.unlink()
    assert certificate.stamp not in {before, ()}
