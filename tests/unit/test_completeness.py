"""Whatever the code's tables list has its example, document, runbook and help, and these list nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main
import yaml

from exporter.alerts.definitions import ALL_DEFINITIONS, Definition
from exporter.cli import app
from exporter.config.schema import Config
from exporter.config.validation import section_of
from exporter.metrics.families import ALL_FAMILIES, Family
from exporter.model.event import Change
from exporter.model.state import Reason
from exporter.model.token import TokenState
from exporter.policies.base import UserPolicy
from exporter.policies.builtin import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

    from pydantic import BaseModel
    from typer.core import TyperCommand

    from exporter.policies.base import Policy

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def headings(name: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} `([^`]+)`$", text(name), re.MULTILINE)


# Configuration keys

Path_ = tuple[str, ...]
_KEY = re.compile(r"^(?P<indent> *)(?P<item>- )?(?:or )?(?P<key>\w+):(?: |$)(?P<rest>.*)")
_ENTRY_IN_BRACES = re.compile(r"^ *- \{(?P<rest>.*)")
_KEY_IN_BRACES = re.compile(r"[{,] *(\w+):")


def example_keys(example: str) -> set[Path_]:
    """The paths of all keys in a YAML file, those in its comments included."""
    keys: set[Path_] = set()
    parents: list[tuple[int, str]] = []
    for line in example.splitlines():
        while (bare := re.sub(r"^( *)# ", r"\1", line)) != line:
            line = bare  # noqa: PLW2901 - a comment may stand in a comment
        if (entry := _ENTRY_IN_BRACES.match(line)) is not None:
            parents = [parent for parent in parents if parent[0] < len(line) - len(line.lstrip())]
            keys |= {(*(name for _, name in parents), key) for key in _KEY_IN_BRACES.findall("{" + entry["rest"])}
        elif (found := _KEY.match(line)) is not None:
            indent = len(found["indent"]) + len(found["item"] or "")
            parents = [parent for parent in parents if parent[0] < indent]
            parents.append((indent, found["key"]))
            path = tuple(name for _, name in parents)
            keys |= {path, *((*path, key) for key in _KEY_IN_BRACES.findall(found["rest"].split(" #")[0]))}
    return keys


def schema_keys(model: type[BaseModel] = Config, above: Path_ = ()) -> Iterator[tuple[Path_, type[BaseModel]]]:
    """The path of each key, and the class that defines it."""
    for name, field in model.model_fields.items():
        owner = next(one for one in reversed(model.__mro__) if name in getattr(one, "model_fields", {}))
        yield (*above, name), owner
        if (section := section_of(field.annotation)) is not None:
            yield from schema_keys(section, (*above, name))


def test_keys_are_found_in_comments_lists_and_braces() -> None:
    example = (
        "a:\n  b: 1  # c: no key\n# One of: these\n# d:\n#   e: {f: 1, g: {h: 2}}\n  # - {i: 1}\n"
        "j:\n  - k: 1\n    l: 2\n"
    )
    assert example_keys(example) == {
        *[("a",), ("a", "b"), ("d",), ("d", "e"), ("d", "e", "f"), ("d", "e", "g"), ("d", "e", "h"), ("d", "i")],
        *[("j",), ("j", "k"), ("j", "l")],
    }


def test_the_example_shows_every_configuration_key() -> None:
    shown = example_keys(text("config.example.yaml"))
    # A section that several keys share has to be shown in full once.
    complete = {(owner, path[-1]) for path, owner in schema_keys() if path in shown}
    missing = {".".join(path) for path, owner in schema_keys() if (owner, path[-1]) not in complete}
    assert missing == set()


def test_the_example_shows_no_unknown_key() -> None:
    known = {path for path, _ in schema_keys()}
    free = {("organizations", "users", "static", "labels"), ("alerting", "labels")}
    unknown = {path for path in example_keys(text("config.example.yaml")) if path not in known}
    assert {".".join(path) for path in unknown if path[:-1] not in free} == set()


def code_and_words(example: str) -> tuple[list[str], list[str]]:
    """The lines of a YAML file, those in its comments included, and what the comments say."""
    code, words = [], []
    for line in example.splitlines():
        bare = re.sub(r"^(?: *#(?= |$))+", "", line).strip()
        if _KEY.match(bare) or _ENTRY_IN_BRACES.match(bare):
            bare, *comment = re.split(r" +# ", bare, maxsplit=1)
            code.append(bare)
            words += comment
        elif bare:
            words.append(bare.removeprefix("# "))
    return code, words


def test_code_in_comments_is_distinguished_from_words() -> None:
    example = (
        'a: 1  # one\n# Many words: no key\n#\n# b:  # two # more\n  # # or c: "#"\n\n  - {d: 2} # three\n   # four\n'
    )
    assert code_and_words(example) == (
        ["a: 1", "b:", 'or c: "#"', "- {d: 2}"],
        ["one", "Many words: no key", "two # more", "three", "four"],
    )


def test_the_chinese_example_has_the_same_keys_and_values_in_the_same_order() -> None:
    chinese, english = text("config.example.zh.yaml"), text("config.example.yaml")
    assert code_and_words(chinese)[0] == code_and_words(english)[0]
    assert example_keys(chinese) == example_keys(english)
    assert yaml.safe_load(chinese) == yaml.safe_load(english)


def test_every_comment_of_the_chinese_example_is_chinese() -> None:
    _, words = code_and_words(text("config.example.zh.yaml"))
    assert len(words) > 50
    assert [one for one in words if not re.search(r"[\u4e00-\u9fff]", one)] == []


def test_every_configuration_key_is_documented_in_its_section() -> None:
    documented = set()
    for section in re.split(r"^##? ", text("docs/configuration.md"), flags=re.MULTILINE):
        title = section.partition("\n")[0].strip("`").replace("[]", "").replace("Configuration", "")
        rows = re.findall(r"^\| `(\w+)` \|.*\| \S.* \|$", section, re.MULTILINE)
        documented |= {(*title.split("."), key) if title else (key,) for key in rows}
    # The document describes a section that several keys share once.
    complete = {(owner, path[-1]) for path, owner in schema_keys() if path in documented}
    missing = {".".join(path) for path, owner in schema_keys() if (owner, path[-1]) not in complete}
    assert missing == set()


def test_the_document_shows_defaults_of_durations_as_durations() -> None:
    rows = re.findall(r"^\| `(\w+)` \| duration(?: or null)? \| (\S+) \|", text("docs/configuration.md"), re.MULTILINE)
    assert ("never_expires_after", "`3650d`") in rows
    assert [row for row in rows if not re.fullmatch(r"required|`null`|`(\d+(ms|[smhdwy]))+`", row[1])] == []


# Metric families


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.name)
def test_every_metric_family_is_explained(family: Family) -> None:
    assert family.help
    query, purpose = family.query
    assert family.name.removesuffix("_total") in query
    assert purpose
    assert family.present


def test_the_document_lists_every_metric_family_and_no_other() -> None:
    assert sorted(headings("docs/metrics.md", 3)) == sorted(family.name for family in ALL_FAMILIES)


@pytest.mark.parametrize("kind", [Reason, Change, TokenState])
def test_the_document_explains_every_label_value(kind: type[StrEnum]) -> None:
    explained = re.findall(r"^- `(\w+)`: \S", text("docs/metrics.md"), re.MULTILINE)
    assert [value.value for value in kind if value not in explained] == []


# Policies


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_every_policy_is_shown_and_documented(policy: type[Policy]) -> None:
    assert policy.words
    assert policy.meaning
    assert ("policies", policy.name) in example_keys(text("config.example.yaml"))
    assert f"policies.{policy.name}" in headings("docs/configuration.md", 2)
    assert policy.name in text("README.md")
    assert re.search(rf"^- `{policy.name}`: \S", text("docs/metrics.md"), re.MULTILINE)
    runbook = "YunxiaoUserPolicyViolation" if issubclass(policy, UserPolicy) else "YunxiaoTokenPolicyViolation"
    assert policy.name in text(f"docs/runbooks/{runbook}.md")


def test_a_policy_is_a_section_of_the_configuration_and_the_other_way_round() -> None:
    assert {path[1] for path, _ in schema_keys() if path[0] == "policies" and len(path) == 2} == {
        policy.name for policy in POLICIES
    }


# Alerts


@pytest.mark.parametrize("alert", ALL_DEFINITIONS, ids=lambda alert: alert.name)
def test_every_alert_has_its_runbook(alert: Definition) -> None:
    page = RUNBOOKS / f"{alert.name}.md"
    assert page.exists(), f"write docs/runbooks/{page.name}"
    assert page.read_text(encoding="utf-8").startswith(f"# {alert.name}\n")


def test_the_list_of_runbooks_has_every_alert_and_no_other() -> None:
    names = {alert.name for alert in ALL_DEFINITIONS}
    assert {*re.findall(r"^- \[(\w+)\]\(\1\.md\)", text("docs/runbooks/README.md"), re.MULTILINE)} == names
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {"README", *names}


@pytest.mark.parametrize("document", ["docs/alerts.md", "docs/zh/alerts.md"])
def test_the_table_of_alerts_has_every_alert_with_its_severity_and_no_other(document: str) -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(\S+/\1\.md\) \| (info|warning|critical)?", text(document), re.MULTILINE)
    table, summaries = rows[: len(ALL_DEFINITIONS)], rows[len(ALL_DEFINITIONS) :]
    assert table == [(alert.name, alert.severity.value if alert.severity else "") for alert in ALL_DEFINITIONS]
    assert [name for name, _ in summaries] == [alert.name for alert in ALL_DEFINITIONS]


# Commands

COMMANDS: dict[str, TyperCommand] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    assert COMMANDS[name].help
    documents = text("README.md") + text("docs/commands.md") + text("docs/scaling.md")
    assert re.search(rf"^.*yunxiao-token-exporter {name}\b", documents, re.MULTILINE), (
        f"README.md or docs/commands.md: show {name}"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_help_and_an_environment_variable(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert getattr(parameter, "help", None), parameter.name
            assert str(parameter.envvar).startswith("YUNXIAO_TOKEN_EXPORTER_"), parameter.name
