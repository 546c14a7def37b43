from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization


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
