from __future__ import annotations

import base64
import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.x509 import Validity, validity_of

KEY = ed25519.Ed25519PrivateKey.generate()
TIMES = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(dt.UTC))  # noqa: DTZ001 - hypothesis adds the zone


def a_certificate(before: dt.datetime, after: dt.datetime, issuer: str = "issuer", serial: int = 1) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subject")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer)]))
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(before)
        .not_valid_after(after)
    )
    return builder.sign(KEY, None).public_bytes(Encoding.PEM)


@settings(max_examples=50, deadline=None)
@given(st.tuples(TIMES, TIMES).map(sorted), st.text(min_size=1, max_size=60), st.integers(1, 2**159 - 1))
def test_the_validity_is_that_which_was_written(times: list[dt.datetime], issuer: str, serial: int) -> None:
    before, after = (time.replace(microsecond=0) for time in times)
    issuer = issuer.encode("utf-8", "replace").decode()
    found = validity_of(a_certificate(before, after, issuer, serial))
    assert found == Validity(before.timestamp(), after.timestamp())


def test_two_digits_of_a_year_are_read_as_the_standard_says() -> None:
    # RFC 5280, 4.1.2.5.1: 50 and above is 19YY, below is 20YY; from 2050 on four digits are used.
    for year in (1950, 1999, 2000, 2049, 2050):
        time = dt.datetime(year, 6, 1, tzinfo=dt.UTC)
        found = validity_of(a_certificate(time, dt.datetime(2060, 1, 1, tzinfo=dt.UTC)))
        assert found is not None
        assert found.not_before == time.timestamp()


def test_the_first_certificate_of_a_chain_counts_whatever_stands_before_it() -> None:
    first, second = (
        a_certificate(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(year, 1, 1, tzinfo=dt.UTC))
        for year in (2027, 2028)
    )
    found = validity_of(b"Bag Attributes: x\n" + first + second)
    assert found is not None
    # 2027-01-01T00:00:00Z, and a year of 365 days before it
    assert (found.not_after, found.lifetime) == (1_798_761_600.0, 365 * 86400.0)


@given(st.binary(max_size=200))
def test_whatever_is_no_certificate_has_no_validity(content: bytes) -> None:
    for text in (content, base64.b64encode(content)):
        assert validity_of(b"-----BEGIN CERTIFICATE-----\n" + text + b"\n-----END CERTIFICATE-----\n") is None
    assert validity_of(content) is None


def test_a_certificate_that_is_cut_off_has_no_validity() -> None:
    pem = a_certificate(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    body = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    for size in range(0, len(body), 7):
        cut = base64.encodebytes(body[:size])
        assert validity_of(b"-----BEGIN CERTIFICATE-----\n" + cut + b"-----END CERTIFICATE-----\n") is None
