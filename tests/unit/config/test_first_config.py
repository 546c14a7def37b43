from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.first_config import FirstAnswers, first_config, suggested_name


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("https://acme.rdc.aliyuncs.com", "acme"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("nonsense", "my-organization"),
        ("http://[", "my-organization"),
    ],
)
def test_a_name_from_the_endpoint(endpoint: str, name: str) -> None:
    assert suggested_name(endpoint) == name


def test_all_users_are_discovered_by_default() -> None:
    (organization,) = yaml.safe_load(first_config(FirstAnswers("https://acme.example.com", "token")))["organizations"]
    assert organization == {
        "name": "acme",
        "endpoint": "https://acme.example.com",
        "token_file": "token",
        "timezone": "Asia/Shanghai",
        "users": {"discover": {"source": "users"}},
    }


def test_members_of_an_organization_and_single_users() -> None:
    members = yaml.safe_load(first_config(FirstAnswers("x", "token", organization_id="60de")))
    assert members["organizations"][0]["users"] == {"discover": {"source": "members", "organization_id": "60de"}}
    listed = yaml.safe_load(first_config(FirstAnswers("x", "token", users=("0123456", "b"))))
    assert listed["organizations"][0]["users"] == {"static": [{"id": "0123456"}, {"id": "b"}]}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_answer_is_quoted(text: str) -> None:
    (organization,) = yaml.safe_load(first_config(FirstAnswers(text, text, name=text or "x")))["organizations"]
    assert (organization["endpoint"], organization["token_file"]) == (text, text)
