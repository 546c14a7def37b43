from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest
from support.client_certificates import ClientFiles
from support.configuration import faults, settled, with_organization

from exporter.config.client import Tls

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_tls_keys_apply_to_the_platform_and_to_alertmanager() -> None:
    tls = "tls: {server_name: acme.example.com, insecure_skip_verify: true}"
    expected = Tls(server_name="acme.example.com", insecure_skip_verify=True)
    assert settled(with_organization(tls)).config.organizations[0].tls == expected
    text = f"alerting: {{alertmanagers: [{{url: http://a, {tls}}}]}}\n" + with_organization("")
    assert settled(text).config.alerting.alertmanagers[0].tls == expected


def with_tls(keys: str) -> dict[str, str]:
    """Configurations with these keys in each section `tls`, after the key path and the line of the section."""
    tls = f"tls: {{{keys}}}"
    return {
        "organizations[0].tls:4": with_organization(tls),
        "alerting.alertmanagers[0].tls:1": f"alerting: {{alertmanagers: [{{url: https://a, {tls}}}]}}\n"
        + with_organization(""),
        "redis.tls:1": f"redis: {{url: rediss://a, {tls}}}\n" + with_organization(""),
    }


@pytest.mark.parametrize("keys", ["cert_file: a.pem", "key_file: a.pem"])
@pytest.mark.parametrize("place", with_tls(""))
def test_a_client_certificate_needs_its_key(place: str, keys: str) -> None:
    (fault,) = faults(with_tls(keys)[place])
    path, _, line = place.partition(":")
    assert fault == f"c.yaml:{line}: {path}: cert_file and key_file require each other; set both or neither"


@pytest.mark.parametrize("place", with_tls(""))
def test_the_files_of_a_client_certificate_are_read_at_the_start(place: str) -> None:
    (fault,) = faults(with_tls("cert_file: cert.pem, key_file: key.pem")[place])
    path, _, line = place.partition(":")
    assert fault == (
        f"c.yaml:{line}: {path}.cert_file: /nowhere/cert.pem cannot be read: No such file or directory; check the path"
    )


def test_certificates_have_no_effect_without_tls(tmp_path: Path) -> None:
    files = ClientFiles(tmp_path)
    tls = f"tls: {{cert_file: {files.files.cert_file}, key_file: {files.files.key_file}}}"
    text = with_organization(tls).replace("https:", "http:")
    settings = settled(f"alerting: {{alertmanagers: [{{url: 'http://a', {tls}}}, {{url: http://b}}]}}\n" + text)
    assert [one for one in settings.warnings(time.time()) if "tls" in one] == [
        "organizations[0].tls: has no effect, because endpoint is http://; write https:// or remove it",
        "alerting.alertmanagers[0].tls: has no effect, because url is http://; write https:// or remove it",
    ]
    (fault,) = faults(f"redis: {{url: redis://h, {tls}}}\n" + with_organization(""))
    assert "tls.cert_file requires a rediss:// URL; change url, or remove tls.cert_file" in fault


def test_a_client_certificate_that_expires_is_a_warning_with_its_key(tmp_path: Path) -> None:
    files = ClientFiles(tmp_path)
    files.renew(not_after=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    tls = f"tls: {{cert_file: {files.files.cert_file}, key_file: {files.files.key_file}}}"
    settings = settled(f"redis: {{url: rediss://h, {tls}}}\n" + with_organization(tls))
    expired = f"{files.files.cert_file} expired at 2030-01-01T00:00:00Z; renew it"
    assert settings.warnings(1_893_456_001.0) == (
        f"organizations[0].tls.cert_file: {expired}",
        f"redis.tls.cert_file: {expired}",
    )


def test_a_renewed_certificate_needs_no_other_client(tmp_path: Path) -> None:
    files = ClientFiles(tmp_path)
    text = with_organization(f"tls: {{cert_file: {files.files.cert_file}, key_file: {files.files.key_file}}}")
    (before,) = settled(text).organizations
    files.renew()
    (after,) = settled(text).organizations
    assert before.same_client(after)


def test_the_password_of_a_proxy_is_a_secret() -> None:
    url = "http://user:pass-word-1@proxy:3128"
    settings = settled(
        f"alerting: {{alertmanagers: [{{url: https://a, proxy_url: '{url}'}}]}}\n" + with_organization("")
    )
    assert settings.alertmanagers[0].proxies == {"http": url, "https": url}
    assert settings.redactor.clean("got pass-word-1 here") == "got [redacted] here"
    assert "pass-word-1" not in repr(settings.alertmanagers[0])


@pytest.mark.parametrize("key", ["server_name: a", "insecure_skip_verify: true"])
def test_redis_has_files_of_certificates_only(key: str) -> None:
    (fault,) = faults(f"redis: {{url: rediss://h, tls: {{{key}}}}}\n" + with_organization(""))
    assert "unknown key; known keys: ca_file, cert_file, key_file" in fault


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
