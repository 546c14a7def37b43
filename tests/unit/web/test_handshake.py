"""What is read from client certificates; handshakes themselves are in the integration tests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.handshake import leaf_of, names_of, normal_name


def sized(content: bytes, size: int = 3) -> bytes:
    return len(content).to_bytes(size, "big") + content


def message(body: bytes) -> bytes:
    return b"\x0b" + sized(body)


def test_the_first_certificate_of_tls_1_2() -> None:
    # RFC 5246, 7.4.2: a list of certificates, the sender's first.
    body = sized(sized(b"leaf") + sized(b"issuer"))
    assert leaf_of(message(body), 0x0303) == b"leaf"


def test_the_first_certificate_of_tls_1_3() -> None:
    # RFC 8446, 4.4.2: a context, then a list of certificates with extensions.
    entries = sized(b"leaf") + sized(b"ext", 2) + sized(b"issuer") + sized(b"", 2)
    assert leaf_of(message(sized(b"context", 1) + sized(entries)), 0x0304) == b"leaf"


@pytest.mark.parametrize(
    ("body", "version"), [(sized(b""), 0x0303), (sized(b"", 1) + sized(b""), 0x0304), (b"", 0x0304)]
)
def test_a_client_without_certificate(body: bytes, version: int) -> None:
    assert leaf_of(message(body), version) == b""


@given(st.binary(max_size=40), st.sampled_from([0x0303, 0x0304]))
def test_any_message_gives_part_of_itself(data: bytes, version: int) -> None:
    assert leaf_of(data, version) in data


def test_names_of_all_types_that_go_compares() -> None:
    certificate = {
        "subject": ((("commonName", "common"),),),
        "subjectAltName": (
            ("DNS", "prometheus.example.com"),
            ("email", "ops@example.com"),
            ("URI", "spiffe://example.com/prometheus"),
            ("IP Address", "192.0.2.1"),
            # As OpenSSL writes it.
            ("IP Address", "2001:DB8:0:0:0:0:0:1\n"),
            ("DirName", ((("commonName", "directory"),),)),
        ),
    }
    assert names_of(certificate) == {
        "prometheus.example.com",
        "ops@example.com",
        "spiffe://example.com/prometheus",
        "192.0.2.1",
        "2001:db8::1",
    }


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
def test_no_names(certificate: dict[str, object] | None) -> None:
    assert names_of(certificate) == frozenset()


def test_addresses_are_compared_in_their_shortest_form_and_names_exactly() -> None:
    assert normal_name("2001:DB8:0:0:0:0:0:1") == "2001:db8::1"
    assert normal_name("Prometheus") == "Prometheus"
