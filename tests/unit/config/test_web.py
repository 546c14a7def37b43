"""The section web."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.config.web import Web


def test_an_external_url_loses_its_trailing_slash() -> None:
    assert Web(external_url="https://tokens.example.com/yte/").external_url == "https://tokens.example.com/yte"
    assert Web().external_url is None


@pytest.mark.parametrize(
    "url", ["tokens.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=b", "https://x#y"]
)
def test_what_is_no_address_of_the_exporter_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Web(external_url=url)
