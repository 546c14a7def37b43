"""Links between documents lead somewhere, and runbooks name only pages of the console that are documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from support.translations import anchors

from exporter.platform.base import Operation
from exporter.platform.yunxiao.permissions import needed_for
from exporter.state.sqlite import SCHEMA
from exporter.texts.catalogue import Language
from exporter.web.documents import INDEX, PLATFORM, find_document

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
CONSOLE_PAGES = {"Personal Settings", "Access Token"}
PROMETHEUS_PAGES = {"Status", "Targets"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(document: Path) -> None:
    for link in LINK.findall(document.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("document", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda path: path.stem)
def test_runbooks_name_only_documented_pages(document: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    emphasised = {" ".join(words.split()) for words in re.findall(r"(?<!\*)\*(?![\s*])([^*]+)\*", text)}
    assert emphasised <= CONSOLE_PAGES | PROMETHEUS_PAGES


@pytest.mark.parametrize("document", RUNBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_runbooks_ask_the_running_exporter_instead_of_the_platform(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for command in re.findall(r"yunxiao-token-exporter (?:tokens|report)\b[^\n`]*", text):
        assert "--from http://<exporter>:10097" in command
        # Policies are those of a configuration, and HTML is refused on a terminal.
        assert "--policy" not in command or "--config.file config.yaml" in command
        assert " report " not in command or "--output-file report.html" in command


def test_the_documents_that_the_exporter_serves_are_in_the_wheel_and_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    served = {find_document(name, language) for name in (INDEX, PLATFORM) for language in Language}
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for source, target in included.items():
        assert target == f"exporter/{source}"
        # The image installs the wheel.
        assert f"COPY {source} ./{source}" in image
    for document in served:
        assert document is not None
        assert any(f"docs/{document.path}".startswith(source) for source in included)


@pytest.mark.parametrize("document", ["CHANGELOG.md", "docs/upgrading.md", "docs/zh/upgrading.md"])
def test_notes_on_upgrades_name_the_schema_of_the_state_file(document: str) -> None:
    assert f"schema {SCHEMA}" in (ROOT / document).read_text(encoding="utf-8")


def test_the_call_that_deletes_a_token_takes_the_secret_from_a_file() -> None:
    text = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^sed .*\n.*$", text, re.MULTILINE)
    assert "-X DELETE -H @-" in command
    assert '"https://<domain>/oapi/v1/platform/users/admin/personalAccessTokens/<token_id>"' in command
    assert "pt-" not in command


@pytest.mark.parametrize(
    ("call", "operation", "path"),
    [
        ("tokens of a user", Operation.LIST_TOKENS, ""),
        ("users of the enterprise", Operation.LIST_USERS, ""),
        ("members of an organization", Operation.LIST_MEMBERS, ""),
        ("organizations", Operation.LIST_ORGANIZATIONS, ""),
        ("departments of the enterprise", Operation.LIST_DEPARTMENTS, "platform/departments"),
        ("departments of an organization", Operation.LIST_DEPARTMENTS, "platform/organizations/o1/departments"),
    ],
)
def test_the_documented_permissions_are_those_of_the_code(call: str, operation: Operation, path: str) -> None:
    needed = needed_for(operation, path)
    assert needed is not None
    text = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| .* \| {call} \| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    in_the_console = f"{needed.console} \N{MIDDLE DOT} {needed.chinese}"
    assert row in {(needed.name, in_the_console), (needed.name, "the same")}
