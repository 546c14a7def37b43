from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
import typer

from exporter.cli.output import Destination, chosen_format
from exporter.cli.terminal import OutputError, Terminal
from exporter.common.redaction import Redactor
from exporter.report.formats import LIST_SUFFIXES, Binary, Output, Text

TOKEN = "pt-0a1b2c3d4e5f_" + "5ecre7" + "0badcafe"
BOM = "\ufeff"


def a_terminal() -> Terminal:
    redactor = Redactor()
    redactor.add(TOKEN)
    return Terminal(redactor)


def csv_text(text: str = "用户,x\n") -> Text:
    return Text(lambda stream: stream.write(text), spreadsheet=True)


@pytest.mark.parametrize(("bom", "mark"), [(None, ""), (False, ""), (True, BOM)])
def test_csv_on_stdout_has_a_mark_on_request_only(
    bom: bool | None,  # noqa: FBT001
    mark: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Destination.of(None, bom=bom).write(a_terminal(), csv_text())
    Destination.of(Path("-"), bom=bom).write(a_terminal(), csv_text())
    assert capsys.readouterr().out == f"{mark}用户,x\n" * 2


@pytest.mark.parametrize(("bom", "mark"), [(None, BOM), (False, ""), (True, BOM)])
def test_a_csv_file_has_a_mark_unless_it_is_declined(
    bom: bool | None,  # noqa: FBT001
    mark: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "tokens.csv"
    Destination.of(file, bom=bom).write(a_terminal(), csv_text())
    assert file.read_text("utf-8") == f"{mark}用户,x\n"


def test_other_text_has_no_mark(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    Destination.of(file, bom=True).write(a_terminal(), Text(lambda stream: stream.write("{}\r\n")))
    assert file.read_bytes() == b"{}\r\n"


def test_a_file_has_no_secrets_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    Destination.of(file).write(a_terminal(), Text(lambda stream: stream.write(f"a {TOKEN}\n")))
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("a [redacted]\n", 0o600)
    shared = tmp_path / "tokens.prom"
    Destination.of(shared, shared=True).write(a_terminal(), Text(lambda stream: stream.write("x")))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o644


def test_a_binary_document_gets_the_redactor(tmp_path: Path) -> None:
    file = tmp_path / "tokens.xlsx"
    Destination.of(file).write(a_terminal(), Binary(lambda stream, clean: stream.write(clean(f"a {TOKEN}").encode())))
    assert file.read_bytes() == b"a [redacted]"


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/x\.csv: No such file or directory"):
        Destination.of(tmp_path / "nowhere" / "x.csv").write(a_terminal(), csv_text())
    with pytest.raises(OutputError, match=r"^/dev/full: No space left on device$"):
        Destination.of(Path("/dev/full")).write(a_terminal(), csv_text("x" * 100_000))


def test_a_closed_stdout_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(OutputError, match="stdout is closed"):
        Destination.of(None).write(a_terminal(), csv_text())
    with pytest.raises(OutputError, match="stdout is closed"):
        Destination.of(None).write(a_terminal(), Binary(lambda stream, _: stream.write(b"")))
    monkeypatch.setattr("sys.stderr", None)
    a_terminal().err("nowhere to go")


def test_a_terminal_gets_no_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Screen())
    with pytest.raises(typer.BadParameter, match=r"write it to a file, such as --output-file report\.html"):
        Destination.of(None).refuse_a_terminal("html", "report.html")
    Destination.of(tmp_path / "report.html").refuse_a_terminal("html", "report.html")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    Destination.of(None).refuse_a_terminal("html", "report.html")


def test_the_named_format_wins_over_the_suffix() -> None:
    assert chosen_format(Output.JSON, Path("x.csv"), LIST_SUFFIXES, Output.TABLE) is Output.JSON
    assert chosen_format(None, Path("x.csv"), LIST_SUFFIXES, Output.TABLE) is Output.CSV
    assert chosen_format(None, Path("-"), LIST_SUFFIXES, Output.TABLE) is Output.TABLE
    with pytest.raises(typer.BadParameter, match=r"\.pdf belongs to no format"):
        chosen_format(None, Path("x.pdf"), LIST_SUFFIXES, Output.TABLE)
