"""All output of a command. No line contains a secret, or a control sequence that a terminal would obey."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from exporter.common.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer

    from exporter.common.redaction import Redactor

_BLOCK = 64 * 1024


class OutputError(Exception):
    """The output cannot be written; the message says why."""


class Terminal:
    """Prints lines and documents for the one command of this process.

    Args:
        redactor: knows the secrets in use.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    @staticmethod
    def of(context: typer.Context) -> Terminal:
        """The terminal of the running command."""
        terminal: Terminal = context.obj
        return terminal

    def out(self, line: str) -> None:
        """Print one line of a result.

        Raises:
            OutputError: it cannot be written.
        """
        self.document(lambda stream: stream.write(self._shown(line) + "\n"))

    def err(self, line: str) -> None:
        """Print one line about an error or a warning to stderr."""
        # If stderr cannot be written, there is nowhere to report that.
        if sys.stderr is None:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(self._shown(line) + "\n")
            sys.stderr.flush()

    def document(self, write_to: Callable[[TextIO], object]) -> None:
        """Print a document of many lines without secrets. It is not an error if the reader, such as `head`, has ended.

        Args:
            write_to: writes the document to the stream that it is given.

        Raises:
            OutputError: it cannot be written.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # names are Chinese, whatever the locale
        with _writing_to_stdout():
            self.cleaned(sys.stdout, write_to)

    def binary(self, write_to: Callable[[BinaryIO], object]) -> None:
        """Print a document that is not text, and contains no secrets. As `document` otherwise.

        Raises:
            OutputError: it cannot be written.
        """
        with _writing_to_stdout():
            sys.stdout.flush()
            write_to(sys.stdout.buffer)
            sys.stdout.buffer.flush()

    def cleaned(self, target: TextIO, write_to: Callable[[TextIO], object]) -> None:
        """Write a document to a stream without secrets."""
        stream = _Cleaned(target, self.redactor)
        write_to(cast("TextIO", stream))
        stream.finish()

    def usage_error(self, error: typer.TyperException) -> None:
        """Print what is wrong with the arguments. The message quotes them, so it is cleaned like any other line."""
        message = error.format_message()
        context: Any = getattr(error, "ctx", None)
        if context is not None and message == context.get_help():
            # No arguments were given.
            for line in message.splitlines():
                self.err(line)
            return
        if context is not None:
            for line in context.get_usage().splitlines():
                self.err(line)
            self.err(f"Try '{context.command_path} {context.help_option_names[0]}' for help.")
            self.err("")
        self.err(f"Error: {' '.join(message.split())}")

    def crash(self, error: Exception) -> None:
        """Print the traceback of a defect, without values of variables."""
        for line in "".join(traceback.format_exception(error)).splitlines():
            self.err(line)

    def _shown(self, line: str) -> str:
        return printable(self.redactor.clean(line))


@contextlib.contextmanager
def _writing_to_stdout() -> Iterator[None]:
    """Handle the errors of writing to stdout. What is still buffered is discarded then."""
    # Python sets it to None if the caller has closed it.
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    try:
        yield
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        _discard_stdout()
        raise OutputError(error.strerror or type(error).__name__) from None


def _discard_stdout() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


class _Cleaned(io.TextIOBase):
    """A stream that removes secrets from whole lines before it passes them on to the target."""

    encoding = "utf-8"

    def __init__(self, target: TextIO, redactor: Redactor) -> None:
        self._target = target
        self._redactor = redactor
        self._waiting: list[str] = []
        self._size = 0

    def isatty(self) -> bool:
        return self._target.isatty()

    def fileno(self) -> int:
        return self._target.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _BLOCK:
            whole, newline, rest = "".join(self._waiting).rpartition("\n")
            self._target.write(self._redactor.clean(whole + newline))
            self._waiting, self._size = [rest], len(rest)
        return len(text)

    def finish(self) -> None:
        """Write and flush the rest."""
        self._target.write(self._redactor.clean("".join(self._waiting)))
        self._waiting, self._size = [], 0
        self._target.flush()
