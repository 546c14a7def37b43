"""The JSON Schema of the configuration file, for editors and other checks."""

from __future__ import annotations

from typing import Any

from exporter.common.durations import format_duration
from exporter.config.schema import Config

ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_DURATION = (
    r"^(0|(?=[0-9])([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"  # as in common.durations
)
_OF_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "gt", "ge", "lt", "le"})
_SHORT_FORMS = {"NeverExpires": "forbid"}
"""Sections that may be one word instead."""


def json_schema() -> dict[str, Any]:
    """The schema of the whole file. What a schema cannot say, such as that names are unique, `check-config` finds."""
    schema: dict[str, Any] = _converted(Config.model_json_schema())
    for name, word in _SHORT_FORMS.items():
        section = schema["$defs"][name]
        schema["$defs"][name] = {"description": section["description"], "anyOf": [{"const": word}, section]}
    # The class describes what the program sees; an editor shows this at the top of the file.
    description = "Configuration of yunxiao-token-exporter."
    return {"$schema": ADDRESS} | schema | {"title": "yunxiao-token-exporter", "description": description}


def _converted(node: Any) -> Any:
    """A part of the schema as the file is written: durations and dates are text."""
    if isinstance(node, list):
        return [_converted(one) for one in node]
    if not isinstance(node, dict):
        return node
    match node.get("shown_as"):
        case "duration":
            kept = {key: value for key, value in node.items() if key not in {*_OF_NUMBERS, "shown_as", "title"}}
            if isinstance(node.get("default"), (int, float)):
                kept["default"] = format_duration(node["default"])
            return kept | {"type": "string", "pattern": _DURATION, "examples": ["90s", "1h30m", "14d"]}
        case "date":
            return {key: value for key, value in node.items() if key not in {"shown_as", "title"}}
    found = {key: _converted(value) for key, value in node.items() if key != "title" or isinstance(value, dict)}
    if (
        isinstance(found.get("default"), (int, float))
        and _is_duration(found)
        and not isinstance(found["default"], bool)
    ):
        found["default"] = format_duration(found["default"])
    return found


def _is_duration(node: dict[str, Any]) -> bool:
    """Whether a value is a duration or null."""
    return any(one.get("pattern") == _DURATION for one in node.get("anyOf", ()))
