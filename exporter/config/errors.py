"""What is wrong with a configuration, as sentences for the one who has to mend it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.common.text import explained, printable

if TYPE_CHECKING:
    from exporter.common.redaction import Redactor

_LONGEST = 500
"""Characters of each part of a sentence: keys and values of the file may be of any length."""
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, and where.

    Attributes:
        file: the file as the operator named it.
        line: counted from 1; None where no line is to blame.
        path: the key path, such as ``organizations[0].users.static[2].id``; empty for the whole file.
        message: what is wrong; never holds a secret.
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
        # On one line, whatever keys and values hold, so that a sentence cannot pass for two.
        return printable(explained(message, hint, reason=reason))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class ConfigError(Exception):
    """The configuration is not sound. Carries every fault found, not just the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        more = len(faults) - _MOST_SHOWN
        shown = [str(fault) for fault in faults[:_MOST_SHOWN]]
        super().__init__("\n".join(shown if more <= 0 else [*shown, f"and {more} more"]))
        self.faults = faults

    def cleaned(self, redactor: Redactor) -> ConfigError:
        """The same without the secrets that are known by now, which a key or value may hold."""
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
    """A reload was refused; the message says why, and the old configuration stays in force."""


KeyPath = tuple[str | int, ...]
"""The keys and list positions that lead from the top of a document to a value."""


def path_text(path: KeyPath) -> str:
    """A key path as people write it: ``organizations[0].users``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
