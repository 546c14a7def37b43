"""Builds configurations for tests, and shows what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.config.document import parse_yaml
from exporter.config.errors import ConfigError
from exporter.config.load import load_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.settings import Settings

ENVIRON = {"TOKEN": "pt-abc_def"}


def settled(text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
    return load_document(parse_yaml(text, "c.yaml"), Path("/nowhere"), environ)


def faults(text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        settled(text, environ)
    return [str(fault) for fault in caught.value.faults]


def with_organization(line: str) -> str:
    """A sound configuration with one more line, line 4, in its organization."""
    return f"""organizations:
  - name: acme
    endpoint: https://acme.example.com
    {line}
    token_env: TOKEN
    users: {{static: [{{id: "3001", name: li.wei}}]}}
"""


def discovering(text: str) -> str:
    return with_organization("").replace('static: [{id: "3001", name: li.wei}]', f"discover: {{{text}}}")
