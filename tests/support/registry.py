"""What a registry exposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


def lines_with(registry: CollectorRegistry, value: str) -> list[str]:
    """The lines of a scrape with this label value."""
    return [line for line in generate_latest(registry).decode().splitlines() if f'"{value}"' in line]


def families_in(lines: list[str]) -> set[str]:
    """The names of the series in these lines."""
    return {line.partition("{")[0] for line in lines}
