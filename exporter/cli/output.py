"""Where the result of a command goes: to stdout or to a file."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from exporter.cli.terminal import OutputError
from exporter.report.formats import F, Text, format_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.cli.terminal import Terminal
    from exporter.report.formats import Binary

_BOM = b"\xef\xbb\xbf"
_STDOUT = Path("-")
_FOR_ALL = 0o644
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Destination:
    """A file, or stdout.

    Attributes:
        file: the file; None for stdout.
        bom: whether a CSV document begins with a byte order mark; None for one in files only.
        shared: whether other users of the machine may read a new file.
    """

    file: Path | None
    bom: bool | None = None
    shared: bool = False

    @classmethod
    def of(cls, file: Path | None, *, bom: bool | None = None, shared: bool = False) -> Destination:
        """The destination for the value of `--output-file`, where ``-`` is stdout."""
        return cls(None if file == _STDOUT else file, bom, shared)

    def refuse_a_terminal(self, form: str, suffix: str) -> None:
        """Refuse a format that a terminal cannot show.

        Raises:
            typer.BadParameter: stdout is a terminal, and the document would go there.
        """
        if self.file is None and sys.stdout is not None and sys.stdout.isatty():
            raise typer.BadParameter(
                f"{form} is not for a terminal; write it to a file, such as --output-file {suffix}, or choose another "
                "--output",
                param_hint="--output",
            )

    def write(self, terminal: Terminal, document: Text | Binary) -> None:
        """Write a document without secrets.

        Raises:
            OutputError: it cannot be written; the message names the file.
        """
        clean = terminal.redactor.clean
        if self.file is None:
            if isinstance(document, Text):
                text, mark = document, "\ufeff" if document.spreadsheet and self.bom else ""
                terminal.document(lambda stream: (stream.write(mark), text.write(stream)))
            else:
                binary = document
                terminal.binary(lambda stream: binary.write(stream, clean))
            return
        from exporter.report.files import replace_file

        def write(stream: BinaryIO) -> None:
            if isinstance(document, Text):
                stream.write(_BOM if document.spreadsheet and self.bom is not False else b"")
                _write_text(terminal, document, stream)
            else:
                document.write(stream, clean)

        try:
            replace_file(self.file, write, _FOR_ALL if self.shared else _OWNER_ONLY)
        except BrokenPipeError:
            return
        except OSError as error:
            raise OutputError(f"{self.file}: {error.strerror or type(error).__name__}") from None


def _write_text(terminal: Terminal, document: Text, stream: BinaryIO) -> None:
    # Names may hold lone surrogates only if they come from the command line.
    wrapped = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
    try:
        terminal.cleaned(wrapped, document.write)
    finally:
        # Closed by the caller.
        wrapped.detach()


def chosen_format(form: F | None, file: Path | None, suffixes: Mapping[str, F], default: F) -> F:
    """The format to write: the one that was named, else that of the file's suffix, else the default.

    Raises:
        typer.BadParameter: the suffix belongs to no format.
    """
    if form is not None:
        return form
    try:
        return format_of(None if file == _STDOUT else file, suffixes, default)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--output-file") from None
