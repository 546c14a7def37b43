from __future__ import annotations

import pytest
from support.configuration import faults, settled, with_organization


def test_proxies_come_from_the_environment_unless_no_proxy_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert settled(with_organization("")).organizations[0].proxies["https"] == "http://proxy:3128"
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert settled(with_organization("")).organizations[0].proxies == {}


@pytest.mark.parametrize("key", ["token_file", "token_env"])
def test_a_token_in_the_wrong_place_does_not_appear_in_the_error(key: str) -> None:
    text = with_organization("").replace("token_env: TOKEN", f"{key}: pt-0123_abcdef")
    (found,) = faults(text)
    assert "contains what looks like a token" in found
    assert "abcdef" not in found
