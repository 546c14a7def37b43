"""Lines of the text format, in UTF-8. Lines of gauges are the same in OpenMetrics, so one text serves both formats."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from exporter.model.token import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.metrics.families.base import Family, Sample


def head(family: Family) -> bytes:
    """The HELP and TYPE lines of a family."""
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n".encode()


def lines(family: Family, samples: Iterable[Sample], more: Iterable[str] = ()) -> bytes:
    """The lines of some samples; ``more`` are label names beyond those of the family."""
    template, order = _template(family.name, (*family.labels, *more))
    return "".join(
        [
            # An index for each value is faster than any way to reorder them at once.
            template % (*[_escaped(values[position]) for position in order], _number(value))
            for values, value in samples
        ]
    ).encode()


def block(family: Family, samples: Iterable[Sample], more: Iterable[str] = ()) -> bytes:
    """A family with all its samples; ``more`` are label names beyond those of the family."""
    return head(family) + lines(family, samples, more)


@functools.lru_cache(maxsize=256)
def _template(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A format string for a family's lines, and the positions of the label values in its order.

    Labels are in alphabetical order, as prometheus_client writes them.
    """
    order = sorted(range(len(labels)), key=labels.__getitem__)
    pairs = ",".join([f'{labels[position]}="%s"' for position in order])
    return (f"{name}{{{pairs}}} %s\n" if pairs else f"{name} %s\n"), tuple(order)


@functools.lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """A label value, escaped for both formats."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "+Inf" if value == NEVER else repr(float(value))
