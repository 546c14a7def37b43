"""The certificates in use follow their files, and the last valid ones stay in use."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import os
import resource
import ssl
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from support.builders import ManualClock
from support.client_certificates import ClientFiles, descriptors

from exporter.common.certificates import Pem, TlsError
from exporter.common.live_tls import ClientCertificate, LiveTls, TlsFiles
from exporter.common.x509 import Validity

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86400.0


@pytest.fixture
def made(tmp_path: Path) -> ClientFiles:
    return ClientFiles(tmp_path)


@contextlib.contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """Leave the process so many descriptors."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    held: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(number):
            os.close(held.pop())
        yield
    finally:
        for one in held:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def encrypted(key: bytes) -> bytes:
    secret = serialization.BestAvailableEncryption(b"secret")
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


def test_the_context_is_made_again_only_when_a_file_changes(made: ClientFiles) -> None:
    tls = made.tls()
    first = tls.context
    assert tls.context is first
    made.renew()
    second = tls.context
    assert second is not first
    made.put("ca.pem", trustme.CA().cert_pem.bytes())
    assert tls.context is not second


def test_authorities_that_are_no_longer_in_the_file_are_no_longer_trusted(made: ClientFiles) -> None:
    tls = made.tls()
    (before,) = tls.context.get_ca_certs()
    made.put("ca.pem", trustme.CA(organization_name="other").cert_pem.bytes())
    (after,) = tls.context.get_ca_certs()
    assert after["serialNumber"] != before["serialNumber"]


def test_a_half_replaced_pair_leaves_the_last_one_in_use(made: ClientFiles) -> None:
    tls = made.tls()
    before = tls.context
    issued = trustme.CA().issue_cert("x")
    made.put("cert.pem", issued.cert_chain_pems[0].bytes())
    assert tls.context is before
    key = made.folder / "key.pem"
    assert tls.problem == (
        f"{key} does not belong to the certificate; use the key for which the certificate was issued"
    )
    made.put("key.pem", issued.private_key_pem.bytes())
    assert tls.context is not before
    assert tls.problem is None


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_file_that_cannot_be_used_leaves_the_last_one_in_use(made: ClientFiles, name: str) -> None:
    tls = made.tls()
    before, file = tls.context, made.folder / name
    content = file.read_bytes()
    file.unlink()
    assert tls.context is before
    assert tls.problem == f"{file} cannot be read: No such file or directory; check the path"
    os.mkfifo(file)
    assert tls.context is before
    assert str(tls.problem).startswith(f"{file} is not a regular file")
    file.unlink()
    file.write_bytes(content[: len(content) // 2])
    assert tls.context is before
    assert tls.problem is not None
    file.write_bytes(content)
    assert tls.context is not before
    assert tls.problem is None


def test_files_that_could_not_be_used_are_read_again_after_a_second(
    made: ClientFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    tls = made.tls(clock)
    tls.check()
    made.put("key.pem", b"")
    reads = []

    def fail(key: str, file: Path) -> Pem:
        reads.append(file.name)
        raise TlsError((key,), "cannot be read: Too many open files", "")

    monkeypatch.setattr("exporter.common.live_tls.read_pem", fail)
    start = clock.ticks
    for seconds, expected in ((0.0, 1), (0.9, 1), (1.1, 2), (1.2, 2), (2.2, 3)):
        clock.ticks = start + seconds
        tls.check()
        assert len(reads) == expected
    made.renew()
    tls.check()
    assert len(reads) == 4


@pytest.mark.parametrize("left", range(3))
@pytest.mark.parametrize("ca_file", [True, False])
def test_too_few_descriptors_leave_the_last_files_in_use(made: ClientFiles, left: int, *, ca_file: bool) -> None:
    tls = made.tls() if ca_file else LiveTls(TlsFiles(None, made.folder / "cert.pem", made.folder / "key.pem"))
    before = tls.context
    made.renew()
    with descriptors_left(left):
        assert tls.context is before
        assert "Too many open files; raise the limit of open files" in str(tls.problem)


def test_a_first_certificate_that_cannot_be_used_is_refused_without_its_content(made: ClientFiles) -> None:
    key = made.folder / "key.pem"
    good = key.read_bytes()
    for content, words in (
        (encrypted(good), r"key\.pem is encrypted; remove its passphrase with: openssl pkey -in OLD -out NEW"),
        (trustme.CA().issue_cert("x").private_key_pem.bytes(), r"key\.pem does not belong to the certificate"),
        (b"", r"key\.pem contains no private key in PEM format"),
    ):
        key.write_bytes(content)
        with pytest.raises(TlsError, match=words) as raised:
            made.tls().check()
        assert raised.value.key == ("key_file",)
        assert not any(line in str(raised.value) for line in content.decode().splitlines())
    key.unlink()
    with key.open("wb") as stream:
        stream.truncate(1 << 40)
    start = time.thread_time()
    with pytest.raises(TlsError, match=r"key\.pem is larger than 16 MiB"):
        made.tls().check()
    assert time.thread_time() - start < 1


def test_a_file_without_certificate_authorities_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"not a certificate\n", trustme.CA().issue_cert("x").private_key_pem.bytes()):
        (tmp_path / "ca.pem").write_bytes(content)
        with pytest.raises(TlsError, match=r"ca\.pem contains no certificate in PEM format") as raised:
            LiveTls(TlsFiles(ca_file=tmp_path / "ca.pem")).check()
        assert raised.value.key == ("ca_file",)


def test_without_files_the_public_authorities_are_trusted() -> None:
    tls = LiveTls()
    assert not tls.has_files
    context = tls.context
    assert len(context.get_ca_certs()) > 50
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    unverified = LiveTls(verify=False).context
    assert (unverified.verify_mode, unverified.check_hostname) == (ssl.CERT_NONE, False)


def test_the_authorities_of_the_system_are_trusted_only_on_request(
    made: ClientFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(made.files.ca_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(made.folder / "none"))
    (private,) = LiveTls(TlsFiles(ca_file=made.files.ca_file)).context.get_ca_certs()
    assert LiveTls(system=True).context.get_ca_certs() == [private]
    assert private not in LiveTls().context.get_ca_certs()


def test_a_proxy_on_the_way_is_not_shown_the_certificate(made: ClientFiles) -> None:
    tls = made.tls()
    assert tls.proxy_context is not tls.context
    (authority,) = tls.proxy_context.get_ca_certs()
    assert authority == tls.context.get_ca_certs()[0]
    without = LiveTls(TlsFiles(ca_file=made.files.ca_file))
    assert without.proxy_context is without.context


def test_the_certificate_in_use_says_when_it_expires(made: ClientFiles) -> None:
    tls = made.tls()
    assert tls.certificate is None
    made.renew(not_after=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    tls.check()
    assert tls.certificate is not None
    assert tls.certificate.validity is not None
    assert tls.certificate.validity.not_after == 1_893_456_000.0  # 2030-01-01T00:00:00Z
    made.put("cert.pem", b"")
    tls.check()
    assert tls.certificate.validity.not_after == 1_893_456_000.0


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (-1.0, "c.pem is not valid before 1970-01-01T00:00:00Z; check the clock, or wait before using it"),
        (0.0, None),
        (76 * DAY, None),
        (76 * DAY + 1, "c.pem expires at 1970-04-01T00:00:00Z; renew it"),
        (90 * DAY, "c.pem expires at 1970-04-01T00:00:00Z; renew it"),
        (90 * DAY + 1, "c.pem expired at 1970-04-01T00:00:00Z; renew it"),
    ],
)
def test_a_certificate_that_expires_soon_is_a_problem(now: float, words: str | None) -> None:
    assert ClientCertificate(Path("c.pem"), Validity(0.0, 90 * DAY)).problem(now, 14 * DAY) == words


def test_a_short_lived_certificate_is_a_problem_in_the_last_third_of_its_lifetime() -> None:
    certificate = ClientCertificate(Path("c.pem"), Validity(0.0, 3 * DAY))
    assert certificate.problem(2 * DAY, 14 * DAY) is None
    assert certificate.problem(2 * DAY + 1, 14 * DAY) is not None
    assert ClientCertificate(Path("c.pem"), None).problem(0.0, 14 * DAY) is None


def test_rotations_leave_neither_memory_nor_descriptors_behind(made: ClientFiles) -> None:
    pairs = [[(made.folder / name).read_bytes() for name in ("cert.pem", "key.pem")]]
    made.renew()
    pairs.append([(made.folder / name).read_bytes() for name in ("cert.pem", "key.pem")])
    tls = made.tls()
    tls.check()

    def rotate(times: int) -> None:
        for number in range(times):
            for name, content in zip(("cert.pem", "key.pem"), pairs[number % 2], strict=True):
                made.put(name, content)
                tls.check()
            assert tls.problem is None

    rotate(20)
    gc.collect()
    before, contexts = descriptors(), _contexts()
    tracemalloc.start()
    rotate(200)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (descriptors(), _contexts()) == (before, contexts)
    assert grown < 50_000


def _contexts() -> int:
    return sum(isinstance(one, ssl.SSLContext) for one in gc.get_objects())
