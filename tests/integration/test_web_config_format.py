"""The format of exporter-toolkit: files with the meaning of all its test data are accepted or refused as there.

The names are those of its files in `web/testdata` (without `web_config_`), the contents are written for this test.
"""

from __future__ import annotations

import re
from pathlib import Path

import bcrypt
import pytest
import yaml
from support.web_certificates import Certificates

from exporter.config.errors import ConfigError
from exporter.web.security import WebSecurity

PAIR = "cert_file: server.crt, key_file: server.key"
TLS = f"tls_server_config: {{{PAIR}, %s}}"
GIVEN = f"tls_server_config: {{{PAIR}, client_auth_type: VerifyClientCertIfGiven, %s}}"
ALL_CIPHERS = [
    *(f"TLS_ECDHE_{key}_WITH_AES_{size}" for key in ("ECDSA", "RSA") for size in ("128_GCM_SHA256", "256_GCM_SHA384")),
    *(f"TLS_ECDHE_{key}_WITH_AES_{size}_CBC_SHA" for key in ("ECDSA", "RSA") for size in (128, 256)),
    *(f"TLS_ECDHE_{key}_WITH_CHACHA20_POLY1305_SHA256" for key in ("ECDSA", "RSA")),
    *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
]
TWO_CIPHERS = "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"
USERS = "basic_auth_users: {alice: HASH12, bob: HASH18, carol: HASH10}"

GOOD = {
    "noAuth.requireandverifyclientcert.good": TLS
    % "client_auth_type: RequireAndVerifyClientCert, client_ca_file: client.pem",
    "noAuth.requireanyclientcert.good": TLS % "client_auth_type: RequireAnyClientCert",
    "noAuth.requireanyclientcertkeyinline.good": (
        "tls_server_config: {cert_file: server.crt, key: KEY, client_auth_type: RequireAnyClientCert}"
    ),
    "auth_client_san.good": TLS % "client_auth_type: RequireAndVerifyClientCert, client_ca_file: client.pem, "
    "client_allowed_sans: [one, test3, two]",
    "headers.good": """
http_server_config:
  headers:
    X-Frame-Options: deny
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1
    Content-Security-Policy: "default-src 'self' *.example.net"
""",
    "noAuth.good": GIVEN % "",
    "noAuth_allCiphers.good": GIVEN % f"cipher_suites: [{', '.join(ALL_CIPHERS)}]",
    "noAuth_allCurves.good": GIVEN % "curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]",
    "noAuth_noHTTP2.good": GIVEN % "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12"
    + "\nhttp_server_config: {http2: false}",
    "noAuth_someCiphers.good": GIVEN % f"{TWO_CIPHERS}, min_version: TLS12, max_version: TLS12",
    "noAuth_someCiphers_noOrder.good": GIVEN
    % f"{TWO_CIPHERS}, prefer_server_cipher_suites: false, min_version: TLS12, max_version: TLS12",
    "noAuth_someCurves.good": GIVEN % "min_version: TLS13, curve_preferences: [CurveP521]",
    "noAuth_tlsInline.good": "tls_server_config: {cert: CERT, key: KEY, client_auth_type: VerifyClientCertIfGiven}",
    "users.good": f"{TLS % ''}\n{USERS}",
    "users_noTLS.good": USERS,
    # Without "good" in their names, but accepted there too.
    "empty": "",
    "rate_limiter_nonblocking": "rate_limit: {interval: 0, burst: 0}",
    "rate_limiter_one_second": 'rate_limit: {interval: "1s", burst: 0}',
    "docs/web-config": f"{TLS % ''}\n{USERS}\nrate_limit: {{interval: 1s, burst: 20}}",
}
BAD = {
    "auth_clientCAs_invalid.bad": (TLS % "client_ca_file: somefile", "client_ca_file"),
    # The file noAuth.good.blocking has the same content. There it is accepted, but no client can connect.
    "auth_clientCAs_missing.bad": (TLS % "client_auth_type: RequireAndVerifyClientCert", "client_auth_type"),
    "auth_user_list_invalid.bad": (f"{TLS % ''}\nbasic_auth_users: {{john: doe}}", "basic_auth_users.john"),
    "headers_content_type_options.bad": (
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        "X-Content-Type-Options",
    ),
    "headers_extra_header.bad": ("http_server_config: {headers: {Content-Type: foo}}", "Content-Type"),
    "headers_frame_options.bad": ("http_server_config: {headers: {X-Frame-Options: foo}}", "X-Frame-Options"),
    "noAuth.bad": (TLS % "client_ca_file: /dev/null", "client_ca_file"),
    "noAuth_certPath_empty.bad": ("tls_server_config: {cert_file: '', key_file: server.key}", "cert_file"),
    "noAuth_certPath_invalid.bad": ("tls_server_config: {cert_file: some, key_file: server.key}", "cert_file"),
    "noAuth_certPath_keyPath_empty.bad": (
        "tls_server_config: {cert_file: '', key_file: '', client_auth_type: x}",
        "client_auth_type",
    ),
    "noAuth_certPath_keyPath_invalid.bad": ("tls_server_config: {cert_file: some, key_file: some}", "cert_file"),
    "noAuth_cert_empty.bad": ("tls_server_config: {cert: '', key_file: server.key}", "cert_file"),
    "noAuth_inventedCiphers.bad": (
        GIVEN % "cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048]",
        "cipher_suites[0]",
    ),
    "noAuth_inventedCurves.bad": (GIVEN % "curve_preferences: [CurveP257]", "curve_preferences[0]"),
    "noAuth_keyPath_empty.bad": ("tls_server_config: {cert_file: server.crt, key_file: ''}", "key_file"),
    "noAuth_keyPath_invalid.bad": ("tls_server_config: {cert_file: server.crt, key_file: some}", "key_file"),
    "noAuth_key_empty.bad": ("tls_server_config: {cert_file: server.crt, key: ''}", "key_file"),
    "noAuth_noHTTP2Cipher.bad": (
        GIVEN % "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12",
        "cipher_suites",
    ),
    "noAuth_wrongTLSVersion.bad": (GIVEN % "min_version: TLS111", "min_version"),
    # Without "bad" in their names, but refused there too.
    "junk": ("hWkNKCp3fvIx3jKnsaBI\nTuEjdwNS8A2vYdFbiKqr\n", ""),
    "junk_key": ("tls_server_config: {cert_filse: server.crt}", "cert_filse"),
}
"""Contents, and the key that the error names. In auth_client_san.bad the client is refused, not the file: see
test_web_tls.py."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("web"))


def written(certificates: Certificates, content: str) -> Path:
    for mark, name in (("CERT,", "server.crt"), ("KEY,", "server.key")):
        content = content.replace(f": {mark}", f": {yaml.safe_dump(certificates.text(name), default_style=chr(34))},")
    cheap = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    content = re.sub(r"HASH(\d\d)", lambda match: cheap.replace("$04$", f"${match[1]}$"), content)
    file = certificates.folder / "web.yml"
    file.write_text(content)
    return file


@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_good_files_are_accepted(certificates: Certificates, content: str) -> None:
    security = WebSecurity.load(written(certificates, content))
    assert (security.tls is not None) is ("tls_server_config" in content)


@pytest.mark.parametrize(("content", "key"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_with_file_key_and_what_to_do(certificates: Certificates, content: str, key: str) -> None:
    file = written(certificates, content)
    with pytest.raises(ConfigError) as caught:
        WebSecurity.load(file)
    (fault,) = caught.value.faults
    assert fault.file == str(file)
    assert key in f"{fault.path}: {fault.message}"
    assert fault.hint or not key
    assert "doe" not in str(caught.value).replace("does", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TLS % "cert: x", "tls_server_config.cert: cert and cert_file are both set; keep one of them"),
        ("tls_server_config: {cert: x, key_file: server.key}", "tls_server_config.cert: the value of cert contains no"),
        ("tls_server_config: {cert_file: server.crt, key: x}", "tls_server_config.key: the value of key contains no"),
        (
            "tls_server_config: {cert_file: server.crt, key_file: client.pem}",
            "client.pem does not belong to the certificate; use the key for which the certificate was issued",
        ),
        (
            TLS % "client_auth_type: RequireAndVerifyClientCert, client_ca_file: server.key",
            "server.key contains no certificate in PEM format",
        ),
        (TLS % "max_version: TLS11", "tls_server_config.max_version: TLS11 is not offered; set it to TLS12 or TLS13"),
        (
            TLS % "min_version: TLS13, max_version: TLS12",
            "tls_server_config.max_version: TLS12 is below min_version TLS13; raise it or lower min_version",
        ),
        (
            TLS % "client_allowed_sans: [a]",
            "tls_server_config.client_allowed_sans: is set, but client_auth_type requests no client certificates",
        ),
        ("rate_limit: {interval: 5}", "rate_limit.interval: must be a duration with its unit"),
        ("tls_server_config: {min_version: TLS13}", "tls_server_config.cert_file: is missing; set cert_file"),
    ],
)
def test_what_would_not_do_as_written_is_refused(certificates: Certificates, content: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        WebSecurity.load(written(certificates, content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TLS % "min_version: TLS10", "min_version TLS10 is not offered, the lowest version is TLS12"),
        (TLS % "curve_preferences: [X25519, CurveP256]", "curve_preferences with several curves is ignored"),
        (TLS % "client_auth_type: RequireClientCert", "RequireAnyClientCert authenticates no client"),
        (TLS % "client_auth_type: RequestClientCert", "RequestClientCert authenticates no client"),
        (TLS % "client_auth_type: VerifyClientCertIfGiven", "without client_ca_file trusts the authorities of the"),
        ("rate_limit: {interval: 1s}", "rate_limit.burst is 0, so that every request is refused"),
        ("basic_auth_users: {a: HASH15}", "a cost above 14: each check of a new password takes seconds"),
    ],
)
def test_what_is_not_done_as_written_is_a_warning(certificates: Certificates, content: str, words: str) -> None:
    (warning,) = WebSecurity.load(written(certificates, content)).warnings
    assert words in warning


def test_an_encrypted_inline_key_is_refused_without_a_prompt_and_not_shown(certificates: Certificates) -> None:
    key = certificates.encrypted_key()
    file = certificates.folder / "web.yml"
    file.write_text(yaml.safe_dump({"tls_server_config": {"cert_file": "server.crt", "key": key}}))
    with pytest.raises(ConfigError) as caught:
        WebSecurity.load(file)
    text = str(caught.value)
    assert "tls_server_config.key: the value of key is encrypted; remove its passphrase with: openssl pkey" in text
    assert not any(line in text for line in key.splitlines()[1:-1])


def test_a_key_that_is_not_text_is_not_shown(certificates: Certificates) -> None:
    with pytest.raises(ConfigError) as caught:
        WebSecurity.load(written(certificates, "tls_server_config: {cert_file: server.crt, key: 8675309}"))
    assert "8675309" not in str(caught.value)


def test_the_documented_example_is_accepted_without_warnings(certificates: Certificates) -> None:
    text = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
    (example,) = [one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "tls_server_config" in one]
    for name, real in (("cert.pem", "server.crt"), ("key.pem", "server.key"), ("$2y$10$…", "HASH10")):
        assert name in example
        example = example.replace(name, real)
    security = WebSecurity.load(written(certificates, example))
    assert security.warnings == ()
    assert security.methods == ("basic auth", "client certificates")
