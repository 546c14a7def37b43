"""Errors of a configuration, with their place and a hint for the operator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.common.text import explained, printable

if TYPE_CHECKING:
    from exporter.common.redaction import Redactor

_LONGEST = 500
"""Maximum characters of each part of a message, because keys and values may have any length."""
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a file.

    Attributes:
        file: the file as the operator named it.
        line: counted from 1; None if the fault has no line.
        path: the key path, such as ``organizations[0].users.static[2].id``; empty for the whole file.
        message: what is wrong; never contains a secret.
        hint: what to do about it; may be empty.
    """

    file: str
    line: int | None
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        path, message, hint = map(_shortened, (self.path, self.message, self.hint))
        reason = f"{where}: {path}" if path else where
        # On one line, so that a key or value cannot forge another message.
        return printable(explained(message, hint, reason=reason))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class ConfigError(Exception):
    """The configuration is not valid. Contains all faults, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        more = len(faults) - _MOST_SHOWN
        shown = [str(fault) for fault in faults[:_MOST_SHOWN]]
        super().__init__("\n".join(shown if more <= 0 else [*shown, f"and {more} more"]))
        self.faults = faults

    def cleaned(self, redactor: Redactor) -> ConfigError:
        """The same error without the known secrets, which keys or values may contain."""
        return ConfigError(
            tuple(
                replace(
                    fault,
                    file=redactor.clean(fault.file),
                    path=redactor.clean(fault.path),
                    message=redactor.clean(fault.message),
                    hint=redactor.clean(fault.hint),
                )
                for fault in self.faults
            )
        )


class ReloadError(Exception):
    """A reload failed. The message says why; the previous configuration stays in effect."""


KeyPath = tuple[str | int, ...]
"""The keys and list positions from the top of a document to a value."""


def path_text(path: KeyPath) -> str:
    """A key path as text: ``organizations[0].users``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
