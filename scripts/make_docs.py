"""Makes docs/metrics.md from the table of families and docs/configuration.md from the schema.

With --check, says which of them are not current and exits with 1.
"""

from __future__ import annotations

import enum
import inspect
import sys
import types
import typing
from pathlib import Path

from pydantic_core import PydanticUndefined

from exporter.common.durations import format_duration
from exporter.config.schema import Config
from exporter.config.validation import section_of
from exporter.metrics.families import ALL_FAMILIES, ConfigFamily, Family, OrganizationFamily, OwnFamily
from exporter.model.event import Change
from exporter.model.state import Reason
from exporter.model.token import TokenState
from exporter.policies.builtin import POLICIES

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Made by `make docs` from {}; change that instead. -->\n"
_ORGANIZATION = {OrganizationFamily, ConfigFamily}
_ELSEWHERE = {*_ORGANIZATION, OwnFamily}
STATES = {
    TokenState.ACTIVE: "it expires, but not yet",
    TokenState.EXPIRED: "its expiry has passed and the platform still lists it",
    TokenState.NEVER_EXPIRES: "it has no expiry",
    TokenState.UNKNOWN: "its expiry could not be read; `yunxiao_parse_errors_total` counts it",
}


def metrics() -> str:
    """docs/metrics.md."""
    parts = [
        "# Metrics",
        NOTE.format("`exporter/metrics/families/`"),
        "Points in time are seconds since the epoch and end in `_timestamp_seconds`: use these in rules, they compress "
        "well and cannot go stale. The `*_expires_in_seconds` gauges are computed at each scrape, for people and for "
        "backends without clock arithmetic.\n",
        "Tokens are polled on the exporter's own clock, because a sweep over many users takes longer than a scrape may. "
        "`yunxiao_user_last_success_timestamp_seconds` says how old the data of a user is. A failed poll keeps the "
        "last known tokens; a time is never shown as 0.\n",
        *_group("Users and their tokens", [one for one in ALL_FAMILIES if type(one) not in _ELSEWHERE]),
        "### Values of `state`\n",
        *(f"- `{state}`: {words}" for state, words in STATES.items()),
        "",
        "### Values of `reason`\n",
        *(f"- `{reason}`: {reason.meaning}" for reason in Reason),
        "",
        "### Values of `policy`\n",
        *(f"- `{policy.name}`: {policy.meaning}." for policy in POLICIES),
        "",
        *_group("Organizations and configuration", [one for one in ALL_FAMILIES if type(one) in _ORGANIZATION]),
        *_group("The exporter itself", [one for one in ALL_FAMILIES if isinstance(one, OwnFamily)]),
        "### Values of `event`\n",
        *(f"- `{change}`: {change.meaning}." for change in Change),
        "",
        "The usual `process_*` and `python_*` families are exposed as well.\n",
    ]
    return "\n".join(parts)


def _group(title: str, families: Iterable[Family]) -> Iterator[str]:
    yield f"## {title}\n"
    for family in families:
        query, purpose = family.query
        switches = [f"metrics.{family.detail}"] if family.detail else []
        switches += ["metrics.relative"] if family.relative else []
        yield f"### `{family.name}`\n"
        yield f"{family.help}\n"
        yield f"- Type: {family.kind}"
        yield f"- Labels: {', '.join(f'`{label}`' for label in family.labels) or 'none'}"
        yield f"- When: {family.present}"
        if switches:
            yield f"- Disabled by: {', '.join(f'`{switch}: false`' for switch in switches)}"
        yield f"- Example, {purpose}:\n\n  ```promql\n  {query}\n  ```\n"


def configuration() -> str:
    """docs/configuration.md."""
    parts = [
        "# Configuration",
        NOTE.format("`exporter/config/schema.py`"),
        "One YAML file, given with `--config.file`. `config.example.yaml` shows every key in place. "
        "`yunxiao-token-exporter check-config` reports every fault at once, with file, line and key path.\n",
        "- Durations are written as Prometheus writes them: `90s`, `1h30m`, `14d`.",
        "- Unknown and duplicate keys are refused. So are values that YAML turns into something else than was written: "
        'an unquoted `0123456` is 42798 to YAML, so ids are to be quoted: `"0123456"`.',
        "- Paths are relative to the folder of the file.",
        "- No secret stands in the file: it names the file or environment variable that holds the token.",
        "- SIGHUP, or `POST /-/reload` with `--web.enable-lifecycle`, loads the file anew, all or nothing: a faulty "
        "file leaves the old configuration in force and sets "
        "`yunxiao_exporter_config_last_reload_successful` to 0. Token files and user files need no reload: they are "
        "looked at every few seconds, and a file that has gone bad leaves its last good content in force.\n",
        *_section(Config, "", {}),
        "## Flags and environment\n",
        "Every flag of every command can be set by an environment variable; `--help` names it. "
        "`--web.config.file` takes the format of Prometheus' exporter-toolkit: see [web.md](web.md).\n",
    ]
    return "\n".join(parts)


def _section(model: type[BaseModel], path: str, shown: dict[type[BaseModel], str]) -> Iterator[str]:
    if path:
        yield f"## `{path}`\n"
        if model in shown:
            yield f"As `{shown[model]}`.\n"
            return
        shown[model] = path
        yield f"{inspect.cleandoc(model.__doc__ or '')}\n"
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    inner: list[tuple[type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        listed = _is_list(field.annotation)
        below = f"{path}.{name}" if path else name
        if section is not None:
            inner.append((section, f"{below}[]" if listed else below))
        yield f"| `{name}` | {_type(field, section, listed=listed)} | {_default(field, section)} | {(field.description or '').splitlines()[0]} |"
    yield ""
    for section, below in inner:
        yield from _section(section, below, shown)


def _is_list(annotation: object) -> bool:
    return typing.get_origin(annotation) is tuple


def _type(field: FieldInfo, section: type[BaseModel] | None, *, listed: bool) -> str:
    if section is not None:
        return "list of sections" if listed else "section"
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown_as" in extra:
        return str(extra["shown_as"])
    if "shown_as" in repr(field.annotation):
        return "duration or null"
    if listed:
        return "list of text"
    return _plain(field.annotation)


def _plain(annotation: object) -> str:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(_plain(argument) for argument in typing.get_args(annotation))
    if origin is dict:
        return "names and texts"
    if origin is typing.Literal:
        return " or ".join(f"`{argument}`" for argument in typing.get_args(annotation))
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return " or ".join(f"`{one}`" for one in annotation)
    return {str: "text", bool: "true or false", int: "whole number", float: "number", type(None): "null"}[
        typing.cast("type", annotation)
    ]


def _default(field: FieldInfo, section: type[BaseModel] | None) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if section is not None or value is PydanticUndefined:
        if field.default_factory is dict:
            return "`{}`"
        return "see below" if value is PydanticUndefined else ("`[]`" if value == () else "`null`")
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra.get("shown_as") == "duration" and value is not None:
        return f"`{format_duration(value)}`"
    if value == ():
        return "`[]`"
    shown = (
        {True: "true", False: "false", None: "null"}.get(value, value) if not isinstance(value, float) else f"{value:g}"
    )
    return f"`{shown}`"


def main() -> int:
    """Write the files, or check them."""
    stale = []
    for name, text in (("metrics.md", metrics()), ("configuration.md", configuration())):
        file = DOCS / name
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            file.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"docs/{name} is not current; run: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
