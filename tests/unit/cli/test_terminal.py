from __future__ import annotations

import io
import json

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import app
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.redaction import REDACTED, Redactor
from exporter.common.text import csv_cell, escaped_json, printable, without_control_characters

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe"
EVIL = "\x1b]0;x\x07acme: \x9b31m\u202e\r\nforged\u2028line"


def a_terminal() -> Terminal:
    redactor = Redactor()
    redactor.add(TOKEN)
    return Terminal(redactor)


def test_a_line_is_one_line_without_controls_and_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = a_terminal()
    terminal.err(f"{EVIL} {TOKEN} \u674e\u3000\u4f1f")
    terminal.out(f"{EVIL} {TOKEN} \u674e\u3000\u4f1f")
    expected = "\ufffd]0;x\ufffdacme: \ufffd31m\ufffd\ufffd\ufffdforged\ufffdline [redacted] 李\u3000伟\n"
    assert capsys.readouterr() == (expected, expected)


def test_a_document_keeps_its_lines_and_loses_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    line = "x" * 50 + f" {TOKEN}\n"
    a_terminal().document(lambda stream: [stream.write(part) for _ in range(3000) for part in (line[:60], line[60:])])
    assert capsys.readouterr().out == ("x" * 50 + f" {REDACTED}\n") * 3000


def test_what_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    discarded: list[bool] = []
    monkeypatch.setattr("sys.stdout", Full())
    monkeypatch.setattr("exporter.cli.terminal._discard_stdout", lambda: discarded.append(True))
    with pytest.raises(OutputError, match="No space left on device"):
        a_terminal().out("x")
    monkeypatch.setattr("sys.stderr", Full())
    a_terminal().err("x")
    assert discarded == [True]


@pytest.mark.parametrize(
    "arguments",
    [
        [EVIL],
        ["serve", EVIL],
        ["serve", "--config.file", "x", "--shard", EVIL],
        ["serve", "--config.file", "x", "--log.level", EVIL],
        ["tokens", "--config.file", "x", "--expires-within", EVIL],
        ["tokens", "--config.file", "x", EVIL],
        ["demo", "--users", EVIL],
        ["demo", f"--{EVIL}"],
        ["demo", "--seed", TOKEN],
    ],
)
def test_usage_errors_quote_arguments_without_controls_or_secrets(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.TyperException) as caught:
        app(arguments, standalone_mode=False, obj=a_terminal())
    a_terminal().usage_error(caught.value)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
    assert lines[0].startswith("Usage: ")
    assert all(line.isprintable() for line in lines)
    assert "5ecre7" not in err


def test_a_crash_shows_its_traceback_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    a_terminal().crash(ValueError(f"{TOKEN} {EVIL}"))
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("ValueError: [redacted] \ufffd]0;x") for line in lines)
    assert all(line.isprintable() for line in lines)


@given(st.text())
def test_cleaned_text_contains_no_terminal_controls(text: str) -> None:
    assert all(char.isprintable() or char.isspace() for char in printable(text))
    assert len(printable(text).splitlines()) <= 1
    assert len(printable(text)) == len(text)
    for tame in (without_control_characters(text), csv_cell(text)):
        assert not any(ord(char) < 32 and char not in "\n\t" for char in tame)
        assert not any(0x7F <= ord(char) < 0xA0 for char in tame)
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text
    assert "\x9b" not in escaped_json(json.dumps(text, ensure_ascii=False))
