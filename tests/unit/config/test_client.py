from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization

from exporter.config.client import ClientTls, Tls


def test_the_same_tls_keys_apply_to_the_platform_and_to_alertmanager() -> None:
    tls = "tls: {server_name: acme.example.com, insecure_skip_verify: true}"
    expected = Tls(server_name="acme.example.com", insecure_skip_verify=True)
    assert settled(with_organization(tls)).config.organizations[0].tls == expected
    text = f"alerting: {{alertmanagers: [{{url: http://a, {tls}}}]}}\n" + with_organization("")
    assert settled(text).config.alerting.alertmanagers[0].tls == ClientTls(**dict(expected))


@pytest.mark.parametrize("keys", ["cert_file: a.pem", "key_file: a.pem"])
def test_a_client_certificate_needs_its_key(keys: str) -> None:
    (fault,) = faults(f"alerting: {{alertmanagers: [{{url: https://a, tls: {{{keys}}}}}]}}\n" + with_organization(""))
    assert "cert_file and key_file require each other; set both or neither" in fault


def test_the_files_of_a_client_certificate_are_read_at_the_start() -> None:
    keys = "tls: {cert_file: cert.pem, key_file: key.pem}"
    (fault,) = faults(f"alerting: {{alertmanagers: [{{url: https://a, {keys}}}]}}\n" + with_organization(""))
    assert fault.startswith(
        "c.yaml:1: alerting.alertmanagers[0].tls.cert_file: /nowhere/cert.pem cannot be read: No such file"
    )


def test_the_password_of_a_proxy_is_a_secret() -> None:
    url = "http://user:pass-word-1@proxy:3128"
    settings = settled(
        f"alerting: {{alertmanagers: [{{url: https://a, proxy_url: '{url}'}}]}}\n" + with_organization("")
    )
    assert settings.alertmanagers[0].proxies == {"http": url, "https": url}
    assert settings.redactor.clean("got pass-word-1 here") == "got [redacted] here"
    assert "pass-word-1" not in repr(settings.alertmanagers[0])


@pytest.mark.parametrize("key", ["server_name: a", "insecure_skip_verify: true"])
def test_redis_has_certificate_authorities_only(key: str) -> None:
    (fault,) = faults(f"redis: {{url: rediss://h, tls: {{{key}}}}}\n" + with_organization(""))
    assert "unknown key; known keys: ca_file" in fault


def test_credentials_name_files() -> None:
    (fault,) = faults(
        "alerting: {alertmanagers: [{url: http://a, authorization: {credentials_file: none}}]}\n"
        + with_organization("")
    )
    assert fault.startswith(
        "c.yaml:1: alerting.alertmanagers[0].authorization.credentials_file: /nowhere/none cannot be read: No such file"
    )


def test_two_kinds_of_credentials_are_refused() -> None:
    keys = "basic_auth: {username: x, password_file: none}, authorization: {credentials_file: none}"
    (fault,) = faults(f"alerting: {{alertmanagers: [{{url: http://a, {keys}}}]}}\n" + with_organization(""))
    assert fault == "c.yaml:1: alerting.alertmanagers[0]: has both basic_auth and authorization; keep one"
