"""The names that Go's crypto/tls gives to ciphers, curves, versions and client authentication, as OpenSSL knows them.

Web configuration files are shared with exporters written in Go, so they use Go's names.
"""

from __future__ import annotations

import ssl
from enum import StrEnum

CIPHERS_12 = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""OpenSSL's name of each cipher for TLS 1.2 that Go counts as secure."""
CIPHERS_13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""The ciphers of TLS 1.3. They are always offered, in Go as here."""
REQUIRED_BY_HTTP2 = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
"""Go does not start a server with HTTP/2 if its list of ciphers has none of these."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""OpenSSL's name of each curve."""
LOWEST = "TLS12"
"""The lowest version that is offered: OpenSSL's default security level excludes older ones."""
HIGHEST = "TLS13"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
OLD_VERSIONS = frozenset({"TLS10", "TLS11"})
"""Versions with a name in the format that are not offered."""


class ClientAuth(StrEnum):
    """How client certificates are requested and verified."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE = "RequireAndVerifyClientCert"

    @property
    def verifies(self) -> bool:
        """Whether a certificate must be issued by a known authority."""
        return self in {ClientAuth.VERIFY_IF_GIVEN, ClientAuth.REQUIRE}

    @property
    def requires(self) -> bool:
        """Whether a client without a certificate is refused."""
        return self in {ClientAuth.REQUIRE_ANY, ClientAuth.REQUIRE}


CLIENT_AUTH = {"": ClientAuth.NONE, "RequireClientCert": ClientAuth.REQUIRE_ANY} | {
    one.value: one for one in ClientAuth
}
"""By name in the file; exporter-toolkit keeps an old name for `RequireAnyClientCert`."""
