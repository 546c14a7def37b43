"""The environment of the HTML templates."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from exporter.common.text import printable

TEMPLATES = Environment(
    loader=PackageLoader("exporter.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # The platform's texts, without characters that change what the page shows beside them. What Jinja made stays.
    finalize=lambda value: printable(value) if type(value) is str else value,
)
