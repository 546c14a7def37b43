"""The document about the configuration, from the schema."""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing

from pydantic_core import PydanticUndefined

from exporter.common.durations import format_duration
from exporter.config.schema import Config
from exporter.config.validation import section_of

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from scripts.reference.texts import Texts

SOURCE = "`exporter/config/schema.py`"
_INTRODUCTION = (
    "One YAML file, given with `--config.file`. `config.example.yaml` shows every key in place, `config.example.zh.yaml` "
    "with comments in Chinese. `yunxiao-token-exporter check-config` reports all errors at once, with file, line and key path."
)
_RULES = (
    "`yunxiao-token-exporter config-schema` prints a JSON Schema with which editors complete and check the file; see "
    "[commands.md](commands.md).",
    "Durations have Prometheus' syntax: `90s`, `1h30m`, `14d`.",
    "Unknown and duplicate keys are errors. So are values that YAML reads differently from what is written: "
    'YAML reads `0123456` without quotes as 42798, so quote ids: `"0123456"`.',
    "Paths are relative to the directory of the file.",
    "The file contains no secrets: it names the files or environment variables that contain them.",
    "SIGHUP, or `POST /-/reload` with `--web.enable-lifecycle`, reloads the file, all or nothing: if it has errors, "
    "the previous configuration stays in effect and `yunxiao_exporter_config_last_reload_successful` is 0. Token "
    "files, user files and certificates need no reload: they are checked every few seconds, and if one becomes invalid, its last "
    "valid content stays in effect.",
    "With `serve --config.auto-reload`, it is also reloaded when its content has changed. It is checked every 30 seconds "
    "(`--config.auto-reload-interval`); a change counts when two checks in a row find it. Errors of one content are "
    "reported once, and it comes into effect as soon as the files that it names are correct.",
)
_FLAGS = (
    "Every flag of every command can also be set by an environment variable; `--help` lists them. "
    "`--web.config.file` has the format of Prometheus' exporter-toolkit: see [web.md](web.md)."
)


def body(text: Texts) -> str:
    """The document below its title."""
    parts = [
        text(_INTRODUCTION),
        "",
        *(f"- {text(rule)}" for rule in _RULES),
        "",
        *_section(text, Config, "", {}),
        f"## {text('Flags and environment')}",
        "",
        text(_FLAGS),
        "",
    ]
    return "\n".join(parts)


def _section(text: Texts, model: type[BaseModel], path: str, shown: dict[type[BaseModel], str]) -> Iterator[str]:
    if path:
        yield f"## `{path}`\n"
        if model in shown:
            yield f"{text('As {section}.', section=f'`{shown[model]}`')}\n"
            return
        shown[model] = path
        yield "\n\n".join(text(paragraph) for paragraph in inspect.cleandoc(model.__doc__ or "").split("\n\n")) + "\n"
    yield f"| {' | '.join(text(title) for title in ('key', 'type', 'default', 'meaning'))} |"
    yield "|---|---|---|---|"
    inner: list[tuple[type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        listed = _is_list(field.annotation)
        below = f"{path}.{name}" if path else name
        if section is not None:
            inner.append((section, f"{below}[]" if listed else below))
        kind = _type(text, field, section, listed=listed)
        meaning = text((field.description or "").splitlines()[0])
        yield f"| `{name}` | {kind} | {_default(text, field, section)} | {meaning} |"
    yield ""
    for section, below in inner:
        yield from _section(text, section, below, shown)


def _is_list(annotation: object) -> bool:
    return typing.get_origin(annotation) is tuple


def _type(text: Texts, field: FieldInfo, section: type[BaseModel] | None, *, listed: bool) -> str:
    if section is not None:
        return text("list of sections" if listed else "section")
    if (shown := _shown_as(field)) is not None:
        return text(shown)
    if listed:
        return text("list of text")
    return _plain(text, field.annotation)


def _shown_as(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown_as" in extra:
        return str(extra["shown_as"])
    return "duration or null" if "shown_as" in repr(field.annotation) else None


def _plain(text: Texts, annotation: object) -> str:
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return text.one_of(f"`{argument}`" for argument in typing.get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return text.one_of(f"`{one}`" for one in annotation)
    if origin is typing.Annotated:
        return _plain(text, typing.get_args(annotation)[0])
    return text(_words(annotation))


def _words(annotation: object) -> str:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_words(argument) for argument in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _words(typing.get_args(annotation)[0])
    if origin is dict:
        return "names and texts"
    return {str: "text", bool: "true or false", int: "whole number", float: "number", type(None): "null"}[
        typing.cast("type", annotation)
    ]


def _default(text: Texts, field: FieldInfo, section: type[BaseModel] | None) -> str:
    if field.is_required():
        return text("required")
    value = field.default
    if section is not None or value is PydanticUndefined:
        if field.default_factory is dict:
            return "`{}`"
        return text("see below") if value is PydanticUndefined else ("`[]`" if value == () else "`null`")
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    if isinstance(value, float):
        return f"`{format_duration(value) if (_shown_as(field) or '').startswith('duration') else f'{value:g}'}`"
    if value is None or isinstance(value, bool):
        return f"`{json.dumps(value)}`"
    return f"`{value}`"
