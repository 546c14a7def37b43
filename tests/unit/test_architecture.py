"""Limits that keep the layout readable: a unit test file for each module, no loose modules, small files and classes.

Each exemption lists what exceeded a limit when the limit was introduced. The lists may only shrink: an entry that is
no longer needed fails its test, and new code must not be added to them.
"""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "exporter"
UNIT_TESTS = ROOT / "tests" / "unit"

MAX_LINES = 300
MAX_ARGUMENTS = 7
MAX_ATTRIBUTES = 12
MAX_INIT_LINES = 60

TABLE = "a table or a type without logic; the tests of its users cover it"
WIRING = "wiring or I/O; integration tests cover it"
WITHOUT_UNIT_TESTS = {
    "alerts/definitions.py": TABLE,
    "alerts/prometheus_rules.py": WIRING,
    "alerts/receivers/base.py": TABLE,
    "alerts/receivers/http.py": WIRING,
    "app/daemon.py": WIRING,
    "app/demo.py": WIRING,
    "app/once.py": WIRING,
    "app/options.py": TABLE,
    "app/organization_parts.py": WIRING,
    "app/probe.py": WIRING,
    "app/remote.py": WIRING,
    "app/sources.py": WIRING,
    "cli/check_config.py": WIRING,
    "cli/completion.py": WIRING,
    "cli/config_schema.py": WIRING,
    "cli/events.py": WIRING,
    "cli/exit_codes.py": TABLE,
    "cli/healthcheck.py": WIRING,
    "cli/init.py": WIRING,
    "cli/report.py": WIRING,
    "cli/rules.py": WIRING,
    "cli/serve.py": WIRING,
    "cli/source.py": WIRING,
    "cli/tokens.py": WIRING,
    "cluster/redis.py": WIRING,
    "cluster/redis_tls.py": WIRING,
    "common/log_options.py": TABLE,
    "http/connections.py": WIRING,
    "metrics/families/exporter.py": TABLE,
    "metrics/families/http.py": TABLE,
    "metrics/families/notifications.py": TABLE,
    "metrics/families/platform.py": TABLE,
    "model/kept_alert.py": TABLE,
    "model/severity.py": TABLE,
    "platform/yunxiao/client.py": WIRING,
    "platform/yunxiao/endpoint.py": WIRING,
    "polling/scheduler.py": WIRING,
    "report/chinese.py": TABLE,
    "state/read_only.py": WIRING,
    "state/sqlite.py": WIRING,
    "state/statefile.py": WIRING,
    "state/storage.py": WIRING,
    "web/app.py": WIRING,
    "texts/en.py": TABLE,
    "texts/pages_en.py": TABLE,
    "texts/pages_zh.py": TABLE,
    "texts/zh.py": TABLE,
    "web/protocol.py": WIRING,
    "web/security.py": WIRING,
    "web/served.py": TABLE,
    "web/server.py": WIRING,
    "web/site.py": WIRING,
    "web/templating.py": WIRING,
}
TESTS_OF_SEVERAL_MODULES = {
    "test_architecture.py": "rules for the whole package",
    "test_completeness.py": "documents and examples against the tables of several modules",
    "test_documents.py": "links and names in the documents",
    "test_troubleshooting.py": "messages in docs/troubleshooting.md against the texts of all modules",
    "test_translations.py": "documents in English and Chinese against each other",
    "alerts/receivers/test_receivers.py": "the choice of a receiver, which the package makes",
    "alerts/test_clock_steps.py": "a clock step moves through conditions, tracker and sender",
    "cli/test_startup.py": "what the command line imports before any command runs",
    "platform/yunxiao/test_answers.py": "answers go through connection, encoding, envelope, refusals and client",
    "web/test_documented_limits.py": "docs/web.md against the limits in several modules",
}


def modules() -> Iterator[str]:
    """All modules, as paths below the package."""
    return (path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")))


def modules_to_test() -> set[str]:
    """Modules that need a unit test file: entry points and the simulator are covered by integration tests."""
    return {
        module
        for module in modules()
        if Path(module).name not in {"__init__.py", "__main__.py"}
        and not {"simulator", "templates"} & {*Path(module).parts}
    }


def mirrored(module: str) -> str:
    return Path(module).with_name(f"test_{Path(module).name}").as_posix()


def unit_test_files() -> set[str]:
    return {path.relative_to(UNIT_TESTS).as_posix() for path in UNIT_TESTS.rglob("test_*.py")}


def code_lines(source: str) -> int:
    """Lines with code: no comments, blank lines or docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in {
            tokenize.COMMENT,
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        }:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


@dataclass(frozen=True)
class Size:
    """The size of a class: constructor arguments, attributes set in `__init__`, and lines of `__init__`."""

    arguments: int
    attributes: int
    init_lines: int

    @property
    def too_large(self) -> bool:
        return self.arguments > MAX_ARGUMENTS or self.attributes > MAX_ATTRIBUTES or self.init_lines > MAX_INIT_LINES


def class_sizes(source: str) -> dict[str, Size]:
    """The size of each class that has an `__init__`."""
    sizes = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                    sizes[node.name] = _size(member)
    return sizes


def _size(init: ast.FunctionDef) -> Size:
    arguments = init.args
    attributes = {
        node.attr
        for node in ast.walk(init)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    return Size(
        len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs) - 1,
        len(attributes),
        (init.end_lineno or init.lineno) - init.lineno + 1,
    )


def assert_exactly_exempt(offenders: set[str], exempt: Collection[str], what: str) -> None:
    """Assert that all offenders are exempt, and that no exemption is left over."""
    new = sorted(offenders - {*exempt})
    assert new == [], f"{what}: {new}"
    over = sorted({*exempt} - offenders)
    assert over == [], f"remove these from the exemptions, which may only shrink: {over}"


def test_every_module_has_a_unit_test_file() -> None:
    files = unit_test_files()
    missing = {module for module in modules_to_test() if mirrored(module) not in files}
    assert_exactly_exempt(missing, WITHOUT_UNIT_TESTS, "no tests/unit/<package>/test_<module>.py for")


def test_every_unit_test_file_belongs_to_a_module() -> None:
    soak = {f"soak/{path.name}" for path in (ROOT / "soak").glob("*.py")}
    reference = {f"reference/{path.name}" for path in (ROOT / "scripts" / "reference").glob("*.py")}
    known = {mirrored(module) for module in {*modules()} | soak | reference}
    assert_exactly_exempt(unit_test_files() - known, TESTS_OF_SEVERAL_MODULES, "no module for these unit test files")


def test_the_package_has_no_loose_modules() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_file_has_more_than_300_lines_of_code() -> None:
    long = {module for module in modules() if code_lines((PACKAGE / module).read_text(encoding="utf-8")) > MAX_LINES}
    assert long == set(), f"more than {MAX_LINES} lines of code; split"


def test_no_class_takes_or_holds_too_much() -> None:
    large = {
        f"{module} {name}"
        for module in modules()
        for name, size in class_sizes((PACKAGE / module).read_text(encoding="utf-8")).items()
        if size.too_large
    }
    limits = f"{MAX_ARGUMENTS} arguments, {MAX_ATTRIBUTES} attributes or {MAX_INIT_LINES} lines of __init__"
    assert large == set(), f"more than {limits}"


def test_an_exemption_that_is_left_over_fails() -> None:
    assert_exactly_exempt({"a"}, {"a"}, "")
    with pytest.raises(AssertionError, match="no test for: \\['b'\\]"):
        assert_exactly_exempt({"a", "b"}, {"a"}, "no test for")
    with pytest.raises(AssertionError, match="may only shrink: \\['a'\\]"):
        assert_exactly_exempt(set(), {"a"}, "")


def test_lines_of_code_are_counted_without_comments_blank_lines_and_docstrings() -> None:
    source = (
        '"""Module."""\n\n# comment\n'
        "x = (  # same line\n    1,\n)\n\n\n"
        'def f():\n    """Doc\n    string."""\n    return x\n'
    )
    assert code_lines(source) == 5  # x = ( / 1, / ) / def / return


def test_the_size_of_a_class_is_that_of_its_constructor() -> None:
    source = (
        "class A:\n"
        "    def __init__(self, a, /, b, *, c=1):\n"
        "        self.a = a\n"
        "        self.b, self.c = b, c\n"
        "        self.a = other.d = 2\n"
        "    def f(self):\n"
        "        self.e = 1\n"
        "class B:\n"
        "    pass\n"
    )
    assert class_sizes(source) == {"A": Size(arguments=3, attributes=3, init_lines=4)}
    assert not Size(7, 12, 60).too_large
    assert Size(8, 12, 60).too_large
    assert Size(7, 13, 60).too_large
    assert Size(7, 12, 61).too_large
