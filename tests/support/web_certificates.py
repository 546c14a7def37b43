"""Certificates for the HTTP server and its clients, under the names that web configurations in tests use."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class Certificates:
    """A folder with an authority, `server.crt` and `server.key`, and client certificates.

    `client.pem` is issued by `ca.pem`; `stranger.pem` has signed itself, and `expired.pem` too, long ago.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.renew()
        names = ("prometheus.example.com", "ops@example.com", "2001:db8::1")
        self.authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
        self_signed(folder / "stranger.pem", days=36500)
        self_signed(folder / "expired.pem", days=1)

    def renew(self) -> int:
        """A new certificate for the server, with its key; its serial number."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.folder / "server.key"))
        issued.cert_chain_pems[0].write_to_path(str(self.folder / "server.crt"))
        return x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number

    def text(self, name: str) -> str:
        """The content of a file."""
        return (self.folder / name).read_text()

    def encrypted_key(self) -> str:
        """The server's key with a passphrase."""
        key = serialization.load_pem_private_key((self.folder / "server.key").read_bytes(), None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        ).decode()


def self_signed(file: Path, days: int) -> None:
    """A certificate that has signed itself, valid from 2020 on, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_START)
        .not_valid_after(_START + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("test3")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
