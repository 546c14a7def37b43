"""Finds secrets in plain text, such as passwords in proxy URLs, and registers them for redaction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.common.redaction import Redactor

_CREDENTIALS = re.compile(r"//(?P<user>[^/?#\s:@]*):(?P<password>[^/?#\s]+)@")
_TOKEN = re.compile(r"pt-[0-9A-Za-z]+_[0-9A-Za-z]{16,}", re.IGNORECASE)


def looks_like_a_token(text: str) -> bool:
    """Whether a text very likely contains a whole token, including its secret part."""
    return _TOKEN.search(text) is not None


def learn_written(redactor: Redactor, text: str, source: str) -> None:
    """Register the passwords in URLs and the tokens of a text, such as a configuration file."""
    for number, match in enumerate(_TOKEN.finditer(text)):
        redactor.add(match[0], f"{source}: token {number}")
    for number, match in enumerate(_CREDENTIALS.finditer(text)):
        _learn_pair(redactor, match["user"], match["password"], f"{source}: URL {number}")


def learn_proxies(redactor: Redactor, proxies: Mapping[str, str], source: str) -> None:
    """Register the passwords of proxies by scheme."""
    for scheme, url in proxies.items():
        for match in _CREDENTIALS.finditer(url):
            _learn_pair(redactor, match["user"], match["password"], f"{source}: {scheme}")


def _learn_pair(redactor: Redactor, user: str, password: str, source: str) -> None:
    redactor.add(password, source)
    redactor.add(unquote(password), f"{source}: decoded")
    learn_basic_auth(redactor, unquote(user), unquote(password), source)


def learn_basic_auth(redactor: Redactor, user: str, password: str, source: str) -> None:
    """Register a user name with its password, which the header of basic auth contains in base64."""
    redactor.add(f"{user}:{password}", f"{source}: pair")
