from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from support.configuration import faults, settled, with_organization

from exporter.common.fields import (
    AlertmanagerUrl,
    Endpoint,
    FilePath,
    HostName,
    LabelName,
    PageUrl,
    RedisUrl,
    Section,
    VariableName,
)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("https://user:hunter2@h", "must not contain a user or password"),
        ("https://h?x=hunter2", "must not have a query"),
        ("https://h/oapi/v1/", "must not end in /oapi/v1"),
        ("https://h:hunter2", "is not a valid"),
        ("//h", "is not a valid"),
        ("https://", "is not a valid"),
    ],
)
def test_refused_endpoints_do_not_appear_in_the_error(endpoint: str, words: str) -> None:
    (found,) = faults(with_organization("").replace("https://acme.example.com", endpoint))
    assert words in found
    assert "hunter2" not in found


def test_trailing_slashes_of_the_endpoint_are_dropped() -> None:
    text = with_organization("").replace("acme.example.com", "acme.example.com//")
    assert settled(text).config.organizations[0].endpoint == "https://acme.example.com"


@pytest.mark.parametrize("label", ["inf", "nan", "NaN", "Inf"])
def test_a_label_name_that_rules_read_as_a_number_is_refused(label: str) -> None:
    text = with_organization("").replace("name: li.wei", f"labels: {{{label}: x}}")
    assert any("is a number in Prometheus rules" in fault for fault in faults(text))


def read(kind: Any, value: object) -> object:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: object) -> bool:
    try:
        read(kind, value)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(
    "name",
    ["alertname", "severity", "organization", "user_id", "user", "token_id", "token", "policy", "instance", "job"],
)
def test_labels_that_the_exporter_or_prometheus_sets_are_refused(name: str) -> None:
    assert refused(LabelName, name)
    assert read(LabelName, f"{name}_x") == f"{name}_x"


@pytest.mark.parametrize(
    ("name", "good"), [("team", True), ("_x9", True), ("__x", False), ("9x", False), ("a-b", False)]
)
def test_names_of_labels(name: str, good: bool) -> None:  # noqa: FBT001
    assert refused(LabelName, name) is not good


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://acme.example.com", "https://acme.example.com"),
        ("http://acme.example.com:8080//", "http://acme.example.com:8080"),
        ("https://gateway/acme/", "https://gateway/acme"),
        ("https://user@acme.example.com", None),
        ("https://:secret@acme.example.com", None),
        ("https://user:secret@acme.example.com", None),
        ("https://acme.example.com/?x=1", None),
        ("https://acme.example.com/#x", None),
        ("https://acme .example.com", None),
        ("https://acme.example.com/a\tb", None),
        ("ftp://acme.example.com", None),
        ("https://", None),
        ("https://acme.example.com:99999", None),
    ],
)
def test_addresses_of_the_platform(written: str, address: str | None) -> None:
    if address is None:
        assert refused(Endpoint, written)
    else:
        assert read(Endpoint, written) == address


@pytest.mark.parametrize("host", ["acme.example.com", "acme.example.com:8443", "10.0.0.1", "[::1]:80", "a_b-c"])
def test_a_host_header_is_sent_as_written(host: str) -> None:
    assert read(HostName, host) == host


@pytest.mark.parametrize("host", ["", "a b", "https://a", "a/b", "a:123456", "a\r\nX-Evil: 1", "[::1"])
def test_what_does_not_belong_into_a_host_header_is_refused(host: str) -> None:
    assert refused(HostName, host)


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis:6379/0",
        "redis://redis",
        "rediss://redis:6380/2",
        "redis+sentinel://a:26379,[::1]:26379/mymaster/0",
        "rediss+sentinel://a/mymaster/1",
    ],
)
def test_an_address_of_redis_is_used_as_written(url: str) -> None:
    assert read(RedisUrl, url) == url


def test_addresses_of_alertmanager_and_of_runbooks_lose_what_is_added_again() -> None:
    assert read(AlertmanagerUrl, "https://am.example.com/x/") == "https://am.example.com/x"
    assert read(AlertmanagerUrl, "http://am:9093/api/v2/alerts") == "http://am:9093"
    assert read(PageUrl, "https://wiki.example.com/runbooks/") == "https://wiki.example.com/runbooks"


def test_paths_and_names_of_variables() -> None:
    assert read(FilePath, "/run/secrets/token") == "/run/secrets/token"
    assert refused(FilePath, "a\0b")
    assert refused(FilePath, "")
    assert read(VariableName, "YUNXIAO_TOKEN") == "YUNXIAO_TOKEN"
    for name in ("", "9X", "A B", "A-B", "A=1"):
        assert refused(VariableName, name)


def test_a_refused_value_is_not_repeated_in_the_error() -> None:
    class Example(Section):
        number: int

    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"number": "pt-secret_5ecre7"})
    assert "5ecre7" not in str(caught.value)
