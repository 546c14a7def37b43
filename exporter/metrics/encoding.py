"""The formats of `/metrics`, and the choice of format and encoding by the request's headers."""

from __future__ import annotations

import functools
from enum import Enum
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import UNDERSCORES
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

_openmetrics = functools.partial(generate_openmetrics, escaping=UNDERSCORES, version="1.0.0")


class Format(Enum):
    """The supported formats. A closed list: whatever clients accept, nothing else is rendered.

    No name of the exporter needs escaping, so both versions of the text format have the same body.
    """

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"

    @property
    def content_type(self) -> str:
        """The `Content-Type` header."""
        return self.value

    @property
    def syntax(self) -> Format:
        """The format that the body is cached under: formats with the same body share one."""
        return Format.TEXT if self is Format.TEXT_1 else self

    def encode(self, registry: CollectorRegistry) -> bytes:
        """Encode the registry in this format."""
        return (_openmetrics if self is Format.OPENMETRICS else generate_latest)(registry)


_FORMATS = {
    ("application/openmetrics-text", ""): Format.OPENMETRICS,
    ("application/openmetrics-text", "1.0.0"): Format.OPENMETRICS,
    ("text/plain", ""): Format.TEXT,
    ("text/plain", "0.0.4"): Format.TEXT,
    ("text/plain", "1.0.0"): Format.TEXT_1,
    ("text/*", ""): Format.TEXT,
    ("*/*", ""): Format.TEXT,
}
"""Formats by media type and version."""


def preferred_format(accept: str) -> Format:
    """The format that an `Accept` header prefers (RFC 9110, 12.5.1); the oldest text format if none is accepted."""
    best, highest = Format.TEXT, 0.0
    for media_type, parameters, weight in _items(accept):
        found = _FORMATS.get((media_type, parameters.get("version", "")))
        # The first one listed wins among those with the same weight.
        if found is not None and weight > highest:
            best, highest = found, weight
    return best


def gzip_accepted(accept_encoding: str) -> bool:
    """Whether an `Accept-Encoding` header accepts gzip (RFC 9110, 12.5.3): by name or ``*``, and not with ``q=0``."""
    weights = {coding: weight for coding, _, weight in _items(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _items(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """The items of a header: value, parameters, and weight, which is 0 if it is not valid."""
    for item in header.split(","):
        value, *rest = item.split(";")
        parameters = {}
        for parameter in rest:
            name, _, text = parameter.partition("=")
            parameters[name.strip().lower()] = text.strip().strip('"').lower()
        yield value.strip().lower(), parameters, _weight(parameters.get("q", "1"))


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    # Also false for NaN.
    return weight if 0.0 <= weight <= 1.0 else 0.0
