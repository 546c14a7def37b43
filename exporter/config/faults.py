"""What is wrong with a configuration, as sentences for the one who has to mend it."""

from __future__ import annotations

from dataclasses import dataclass


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
        parts = [where, self.path, self.message] if self.path else [where, self.message]
        text = ": ".join(parts)
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(Exception):
    """The configuration is not sound. Carries every fault found, not just the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


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
